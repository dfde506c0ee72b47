"""SMPP 3.4, which most carriers and aggregators speak: its receipts and replies, read.

SMPP is a session that somebody holds open (smpplib, Jasmin, Kannel), not a request to make, so
this carrier sends nothing. Whoever holds the session hands in what arrives on it, whole PDUs
as they came:

    DELIVER_SM smpp://session
    Authorization: Bearer (a secret of the host's own)
    Content-Type: application/octet-stream

    (the bytes of one deliver_sm or data_sm)

`Smpp.request` makes that of a PDU in the same process; another process posts it over HTTP.
In the PDU a receipt is a text of the carrier's own making, nearly always this one, and often
fields beside it (``receipted_message_id``, ``message_state``), which are believed first:

    id:0a1b2c3d sub:001 dlvrd:001 submit date:2611221200 done date:2611221206 stat:DELIVRD err:000 text:Hello

A reply is the text itself; of a long one each part is a PDU of its own.

Nothing is signed. The secret says that the one who holds the session handed the PDU in, not
what the PDU says: what makes it the carrier's are TLS, the carrier's address, and the password
of the session. Nothing in a receipt says when it was handed in, so it can be handed in again,
and counts once. No id of ours travels in SMPP: keep the ``message_id`` of the answer to
submit_sm as the message's ``carrier_id``.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, NoReturn

import attrs

from campaignkit.backends.carriers.port import Carrier, Event, Request, Secret, Submission, each_secret, newest, secret
from campaignkit.backends.carriers.signing import any_same, sha256_hex
from campaignkit.backends.carriers.wire import GSM, GSM_ESCAPED, Fields, clean, e164, moment_of
from campaignkit.errors import InvalidValue, shown
from campaignkit.grouping import parse_zone
from campaignkit.models import Attempt, Message, Receipt, Reply
from campaignkit.verdicts import classify

PDU: Final = "application/octet-stream"
METHOD: Final = "DELIVER_SM"
URL: Final = "smpp://session"

DELIVER_SM: Final = 0x00000005
DATA_SM: Final = 0x00000103
RECEIPTED_MESSAGE_ID: Final = 0x001E
SAR_REFERENCE: Final = 0x020C
SAR_TOTAL: Final = 0x020E
SAR_PART: Final = 0x020F
NETWORK_ERROR_CODE: Final = 0x0423
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427

STATES: Final = (
    *("SCHEDULED", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED"),
    *("UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "SKIPPED"),
)
"""What the numbers of ``message_state`` are called in the text of receipts."""

_ESCAPE: Final = 0x1B
_HEADER: Final = struct.Struct(">4I")
_TLV: Final = struct.Struct(">2H")
_TYPE: Final = 0x3C  # the bits of esm_class that say what a PDU is
_RECEIPTS: Final = frozenset({0x04, 0x20})  # at the end, and on the way
_HAS_HEADER: Final = 0x40
_LONGEST_FIELD: Final = 255
_INTERNATIONAL: Final = frozenset({0, 1})  # types of number; 0 is unknown, and international with nearly everybody
_CODECS: Final = {1: "ascii", 3: "latin-1", 6: "iso8859-5", 7: "iso8859-8", 8: "utf-16-be"}
_DEFAULT_CODINGS: Final = frozenset({0, 0xF0, 0xF1, 0xF2, 0xF3})
_FIELD: Final = re.compile(r"(?:^|(?<=\s))(id|sub|dlvrd|submit date|done date|stat|err|text):", re.IGNORECASE)
_LAYOUTS: Final = {10: ("%y%m%d%H%M",), 12: ("%y%m%d%H%M%S", "%Y%m%d%H%M"), 14: ("%Y%m%d%H%M%S",)}
_TABLE: Final = re.compile(r"[a-z0-9_.-]{1,40}")
_BASES: Final = {"decimal": 10, "hex": 16}
_LONGEST_NUMBER: Final = 32


def _table(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and _TABLE.fullmatch(value)):
        return value
    raise InvalidValue(f'table is {shown(value)}: must be the name of a table of codes, like "map" or "twilio-smpp"')


def _zone(value: Any) -> str | None:
    return value if value is None else parse_zone(value).key


def _one_of(*words: str) -> Any:
    def check(value: Any, _: Any, field: Any) -> str:
        if value not in words:
            raise InvalidValue(f"{field.name} is {shown(value)}: must be one of {', '.join(words)}")
        return str(value)

    return attrs.field(default=words[0], converter=attrs.Converter(check, takes_self=True, takes_field=True))


@attrs.frozen(kw_only=True)
class Smpp(Carrier):
    """Receipts and replies of an SMPP session that somebody else holds.

    Attributes:
        token: a long secret of your own, with which the holder of the session hands PDUs in.
        table: whose numbers stand in ``err:``, as `classify` knows them: ``map``, ``twilio-smpp``,
            ``8x8``, ``kpn``, ``telesign``, ``firetext``, or a name for codes of your own. Everybody
            numbers differently, so without it a code is kept as ``err:...`` and means nothing.
        zone: the time zone of ``done date:``; without it receipts have no time of the carrier's.
        alphabet: of texts whose coding is "the default": what the specification says, ``gsm``,
            or what the carrier has made of it.
        receipt_ids: how receipts write the id: as the answer to submit_sm did (``text``), or as a
            ``decimal`` or ``hex`` number. Of a number, ``carrier_id`` is the decimal form.

    >>> smpp = Smpp(token="secret", table="map", zone="Europe/Paris")
    >>> smpp.sends, "token='***'" in repr(smpp)
    (False, True)
    """

    name: ClassVar[str] = "smpp"
    sends: ClassVar[bool] = False
    methods: ClassVar[frozenset[str]] = frozenset({METHOD, "POST"})
    content_types: ClassVar[frozenset[str]] = frozenset({PDU})

    token: Secret = secret()
    table: str | None = attrs.field(default=None, converter=_table)
    zone: str | None = attrs.field(default=None, converter=_zone)
    alphabet: Literal["gsm", "latin-1", "utf-8"] = _one_of("gsm", "latin-1", "utf-8")
    receipt_ids: Literal["text", "decimal", "hex"] = _one_of("text", "decimal", "hex")

    def request(self, pdu: bytes) -> Request:
        """Return the request that hands a PDU in, for `events`."""
        return Request(METHOD, URL, {"Authorization": f"Bearer {newest(self.token)}", "Content-Type": PDU}, pdu)

    def encode(self, message: Message, attempt: Attempt) -> NoReturn:  # noqa: ARG002 - whatever they are
        """Refuse: an SMPP session sends, and this only reads what comes back.

        Raises:
            InvalidValue: always.
        """
        raise InvalidValue(
            "carrier is smpp: it reads receipts and sends nothing; submit the message through the SMPP session, and"
            " keep the id that its answer names as carrier_id"
        )

    def _accepted(self, answer: Fields) -> Submission:  # noqa: ARG002 - there is no such answer
        raise InvalidValue("answer is to no request of ours: smpp makes none")

    def _error(self, answer: Fields) -> tuple[str | None, str] | None:  # noqa: ARG002 - there is no such answer
        return None

    def _verify(self, request: Request, now: datetime) -> None:  # noqa: ARG002 - no time is signed
        expected = [f"Bearer {token}" for token in each_secret(self.token)]
        if not any_same([request.headers.get("authorization", "")], expected):
            raise self.rejected("signature", "Authorization does not hold the token")

    def _parse(self, request: Request, now: datetime) -> list[Event]:
        pdu = read_pdu(request.body)
        if pdu is None:
            return []
        kind = pdu.esm_class & _TYPE
        named = RECEIPTED_MESSAGE_ID in pdu.fields and MESSAGE_STATE in pdu.fields
        # Nobody's text alone makes a receipt: a person may write "id:1 stat:DELIVRD" too.
        if kind in _RECEIPTS or (kind == 0 and named):
            return [self._reported(pdu, now, request.body)]
        return [self._said(pdu, now)] if kind == 0 else []  # else acknowledgements that phones' applications make

    # --- receipts

    def _reported(self, pdu: Pdu, now: datetime, body: bytes) -> Receipt:
        text = _receipt_text(pdu)
        fields = dict(_receipt_fields(text))
        return self._receipt(
            _status(pdu, fields.get("stat")),
            self._id(_c_octets(pdu.fields.get(RECEIPTED_MESSAGE_ID, b"")) or fields.get("id")),
            now,
            error_code=self._code(fields.get("err") or _network_code(pdu)),
            at=self._time(fields.get("done date", ""), now),
            raw={"text": text, "pdu": body.hex()},
        )

    def _id(self, found: str | None) -> str:
        if not found:
            raise InvalidValue("id is missing: neither the text nor receipted_message_id names the message")
        base = _BASES.get(self.receipt_ids)
        if base is not None and found.isascii() and found.isalnum() and len(found) <= _LONGEST_NUMBER:
            with contextlib.suppress(ValueError):
                return str(int(found, base))
        return clean(found)

    def _code(self, err: str | None) -> str | None:
        """Return a code with the table that it belongs to, written as the table has it; None for no error."""
        words = clean(err or "").split()
        if not words:
            return None
        code = words[0]
        if self.table is not None:
            for form in (code, code.lstrip("0") or "0", code.rjust(3, "0")):
                if classify(self.name, f"{self.table}:{form}").mapped:
                    return f"{self.table}:{form}"
        return f"{self.table or 'err'}:{code}" if code.strip("0") else None

    def _time(self, digits: str, now: datetime) -> datetime | None:
        """Return the time that some digits are; where they can be read in two ways, the one nearer to now."""
        if self.zone is None or not (digits.isascii() and digits.isdecimal()):
            return None
        zone = parse_zone(self.zone)
        read = [at.replace(tzinfo=zone) for at in _readings(digits)]
        return moment_of(min(read, key=lambda at: abs(at - now)).isoformat(), now) if read else None

    # --- replies

    def _said(self, pdu: Pdu, now: datetime) -> Reply:
        long = pdu.part if pdu.part is not None and pdu.part.total > 1 else None
        if not pdu.source:
            raise InvalidValue("source_addr is empty: a reply comes from somebody")
        reply = self._reply(
            _decoded(pdu.text, pdu.coding, self.alphabet),
            now,
            reply_id=_reply_id(pdu, long, now),
            to=pdu.source,
            sender=pdu.destination or None,
        )
        # A part that happens to be "stop" is a piece of a sentence.
        return reply if long is None else attrs.evolve(reply, keyword=None)


# --- the PDU -----------------------------------------------------------------------------------


@attrs.frozen
class Part:
    """Which part of a long text this is."""

    reference: int
    total: int
    number: int


@attrs.frozen(kw_only=True, repr=False)
class Pdu:
    """What a deliver_sm or a data_sm holds.

    Attributes:
        text: without the header that long texts have.
        fields: the optional ones, by their tag.
    """

    sequence: int
    source: str
    destination: str
    esm_class: int
    coding: int
    text: bytes
    part: Part | None
    fields: Mapping[int, bytes]


class _Reader:
    """Some bytes, read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def octets(self, count: int) -> bytes:
        if count > self.left:
            raise InvalidValue("PDU is shorter than it says")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        return self.octets(1)[0]

    def string(self) -> str:
        end = self._data.find(b"\0", self._at, self._at + _LONGEST_FIELD)
        if end < 0:
            raise InvalidValue("PDU is without the end of a field")
        return self.octets(end + 1 - self._at)[:-1].decode("latin-1")

    def address(self) -> str:
        kind, _, text = self.number(), self.number(), self.string()
        international = kind in _INTERNATIONAL and not text.startswith("0")
        return (e164(text) or "") if international else text


def read_pdu(body: bytes) -> Pdu | None:
    """Return what a deliver_sm or data_sm holds, None for a PDU of another kind.

    Raises:
        InvalidValue: it is broken.
    """
    if len(body) < _HEADER.size:
        raise InvalidValue("PDU is shorter than its header")
    length, command, _, sequence = _HEADER.unpack_from(body)
    if length != len(body):
        raise InvalidValue("command_length is not the length of the PDU")
    if command not in {DELIVER_SM, DATA_SM}:
        return None
    reader = _Reader(body[_HEADER.size :])
    reader.string()  # service_type
    source, destination, esm_class = reader.address(), reader.address(), reader.number()
    coding, text = _deliver_sm(reader) if command == DELIVER_SM else _data_sm(reader)
    fields = _optional(reader)
    text, part = _without_header(text or fields.get(MESSAGE_PAYLOAD, b""), esm_class)
    return Pdu(
        sequence=sequence,
        source=source,
        destination=destination,
        esm_class=esm_class,
        coding=coding,
        text=text,
        part=part or _sar(fields),
        fields=fields,
    )


def _deliver_sm(reader: _Reader) -> tuple[int, bytes]:
    reader.octets(2)  # protocol_id, priority_flag
    reader.string()  # schedule_delivery_time
    reader.string()  # validity_period
    reader.octets(2)  # registered_delivery, replace_if_present_flag
    coding = reader.number()
    reader.octets(1)  # sm_default_msg_id
    return coding, reader.octets(reader.number())


def _data_sm(reader: _Reader) -> tuple[int, bytes]:
    reader.octets(1)  # registered_delivery
    return reader.number(), b""


def _optional(reader: _Reader) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    while reader.left >= _TLV.size:  # some pad the end with NUL
        tag, length = _TLV.unpack(reader.octets(_TLV.size))
        fields.setdefault(tag, reader.octets(length))
    return fields


def _without_header(text: bytes, esm_class: int) -> tuple[bytes, Part | None]:
    """Return a text and which part it is, its header taken off."""
    if not (esm_class & _HAS_HEADER and text):
        return text, None
    reader = _Reader(text)
    header = _Reader(reader.octets(reader.number()))
    part = None
    while header.left:
        element, value = header.number(), header.octets(header.number())
        if (element, len(value)) in {(0, 3), (8, 4)}:
            part = _part(value[:-2], value[-2:-1], value[-1:])
    return reader.octets(reader.left), part


def _sar(fields: Mapping[int, bytes]) -> Part | None:
    return _part(*(fields.get(tag, b"") for tag in (SAR_REFERENCE, SAR_TOTAL, SAR_PART)))


def _part(*values: bytes) -> Part | None:
    reference, total, number = (int.from_bytes(each) for each in values)
    return Part(reference, total, number) if 1 <= number <= total else None


# --- what is in it -----------------------------------------------------------------------------


def _receipt_text(pdu: Pdu) -> str:
    """Return the text of a receipt: ASCII whatever its coding says, unless it is plainly of two bytes."""
    codec = "utf-16-be" if pdu.text[:1] == b"\0" else "latin-1"
    return clean(pdu.text.decode(codec, "replace").rstrip("\0"))


def _receipt_fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield the fields before ``text:``, which is a piece of the message and may say anything."""
    marks = [*_FIELD.finditer(text)]
    for i, mark in enumerate(marks):
        name, end = mark[1].lower(), marks[i + 1].start() if i + 1 < len(marks) else len(text)
        if name == "text":
            return
        yield name, text[mark.end() : end].strip()


def _status(pdu: Pdu, said: str | None) -> str:
    state = pdu.fields.get(MESSAGE_STATE)
    number = int.from_bytes(state) if state else len(STATES)
    if number < len(STATES):
        return STATES[number]
    if said:
        return said
    if state:
        return f"message_state:{number}"
    raise InvalidValue("stat is missing: neither the text nor message_state says what became of the message")


def _network_code(pdu: Pdu) -> str:
    """Return the code of the network, which has a number for its kind before it."""
    value = pdu.fields.get(NETWORK_ERROR_CODE, b"")
    return str(int.from_bytes(value[1:])) if len(value) == 3 else ""  # noqa: PLR2004 - as long as it is


def _c_octets(value: bytes) -> str:
    return value.partition(b"\0")[0].decode("latin-1").strip()


def _readings(digits: str) -> Iterator[datetime]:
    for layout in _LAYOUTS.get(len(digits), ()):
        try:
            yield datetime.strptime(digits, layout)  # noqa: DTZ007 - the host says which zone it is
        except ValueError:
            continue


def _decoded(data: bytes, coding: int, default: str) -> str:
    """Return a text; what is none, or of an alphabet that is not known, becomes U+FFFD."""
    if coding not in _DEFAULT_CODINGS:
        return data.decode(_CODECS.get(coding, "ascii"), "replace")
    return _gsm(data) if default == "gsm" else data.decode(default, "replace")


def _gsm(data: bytes) -> str:
    found, escaped = [], False
    for byte in data:
        if byte == _ESCAPE and not escaped:
            escaped = True
            continue
        plain = GSM[byte] if byte < len(GSM) else "�"
        found.append(GSM_ESCAPED.get(byte, plain) if escaped else plain)
        escaped = False
    return "".join(found)


def _reply_id(pdu: Pdu, long: Part | None, now: datetime) -> str:
    """Return an id for a reply, of which SMPP has none.

    A PDU that is handed in again on the same day is the same reply. Numbers of PDUs start anew
    with each session, so text, numbers and day are in the id too.
    """
    held = b"\0".join((pdu.source.encode(), pdu.destination.encode(), pdu.text))
    name = f"{now.astimezone(UTC):%Y%m%d}-{pdu.sequence}-{sha256_hex(held)[:16]}"
    return name if long is None else f"{name}-{long.reference}.{long.number}.{long.total}"
