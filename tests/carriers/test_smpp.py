"""SMPP: which PDUs are believed, and what their receipts and replies say."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import struct
from pathlib import Path
from random import Random

import attrs
import pytest
import smpplib.client
import smpplib.consts
import smpplib.gsm
import smpplib.smpp
from hypothesis import given
from hypothesis import strategies as st

from campaignkit import (
    Attempt,
    InvalidValue,
    Keyword,
    Message,
    Outcome,
    Receipt,
    Reply,
    Status,
    WebhookRejected,
    classify,
    fold,
    get_profile,
)
from campaignkit.backends.carriers import Request, Response, Smpp
from campaignkit.backends.carriers.smpp import GSM, GSM_ESCAPED
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.base import Submitted, Why
from campaignkit.testing.dialects.smpp import SmppDialect

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
SMPP = Smpp(token="a-long-secret", table="map", zone="Europe/Paris")
SESSION = SmppDialect(SMPP)
SUBMITTED = Submitted(to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off, today alone")
USUAL = "id:0a1b2c3d sub:001 dlvrd:001 submit date:2611221200 done date:2611221206 stat:DELIVRD err:000 text:Hello"
SOURCE, DESTINATION = b"\x01\x0112025550143\0", b"\x01\x0112025550100\0"


def tlv(tag, value):
    """Return an optional field."""
    return struct.pack(">2H", tag, len(value)) + value


def pdu(text=b"", *fields, esm=0, coding=0, source=SOURCE, destination=DESTINATION, command=5, sequence=7):
    """Return a deliver_sm, byte by byte as the specification has it."""
    body = b"\0" + source + destination + bytes([esm, 0, 0]) + b"\0\0" + bytes([0, 0, coding, 0, len(text)]) + text
    body += b"".join(fields)
    return struct.pack(">4I", 16 + len(body), command, 0, sequence) + body


def reported(text=USUAL, *fields, carrier=SMPP, esm=4, **more):
    """Return what a receipt says."""
    said = text.encode() if isinstance(text, str) else text
    [event] = carrier.events(carrier.request(pdu(said, *fields, esm=esm, **more)), now=NOW)
    return event


def said(text, *fields, carrier=SMPP, now=NOW, **more):
    """Return what a reply says."""
    [event] = carrier.events(carrier.request(pdu(text, *fields, **more)), now=now)
    return event


def reason_of(request, carrier=SMPP):
    """Return why a PDU is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=NOW)
    return caught.value.reason


class TestSmpp(CarrierContract):
    """SMPP keeps what every carrier promises; nothing of a PDU is signed."""

    carrier = SMPP
    now = NOW
    receipt = SESSION.receipt(SUBMITTED, "0a1b2c3d", "DELIVRD", None, NOW)
    reply = SESSION.reply("+12025550143", "+12025550100", "Hello", "r-1", NOW)
    covers_body = False
    covers_address = False
    carries_attempt = False


# --- who may hand in ---------------------------------------------------------------------------


def test_the_holder_of_the_session_has_a_secret():
    """A PDU is believed when it is handed in with the secret, from this process or by HTTP."""
    carrier = Smpp(token=["new", "old"])
    body = pdu(USUAL.encode(), esm=4)

    request = carrier.request(body)
    assert (request.method, request.url, request.body) == ("DELIVER_SM", "smpp://session", body)
    assert dict(request.headers) == {"authorization": "Bearer new", "content-type": "application/octet-stream"}
    for method in ("DELIVER_SM", "POST"):
        for token in ("new", "old"):
            headers = {**request.headers, "authorization": f"Bearer {token}"}
            assert len(carrier.events(Request(method, "https://app.example/hooks", headers, body), now=NOW)) == 1


@pytest.mark.parametrize("given_", [None, "", "new", "Bearer", "Bearer ", "Bearer other", "Bearer new ", "bearer new"])
def test_without_the_secret_nothing_is_believed(given_):
    """Whatever else is given instead of the secret is rejected."""
    carrier = Smpp(token="new")
    headers = {"Content-Type": "application/octet-stream", **({} if given_ is None else {"Authorization": given_})}

    assert reason_of(Request("POST", "https://app.example/hooks", headers, pdu()), carrier) == "signature"


# --- receipts ----------------------------------------------------------------------------------


def test_a_receipt():
    """A receipt has the carrier's word, its id of the message, and its time in the zone it is known to use."""
    receipt = reported()

    assert receipt == Receipt(
        status="DELIVRD",
        carrier="smpp",
        carrier_id="0a1b2c3d",
        at=dt.datetime(2026, 11, 22, 11, 6, tzinfo=dt.UTC),
        received_at=NOW,
    )
    assert receipt.raw == {"text": USUAL, "pdu": pdu(USUAL.encode(), esm=4).hex()}


@pytest.mark.parametrize(
    ("text", "carrier_id", "word", "code"),
    [
        (
            "id:1234567890 sub:001 dlvrd:001 submit date:1305050826 done date:1305050826 stat:DELIVRD err:000 text:OK",
            "1234567890",
            "DELIVRD",
            None,
        ),
        (
            "id:a29f6845555647139e5c8f3b817f2c9a sub:001 dlvrd:001 done date:141023215259 stat:DELIVRD err:000 text:HI",
            "a29f6845555647139e5c8f3b817f2c9a",
            "DELIVRD",
            None,
        ),
        (
            "id:c87c2273-7edb-4bc7-8d3a-7f57f21b625e submit date:201506201641 stat:UNDELIV err:001",
            "c87c2273-7edb-4bc7-8d3a-7f57f21b625e",
            "UNDELIV",
            "map:1",
        ),
        (
            "id:68673723 sub:1 dlvrd:13 done date:1909301545 stat:DELIVRD err:0 Text:\x04\x1a",
            "68673723",
            "DELIVRD",
            None,
        ),
        ("id:1 stat:DELETED err:000 Text:same message to all\0\0", "1", "DELETED", None),
        ("id:1 stat:DELIVERED TO CARRIER err:000", "1", "DELIVERED TO CARRIER", None),
        ("ID:1 SUB:001 STAT:UNDELIV ERR:27", "1", "UNDELIV", "map:27"),
        ("id: 1 stat: EXPIRED err: 00B text: hi", "1", "EXPIRED", "map:00B"),
        ("stat:REJECTD id:1", "1", "REJECTD", None),
        ("id:1 stat:UNDELIV err:21b something", "1", "UNDELIV", "map:21b"),
        ("id:1 stat:TELEPORTED\0", "1", "TELEPORTED", None),
        ("id:1 id:2 stat:DELIVRD stat:UNDELIV text:x", "2", "UNDELIV", None),
        ("id:1 stat:DELIVRD text:id:2 stat:UNDELIV err:001", "1", "DELIVRD", None),
        ("id:1 grid:2 stat:DELIVRD", "1 grid:2", "DELIVRD", None),
    ],
)
def test_texts_of_receipts(text, carrier_id, word, code):
    """Receipts as carriers write them; what the message itself says is never taken for a field."""
    receipt = reported(text)

    assert (receipt.carrier_id, receipt.status, receipt.error_code) == (carrier_id, word, code)
    assert "\0" not in receipt.raw["text"]


def test_a_receipt_in_two_bytes_a_character():
    """Some carriers write the text of receipts in UCS-2, and some only say that they do."""
    assert reported(USUAL.encode("utf-16-be"), coding=8).carrier_id == "0a1b2c3d"
    assert reported(USUAL, coding=8).carrier_id == "0a1b2c3d"


@pytest.mark.parametrize(
    ("number", "word", "status"),
    [
        (0, "SCHEDULED", Status.QUEUED),
        (1, "ENROUTE", Status.SENT),
        (2, "DELIVRD", Status.DELIVERED),
        (3, "EXPIRED", Status.EXPIRED),
        (4, "DELETED", Status.UNDELIVERED),
        (5, "UNDELIV", Status.UNDELIVERED),
        (6, "ACCEPTD", Status.SENT),
        (7, "UNKNOWN", Status.UNCONFIRMED),
        (8, "REJECTD", Status.REJECTED),
        (9, "SKIPPED", Status.REJECTED),
    ],
)
def test_fields_are_believed_before_the_text(number, word, status):
    """What is in the PDU's own fields is exact, and wins over the text; it needs no text either."""
    fields = (tlv(0x001E, b"77\0"), tlv(0x0427, bytes([number])))

    for receipt in (reported(USUAL, *fields), reported("", *fields)):
        assert (receipt.carrier_id, receipt.status) == ("77", word)
        assert fold([receipt]).status is status


def test_a_state_that_nobody_knows():
    """A number without a word gives way to the text's word, and is kept where there is none."""
    state = tlv(0x0427, b"\x63")

    assert reported(USUAL, state).status == "DELIVRD"
    assert reported("id:1", state).status == "message_state:99"
    assert fold([reported("id:1", state)]).unknown_words == {"message_state:99"}
    assert reported(USUAL, tlv(0x0427, b"")).status == "DELIVRD"


@pytest.mark.parametrize(
    ("esm", "fields", "kind"),
    [
        (0x04, (), Receipt),
        (0x20, (), Receipt),
        (0x44, (), Receipt),
        (0x07, (), Receipt),
        (0x00, (), Reply),
        (0x00, (tlv(0x001E, b"1\0"),), Reply),
        (0x00, (tlv(0x001E, b"1\0"), tlv(0x0427, b"\x02")), Receipt),
    ],
)
def test_what_is_a_receipt(esm, fields, kind):
    """The PDU says so, or has the fields of one; a person who writes like a receipt has written a reply."""
    text = USUAL.encode() if esm != 0x44 else b"\0" + USUAL.encode()

    [event] = SMPP.events(SMPP.request(pdu(text, *fields, esm=esm)), now=NOW)

    assert type(event) is kind


@pytest.mark.parametrize("esm", [0x08, 0x10, 0x18])
def test_acknowledgements_of_phones(esm):
    """What a phone's own application acknowledges is about no message of ours."""
    assert SMPP.events(SMPP.request(pdu(b"ok", esm=esm)), now=NOW) == []


@pytest.mark.parametrize(
    ("table", "err", "code", "reason"),
    [
        ("map", "001", "map:1", "number_unknown"),
        ("map", "1", "map:1", "number_unknown"),
        ("twilio-smpp", "5", "twilio-smpp:005", "number_unknown"),
        ("twilio-smpp", "005", "twilio-smpp:005", "number_unknown"),
        ("kpn", "06", "kpn:006", "handset_absent"),
        ("8x8", "046", "8x8:46", "handset_absent"),
        ("8x8", "000", "8x8:0", "unknown"),
        ("firetext", "0", "firetext:000", "unknown"),
        ("telesign", "221", "telesign:221", "expired"),
        ("map", "999", "map:999", "unmapped"),
        ("acme", "005", "acme:005", "unmapped"),
        (None, "005", "err:005", "unmapped"),
        (None, "6", "err:6", "unmapped"),
        (None, "21b", "err:21b", "unmapped"),
        (None, "000", None, "no_code"),
        (None, "0", None, "no_code"),
        ("map", "000", None, "no_code"),
        ("map", "", None, "no_code"),
    ],
)
def test_codes_belong_to_a_table(table, err, code, reason):
    """A number means what the carrier's table says, however many zeros stand before it; without a table nothing."""
    receipt = reported(f"id:1 stat:UNDELIV err:{err}", carrier=Smpp(token="secret", table=table))

    assert receipt.error_code == code
    state = fold([receipt])
    assert classify("smpp", state.error_code, state.status).reason == reason


def test_codes_of_the_hosts_own():
    """A code without a table can be given its meaning by the host."""
    ours = get_profile("campaignkit").with_codes({("smpp", "err:005"): "handset_absent"})
    receipt = reported("id:1 stat:UNDELIV err:005", carrier=Smpp(token="secret"))

    assert classify("smpp", receipt.error_code, receipt.status, profile=ours).reason == "handset_absent"


@pytest.mark.parametrize(
    ("text", "field", "code"),
    [
        ("id:1 stat:UNDELIV", b"\x03\x00\x1b", "map:27"),
        ("id:1 stat:UNDELIV err:001", b"\x03\x00\x1b", "map:1"),
        ("id:1 stat:UNDELIV", b"\x03\x00\x00", None),
        ("id:1 stat:UNDELIV", b"\x1b", None),
    ],
)
def test_the_networks_own_code(text, field, code):
    """Where the text has no code, the network's own is one."""
    assert reported(text, tlv(0x0423, field)).error_code == code


@pytest.mark.parametrize(
    ("zone", "digits", "at"),
    [
        ("UTC", "2611221155", "2026-11-22T11:55:00+00:00"),
        ("Europe/Paris", "2611221255", "2026-11-22T11:55:00+00:00"),
        ("Europe/Paris", "2607011200", "2026-07-01T10:00:00+00:00"),
        ("UTC", "261122115530", "2026-11-22T11:55:30+00:00"),
        ("UTC", "202611221155", "2026-11-22T11:55:00+00:00"),
        ("UTC", "20261122115530", "2026-11-22T11:55:30+00:00"),
        ("UTC", "201506201641", "2015-06-20T16:41:00+00:00"),
        ("UTC", "201012101112", "2020-10-12T10:11:12+00:00"),
        ("UTC", "2611221205", "2026-11-22T12:05:00+00:00"),
        ("UTC", "2611221206", None),
        ("UTC", "2699221155", None),
        ("UTC", "26112211", None),
        ("UTC", "26-11-22 11:55", None),
        ("UTC", "２６１１２２１１５５", None),
        (None, "2611221155", None),
    ],
)
def test_times_of_receipts(zone, digits, at):
    """A time has no zone unless the host knows it; of two readings the nearer one is meant; the future is not."""
    receipt = reported(f"id:1 done date:{digits} stat:DELIVRD", carrier=Smpp(token="secret", zone=zone))

    assert receipt.at == (None if at is None else dt.datetime.fromisoformat(at))


@pytest.mark.parametrize(
    ("written", "found", "kept"),
    [
        ("text", "0000000012345678", "0000000012345678"),
        ("decimal", "0000000012345678", "12345678"),
        ("hex", "00BC614E", "12345678"),
        ("hex", "bc614e", "12345678"),
        ("decimal", "c87c2273", "c87c2273"),
        ("hex", "c87c2273-7edb", "c87c2273-7edb"),
        ("hex", "f" * 33, "f" * 33),
        ("decimal", "１２", "１２"),
    ],
)
def test_ids_that_are_numbers(written, found, kept):
    """Where receipts write an id as a number of their own, it becomes its decimal form; what is none stays."""
    carrier = Smpp(token="secret", receipt_ids=written)
    field = tlv(0x001E, found.encode("latin-1", "ignore") + b"\0") if found.isascii() else b""

    assert reported(f"id:{found} stat:DELIVRD".encode("utf-16-be"), field, carrier=carrier).carrier_id == kept


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", ()),
        ("stat:DELIVRD", ()),
        ("id: stat:DELIVRD", ()),
        ("id:1", ()),
        ("id:1 stat:", ()),
        ("00,2611221206,2611221200,,12025550143", ()),
        ("stat:DELIVRD", (tlv(0x001E, b"\0"),)),
    ],
)
def test_what_a_receipt_must_say(text, fields):
    """A receipt that does not say of which message, or what became of it, is malformed."""
    assert reason_of(SMPP.request(pdu(text.encode(), *fields, esm=4))) == "malformed"


def test_a_receipt_in_a_data_sm():
    """The shorter PDU has its text in a field."""
    body = b"\0" + SOURCE + DESTINATION + bytes([4, 0, 0]) + tlv(0x0424, USUAL.encode())
    whole = struct.pack(">4I", 16 + len(body), 0x103, 0, 7) + body

    [receipt] = SMPP.events(SMPP.request(whole), now=NOW)

    assert (receipt.carrier_id, receipt.status) == ("0a1b2c3d", "DELIVRD")


# --- replies -----------------------------------------------------------------------------------


def test_a_reply():
    """A reply says who wrote what to whom."""
    reply = said(b"stop")

    assert reply == Reply(
        received_at=NOW,
        reply_id=reply.reply_id,
        to="+12025550143",
        sender="+12025550100",
        text="stop",
        keyword=Keyword.OPT_OUT,
        carrier="smpp",
    )


def test_a_reply_has_an_id():
    """Handed in again on the same day it is the same reply; another day, number, text or person makes another."""
    again = {said(b"yes").reply_id, said(b"yes", now=NOW + dt.timedelta(hours=11)).reply_id}
    others = {
        said(b"yes", now=NOW + dt.timedelta(days=1)).reply_id,
        said(b"yes", sequence=8).reply_id,
        said(b"Yes").reply_id,
        said(b"yes", source=b"\x01\x0112025550144\0").reply_id,
        said(b"yes", destination=b"\x01\x0112025550101\0").reply_id,
    }

    assert len(again) == 1
    assert len(again | others) == 6


@pytest.mark.parametrize(
    ("coding", "alphabet", "data", "text", "lossy"),
    [
        (0, "gsm", b"\x00\x02 \x1b\x65\x11\x5f \x1b\x3cok\x1b\x3e\x0d\x0a", "@$ €_§ [ok]\r\n", False),
        (0, "gsm", b"a\x1b\x61\x1b\x1b\x80\xff\x1b", "aa\x1b��", True),
        (0xF1, "gsm", b"\x00", "@", False),
        (0, "latin-1", b"a_b@c \xe9", "a_b@c é", False),
        (0, "utf-8", "é€☀".encode(), "é€☀", False),
        (0, "utf-8", b"\xff", "�", True),
        (1, "gsm", b"a_b@c", "a_b@c", False),
        (1, "gsm", b"\xe9", "�", True),
        (3, "gsm", b"\xe9_@", "é_@", False),
        (6, "gsm", b"\xbf\xe0\xd8\xd2\xd5\xe2", "Привет", False),
        (7, "gsm", b"\xf9\xec\xe5\xed", "שלום", False),
        (8, "gsm", "Grüße ☀ \U0001f44b".encode("utf-16-be"), "Grüße ☀ \U0001f44b", False),
        (8, "gsm", b"\xd8\x3d", "�", True),
        (8, "gsm", b"\x00a\x00", "a�", True),
        (8, "gsm", b"\x00a\x00\x00", "a�", True),
        (4, "gsm", b"ab\xff\x00", "ab��", True),
        (0xF5, "gsm", b"ab", "ab", False),
    ],
)
def test_alphabets(coding, alphabet, data, text, lossy):
    """Each coding is read as the specification says, the default as the carrier means it; losses are said."""
    reply = said(data, coding=coding, carrier=Smpp(token="secret", alphabet=alphabet))

    assert (reply.text, reply.lossy) == (text, lossy)


def test_the_alphabet_of_gsm():
    """Every character of the alphabet, and of its extension, is read as smpplib writes it."""
    assert len(GSM) == 128
    for character in {*GSM, *GSM_ESCAPED.values()} - {"\x1b", "§", "\f", "`"}:  # which smpplib does not write
        assert said(b"." + smpplib.gsm.gsm_encode(character)).text == f".{character}"
    assert said(b"\x5f\x1b\x0a").text == "§\f"


@pytest.mark.parametrize(
    ("header", "fields", "suffix"),
    [
        (b"\x05\x00\x03\xcc\x03\x02", (), "-204.2.3"),
        (b"\x06\x08\x04\x01\x02\x03\x03", (), "-258.3.3"),
        (b"\x08\x01\x01\x00\x00\x03\xcc\x03\x01", (), "-204.1.3"),
        (b"", (tlv(0x020C, b"\x01\x02"), tlv(0x020E, b"\x03"), tlv(0x020F, b"\x01")), "-258.1.3"),
        (b"\x05\x00\x03\xcc\x01\x01", (), ""),
        (b"\x05\x00\x03\xcc\x03\x04", (), ""),
        (b"\x05\x00\x03\xcc\x03\x00", (), ""),
        (b"\x04\x05\x02\x00\x00", (), ""),
        (b"\x00", (), ""),
        (b"", (tlv(0x020C, b"\x01\x02"),), ""),
    ],
)
def test_long_replies(header, fields, suffix):
    """Each part of a long reply is one, says which it is, and asks for nothing by itself."""
    reply = said(header + b"stop", *fields, esm=0x40 if header else 0)

    assert reply.text == "stop"
    assert reply.reply_id.endswith(suffix or reply.reply_id[-16:])
    assert reply.keyword is (None if suffix else Keyword.OPT_OUT)


def test_a_long_reply_in_one_piece():
    """A text too long for its place is in a field."""
    assert said(b"", tlv(0x0424, b"x" * 1_000)).text == "x" * 1_000
    assert said(b"", esm=0x40).text == ""


@pytest.mark.parametrize(
    ("source", "to"),
    [
        (b"\x01\x0112025550143\0", "+12025550143"),
        (b"\x00\x0012025550143\0", "+12025550143"),
        (b"\x00\x00+12025550143\0", "+12025550143"),
        (b"\x00\x0002025550143\0", "02025550143"),
        (b"\x02\x012025550143\0", "2025550143"),
        (b"\x03\x0012345\0", "12345"),
        (b"\x00\x0012345\0", "12345"),
        (b"\x05\x00ACME\0", "ACME"),
        (b"\x05\x00Caf\xe9\0", "Café"),
    ],
)
def test_numbers(source, to):
    """An international number gets its plus; names, short codes and national numbers stay as they are."""
    assert said(b"hi", source=source).to == to


def test_a_reply_to_nobody():
    """A reply may lack the number it went to, and never who wrote it."""
    assert said(b"hi", destination=b"\0\0\0").sender is None
    assert reason_of(SMPP.request(pdu(b"hi", source=b"\0\0\0"))) == "malformed"


# --- broken PDUs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 15,
        struct.pack(">4I", 16, 5, 0, 1),
        struct.pack(">4I", 17, 5, 0, 1),
        pdu(b"hi")[:-1],
        pdu(b"hi") + b"\0",
        struct.pack(">4I", 316, 5, 0, 1) + b"a" * 300,
        pdu(b"hi", struct.pack(">2H", 0x0424, 9) + b"x"),
        pdu(b"\x09\x00", esm=0x40),
        pdu(b"\x02\x00\x03", esm=0x40),
        pdu(b"\x01\x00", esm=0x40),
    ],
)
def test_broken_pdus(body):
    """A PDU that says one length and has another, or ends in the middle, is malformed."""
    assert reason_of(SMPP.request(body)) == "malformed"


def test_padding_is_no_field():
    """A few octets behind the last field are nothing."""
    assert said(b"hi", b"\0\0\0").text == "hi"


@pytest.mark.parametrize("command", [0x15, 0x80000004, 0x80000005, 0x4, 0xFFFFFFFF])
def test_other_pdus(command):
    """Whatever else arrives in a session is about no message."""
    assert SMPP.events(SMPP.request(struct.pack(">4I", 16, command, 0, 1)), now=NOW) == []


@given(st.binary(max_size=254), st.integers(0, 255), st.integers(0, 255))
def test_any_text_is_read_or_malformed(text, esm, coding):
    """Whatever stands in a PDU: events, or rejected as malformed."""
    with contextlib.suppress(WebhookRejected):
        SMPP.events(SMPP.request(pdu(text, esm=esm, coding=coding)), now=NOW)


# --- smpplib -----------------------------------------------------------------------------------


class Client:
    """What smpplib wants to know of a session."""

    sequence = 1

    def next_sequence(self):
        """Return a number for a PDU."""
        return self.sequence


def from_smpplib(**fields):
    """Return a deliver_sm as smpplib writes it."""
    made = smpplib.smpp.make_pdu("deliver_sm", client=Client(), **fields)
    return made.generate()


def test_smpplib_writes_and_we_read():
    """A receipt and a long reply, written by another library, are read."""
    numbers = {
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "source_addr": "12025550143",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": "12025550100",
    }
    receipt = from_smpplib(
        **numbers, esm_class=4, short_message=USUAL.encode(), receipted_message_id="77", message_state=5
    )
    parts, coding, esm = smpplib.gsm.make_parts("Grüße aus München ☀ " * 8)
    replies = [from_smpplib(**numbers, esm_class=esm, data_coding=coding, short_message=part) for part in parts]

    [found] = SMPP.events(SMPP.request(receipt), now=NOW)
    assert (found.carrier_id, found.status) == ("77", "UNDELIV")
    read = [SMPP.events(SMPP.request(each), now=NOW)[0] for each in replies]
    assert "".join(each.text for each in read) == "Grüße aus München ☀ " * 8
    assert [each.reply_id.rpartition(".")[0][-1] for each in read] == [str(i + 1) for i in range(len(parts))]


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (
            SESSION.receipt(SUBMITTED, "0a1b2c3d", "UNDELIV", "map:27", NOW),
            {"esm_class": 4, "data_coding": 0, "message_state": 5, "receipted_message_id": b"0a1b2c3d"},
        ),
        (
            SESSION.reply("+12025550143", "+12025550100", "Hello", "r-1", NOW),
            {"esm_class": 0, "data_coding": 0, "short_message": b"Hello", "message_state": None},
        ),
        (
            SESSION.reply("+12025550143", "+12025550100", "☀", "r-1", NOW),
            {"esm_class": 0, "data_coding": 8, "short_message": "☀".encode("utf-16-be")},
        ),
        (
            SESSION.reply("+12025550143", "+12025550100", "x" * 255, "r-1", NOW),
            {"short_message": b"", "message_payload": b"x" * 255},
        ),
    ],
)
def test_we_write_and_smpplib_reads(request_, fields):
    """What the simulator puts into a session, another library understands."""
    read = smpplib.smpp.parse_pdu(request_.body, client=Client(), allow_unknown_opt_params=False)

    assert (read.command, read.length) == ("deliver_sm", len(request_.body))
    assert (read.source_addr, read.destination_addr) == (b"12025550143", b"12025550100")
    assert (read.source_addr_ton, read.source_addr_npi) == (1, 1)
    assert {name: getattr(read, name) for name in fields} == fields


def test_smpplib_keeps_the_bytes_as_the_docs_say():
    """The lines of the docs give the bytes of each PDU that smpplib reads."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "carriers" / "smpp.md"
    code = page.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    names = {"smpplib": smpplib}
    exec(code, names)  # noqa: S102 - our own docs
    bodies = [SESSION.reply("+12025550143", "+12025550100", text, "r", NOW).body for text in ("Hello", "Bye")]
    session = names["Session"]("localhost", 2775, allow_unknown_opt_params=True)
    session.state = smpplib.consts.SMPP_CLIENT_STATE_BOUND_TRX

    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"".join(bodies))
        session._socket = ours
        read = [(session.read_pdu().short_message, session.pdu) for _ in bodies]
        session._socket = None

    assert read == [(b"Hello", bodies[0]), (b"Bye", bodies[1])]


# --- it does not send --------------------------------------------------------------------------


def test_it_sends_nothing():
    """It refuses in a sentence that says what to do instead, and no answer means that it has sent."""
    with pytest.raises(InvalidValue, match="it reads receipts and sends nothing; submit the message through the SMPP"):
        SMPP.encode(Message(status="pending", to="+12025550143", text="Hi"), Attempt())

    assert not SMPP.sends
    for response in (Response(200, {}, b'{"id": "1"}'), Response(400, {}, b'{"error": "no"}')):
        assert SMPP.decode(response).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"token": ""}, "token is empty"),
        ({"token": []}, "token holds 0 secrets"),
        ({"table": "Twilio SMPP"}, "table is 'Twilio SMPP': must be the name of a table of codes"),
        ({"table": ""}, "table is ''"),
        ({"table": 5}, "table is 5"),
        ({"zone": "Mars/Base"}, "zone is 'Mars/Base': not an IANA time zone"),
        ({"zone": 5}, "zone is 5"),
        ({"alphabet": "ebcdic"}, "alphabet is 'ebcdic': must be one of gsm, latin-1, utf-8"),
        ({"receipt_ids": 16}, "receipt_ids is 16: must be one of text, decimal, hex"),
    ],
)
def test_what_it_cannot_be_constructed_with(more, sentence):
    """What is wrong is said at once."""
    with pytest.raises(InvalidValue) as caught:
        Smpp(**{"token": "secret", **more})

    assert str(caught.value).startswith(sentence)


def test_the_token_is_required():
    """Without a secret anybody could hand in."""
    with pytest.raises(TypeError, match="token"):
        Smpp()


# --- the other side ----------------------------------------------------------------------------


def test_the_dialect_takes_no_messages():
    """Nothing is submitted to it by HTTP, and it says so."""
    for call in (
        lambda: SESSION.read(SMPP.request(b"")),
        lambda: SESSION.taken(SUBMITTED, "1", NOW),
        lambda: SESSION.refused(Why.BUSY),
    ):
        with pytest.raises(InvalidValue, match="simulate a carrier that sends"):
            call()


def test_the_dialects_words_are_in_the_tables():
    """Whatever the simulator reports is known, and arrives as what it is."""
    made_up = SmppDialect()
    made_up_id = made_up.new_id(Random(1))  # noqa: S311 - no secret
    for status, word in made_up.words.items():
        request = made_up.receipt(SUBMITTED, made_up_id, word, None, NOW)
        [receipt] = made_up.carrier.events(request, now=NOW)
        assert (receipt.carrier_id, receipt.at) == (made_up_id, NOW)
        assert fold([receipt]).status is status
    for word, code in made_up.failures:
        [receipt] = made_up.carrier.events(made_up.receipt(SUBMITTED, "1", word, code, NOW), now=NOW)
        assert (receipt.status, receipt.error_code) == (word, code)
        assert classify("smpp", receipt.error_code, receipt.status).mapped


def test_the_dialect_writes_any_word_and_text():
    """Words of no table, names for senders, long texts and those without a time zone are written too."""
    carrier = Smpp(token="secret")
    dialect = SmppDialect(carrier)

    [receipt] = carrier.events(
        dialect.receipt(attrs.evolve(SUBMITTED, sender=None, text="x" * 999), "1" * 200, "TELEPORTED", "7", NOW),
        now=NOW,
    )
    [reply] = carrier.events(dialect.reply("+12025550143", "ACME", "☀" * 300, "r", NOW), now=NOW)

    assert (receipt.status, receipt.error_code, receipt.carrier_id) == ("TELEPORTED", "err:007", "1" * 200)
    assert (reply.text, reply.sender) == ("☀" * 300, "ACME")
