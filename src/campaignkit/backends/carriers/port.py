"""The port of carriers: what a carrier's file must say, and the values it says it with.

A carrier is three pure functions. `Carrier.encode` says which request hands a message over,
`Carrier.decode` what the answer to it means, `Carrier.events` what a request *from* the
carrier reports. None of them waits, reads a clock or draws a random number: who sends
(`Gateway`) or serves (the host's web framework) does that, and passes in what it saw.

A request from the carrier passes three doors, and nothing of it is believed before the last:

1. its size, method and type of content are such as this carrier sends;
2. `Carrier._verify` checks the signature, over the bytes as they came;
3. `Carrier._parse` reads them.

Whatever is wrong at a door is a `WebhookRejected`, and nothing else is ever raised.

An answer to a request of ours falls into one of these classes, and `Carrier.decode` is the
only place that says into which:

    taken                  2xx with an id in the carrier's own form
    refused, temporary     certainly not taken, and may be later: 429, a code that says so
    refused, account       certainly not taken, nor will any other be: 401, 403, no credit
    refused, final         certainly not taken, nor will this one ever be: any other 4xx or
                           refusal inside a 2xx, if it is in the carrier's own form
    unknown                anything else: 3xx, 408, 5xx, a 2xx nobody can read, a 4xx that may
                           come from somebody in between
"""

from __future__ import annotations

import abc
import base64
import functools
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal, TypeVar, overload
from urllib.parse import urlencode, urlsplit, urlunsplit

import attrs

from campaignkit.backends.carriers.wire import JSON, Fields, clean, json_bytes, read_form, read_json
from campaignkit.consent import match_keyword
from campaignkit.errors import InvalidValue, RejectReason, WebhookRejected, shown
from campaignkit.models import ATTEMPT_ID, Attempt, Message, Outcome, Receipt, Reply, moment
from campaignkit.verdicts import classify

_T = TypeVar("_T")

Event = Receipt | Reply
"""What a carrier reports."""

MAX_BODY: Final = 65_536
"""The largest webhook in bytes that is looked at, for a carrier that sends no larger ones."""

MAX_SECRETS: Final = 10
"""How many secrets, or signatures in one header, are tried at most."""

ATTEMPT: Final = "attempt"
"""The parameter of our address in which a carrier brings our attempt id back."""

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ADDRESS: Final = re.compile(r"[!-~]+")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_BROUGHT_BACK: Final = re.compile(rf"[?&]{ATTEMPT}=({ATTEMPT_ID.pattern})(?=[&#]|$)")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_DETAIL: Final = 200


class UnverifiedWebhook(RuntimeWarning):
    """A webhook was believed without looking at its signature, because the host asked for it."""


# --- what goes over the wire -----------------------------------------------------------------


class Headers(Mapping[str, str]):
    """Headers of a request or an answer: any case finds them, repeated ones are joined with a comma."""

    __slots__ = ("_values",)

    def __init__(self, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        """Keep a copy.

        Raises:
            InvalidValue: a name or a value that HTTP does not allow.
        """
        # dict first: to ask whether something is a Mapping takes longer than to read it.
        pairs = headers.items() if isinstance(headers, dict | Mapping) else [*headers]
        try:
            values = {name.lower(): value for name, value in pairs}
            # All at once: one by one it would cost as much as everything else about a request.
            said = "".join(values.values())
            sound = (
                "" not in values
                and _NAME.fullmatch("".join(values))
                and (said.isprintable() or not _CONTROL.search(said))
            )
        except (AttributeError, TypeError):
            values, sound = {}, False
        if pairs and not sound:
            _check_headers(pairs)
        if len(values) < len(pairs):
            values = {}
            for name, value in pairs:
                key = name.lower()
                values[key] = f"{values[key]}, {value}" if key in values else value
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str, /) -> str: ...
    @overload
    def get(self, name: str, default: _T, /) -> str | _T: ...
    def get(self, name: str, default: object = None, /) -> object:
        """Return a header, or ``default``."""
        return self._values.get(name.lower(), default)  # Mapping's own costs three times as much

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._values)})"  # values may be secrets


def _check_headers(pairs: Iterable[tuple[object, object]]) -> None:
    for name, value in pairs:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise InvalidValue(f"header is {shown(name)}: not a name of a header; give letters, digits and dashes")
        if not isinstance(value, str) or _CONTROL.search(value):
            raise InvalidValue(f"header {name} holds a line break or is no text: give one line of text")


def _capitals(value: str) -> str:
    return str(value).upper()


def _as_headers(value: Any) -> Headers:
    return value if isinstance(value, Headers) else Headers(value)


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise InvalidValue(f"body is {type(value).__name__}: must be bytes, as they came; do not decode it before")


@attrs.frozen(repr=False)
class Request:
    """A request, ours to a carrier or a carrier's to us.

    Attributes:
        method: in capitals.
        url: the whole address, query included.
        headers: any mapping or pairs; kept as `Headers`.
        body: the bytes as they came: signatures are about bytes.

    >>> Request("post", "https://app.example/hooks?a=1", {"Content-Type": "text/plain"}, b"hello")
    <Request POST https://app.example/hooks, 1 header, 5 bytes>
    """

    method: str = attrs.field(converter=_capitals)
    url: str = attrs.field(converter=str)
    headers: Headers = attrs.field(converter=_as_headers, factory=Headers)
    body: bytes = attrs.field(converter=_as_bytes, default=b"")
    _form: list[tuple[str, str]] | None = attrs.field(init=False, default=None, eq=False)

    @property
    def query(self) -> str:
        """What stands behind the question mark of the address, as it came."""
        return self.url.partition("?")[2].partition("#")[0]

    @property
    def form(self) -> list[tuple[str, str]]:
        """The fields of a body that is a form, see `read_form`; read once."""
        form = self._form
        if form is None:
            form = read_form(self.body)
            object.__setattr__(self, "_form", form)
        return form

    def __repr__(self) -> str:
        count = len(self.headers)
        where = self.url.partition("?")[0]  # queries hold numbers, texts and keys
        return f"<Request {self.method} {where}, {count} header{'s'[: count != 1]}, {len(self.body)} bytes>"


@attrs.frozen(repr=False)
class Response:
    """A carrier's answer.

    >>> Response(201, {"Content-Type": "application/json"}, b"{}")
    <Response 201, 2 bytes>
    """

    status: int
    headers: Headers = attrs.field(converter=_as_headers, factory=Headers)
    body: bytes = attrs.field(converter=_as_bytes, default=b"")

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


# --- what an answer means --------------------------------------------------------------------


def _cut(text: str | None) -> str | None:
    return text and text[:_DETAIL]


class Refusal(StrEnum):
    """Why a message was certainly not taken, and so what may be done about it."""

    __hash__ = str.__hash__

    TEMPORARY = "temporary"
    ACCOUNT = "account"
    FINAL = "final"


@attrs.frozen(kw_only=True)
class Submission:
    """What became of handing one message over.

    Attributes:
        outcome: taken, refused (certainly not taken) or unknown (never send it again blindly).
        carrier: who was asked.
        refusal: of a refused one: may it be offered again, must somebody see to the account
            first, or is this message to this number refused for good?
        carrier_id: the carrier's id of the message.
        part_ids: where a carrier names each part of a long message, its ids in order; None
            where a part was refused.
        error_code: as the carrier writes it, for `classify`.
        detail: what happened, in the carrier's words or ours. It may hold the number, so it is
            not shown with the rest.
        segments: billed parts, where the carrier says so.
        price: what the carrier says it will cost, with ``currency``.
        receipts: what the answer already reports, such as a part that was refused.
        retry_after: seconds the carrier asked to wait.
        tries: how often the request was made.

    >>> Submission(outcome="taken", carrier="twilio", carrier_id="SM1")
    Submission(outcome=<Outcome.TAKEN: 'taken'>, carrier='twilio', carrier_id='SM1')
    """

    outcome: Outcome = attrs.field(converter=Outcome)
    carrier: str
    refusal: Refusal | None = attrs.field(default=None, converter=attrs.converters.optional(Refusal))
    carrier_id: str | None = None
    part_ids: tuple[str | None, ...] = attrs.field(default=(), converter=tuple)
    error_code: str | None = None
    detail: str | None = attrs.field(default=None, repr=False, converter=_cut)
    segments: int | None = None
    price: Decimal | None = None
    currency: str | None = None
    receipts: tuple[Receipt, ...] = attrs.field(default=(), converter=tuple)
    retry_after: float | None = None
    tries: int = 1

    def __attrs_post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.outcome not in {Outcome.TAKEN, Outcome.REFUSED, Outcome.UNKNOWN}:
            raise InvalidValue(f"outcome is {self.outcome!r}: a submission was taken, refused, or nobody knows")
        if (self.refusal is not None) is not (self.outcome is Outcome.REFUSED):
            raise InvalidValue(f"refusal is {self.refusal!r}: give it if and only if the outcome is refused")

    def __repr__(self) -> str:
        values = ((each.name, each.default, getattr(self, each.name)) for each in attrs.fields(type(self)) if each.repr)
        return f"Submission({', '.join(f'{name}={value!r}' for name, default, value in values if value != default)})"

    @property
    def retryable(self) -> bool:
        """Whether the same message may be offered again, here or elsewhere, without a second copy arriving."""
        return self.refusal is Refusal.TEMPORARY


# --- what a carrier is constructed with ------------------------------------------------------


def _secrets(value: Any, _: Any, field: Any) -> tuple[str, ...] | None:
    if value is None and field.default is None:
        return None
    each = (value,) if isinstance(value, str) else tuple(value or ())
    if not 1 <= len(each) <= MAX_SECRETS:
        raise InvalidValue(f"{field.name} holds {len(each)} secrets: give 1 to {MAX_SECRETS}, the newest first")
    for one in each:
        if not isinstance(one, str) or not _ADDRESS.fullmatch(one):
            raise InvalidValue(
                f"{field.name} is empty or holds spaces or line breaks: without it every webhook could be forged;"
                " copy it from the carrier's console"
            )
    return each


Secret = str | Sequence[str]
"""One secret or, while one replaces another, several, the newest first."""


def newest(secret: Secret) -> str:
    """Return the secret to sign and send with."""
    return secret if isinstance(secret, str) else secret[0]


def each_secret(secret: Secret) -> Sequence[str]:
    """Return the secrets that a signature may be made with."""
    return (secret,) if isinstance(secret, str) else secret


def secret(*, required: bool = True) -> Any:
    """Return a field of a carrier for a `Secret`: never shown, never empty, and None only where it is not required."""
    return attrs.field(
        default=attrs.NOTHING if required else None,
        converter=attrs.Converter(_secrets, takes_self=True, takes_field=True),
        repr=lambda value: str(value and "'***'"),
    )


def _text_given(value: Any, _: Any, field: Any) -> str:
    if isinstance(value, str) and _ADDRESS.fullmatch(value):
        return value
    raise InvalidValue(
        f"{field.name} is {shown(value)}: must be text without spaces; copy it from the carrier's console"
    )


def account_name() -> Any:
    """Return a field of a carrier for what names the account and is no secret."""
    return attrs.field(converter=attrs.Converter(_text_given, takes_self=True, takes_field=True))


def _web_address(value: Any, _: Any, field: Any) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value) if isinstance(value, str) and _ADDRESS.fullmatch(value) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment or parts.username:
        raise InvalidValue(f'{field.name} is {shown(value)}: must be a whole address, like "https://app.example/hooks"')
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise InvalidValue(f"{field.name} is {shown(value)}: it would go over the network in clear; use https")
    return str(value)


def address(default: str | None = None) -> Any:
    """Return a field of a carrier for an address: https, or http on this machine alone."""
    return attrs.field(default=default, converter=attrs.Converter(_web_address, takes_self=True, takes_field=True))


def attempt_in(url: str | None) -> str | None:
    """Return the attempt id that `Carrier.callback` put into an address, None when there is none.

    It is behind whatever the host's own address has, so of several it is the last.
    """
    return next(iter(_BROUGHT_BACK.findall(url or "")[-1:]), None)


def post_json(url: str, authorization: str, value: Mapping[str, Any], **headers: str) -> Request:
    """Return a request that posts JSON and asks for JSON; further headers have _ for -."""
    given = {"Authorization": authorization, "Content-Type": JSON, "Accept": JSON}
    given |= {name.replace("_", "-"): text for name, text in headers.items()}
    return Request("POST", url, given, json_bytes(value))


def basic(user: str, password: str) -> str:
    """Return the value of an ``Authorization`` header of the kind Basic."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@attrs.frozen(kw_only=True)
class Carrier(abc.ABC):
    """Who takes our messages and reports on them, as pure functions.

    To write one, subclass it, say what it can in the class variables, and write `encode`,
    `_accepted`, `_error`, `_verify` and `_parse`; `campaignkit.testing.CarrierContract` then
    says what is still wrong.

    Attributes:
        webhook_url: the address at which the carrier reaches this app. Messages ask for
            receipts there, and signatures over an address are checked against it, so that no
            proxy and no ``Host`` header matters. Without it the account's own settings apply,
            and the address of each request is believed.
        languages: whose keywords a reply is matched with (`match_keyword`).
        verify: ``"insecure-for-tests"`` believes every webhook and warns each time.
    """

    name: ClassVar[str]
    """As in the code tables, or a name of your own."""
    sends: ClassVar[bool] = True
    """Whether it takes messages; else it only reports."""
    mms: ClassVar[bool] = False
    """Whether it takes messages with media."""
    idempotent: ClassVar[bool] = False
    """Whether the same attempt id twice is one message: only then is `unknown` tried again."""
    busy: ClassVar[frozenset[int]] = frozenset({429})
    """Answers that certainly mean "not taken, later"; 503 only where the carrier documents it."""
    methods: ClassVar[frozenset[str]] = frozenset({"POST"})
    """Methods of its webhooks."""
    content_types: ClassVar[frozenset[str]] = frozenset({"application/json"})
    """Types of content of its webhooks, where they have a body."""
    max_body: ClassVar[int] = MAX_BODY
    """The largest webhook it sends, in bytes."""
    waits: ClassVar[bool] = False
    """Whether `events` may wait for something, such as a certificate: then no event loop calls it."""

    webhook_url: str | None = address()
    languages: tuple[str, ...] = attrs.field(default=("en", "fr"), converter=tuple)
    verify: Literal["always", "insecure-for-tests"] = attrs.field(
        default="always", validator=attrs.validators.in_(("always", "insecure-for-tests"))
    )

    # --- the three functions

    @abc.abstractmethod
    def encode(self, message: Message, attempt: Attempt) -> Request:
        """Return the request that hands a message over; it holds the attempt's id wherever the carrier can carry it.

        Raises:
            InvalidValue: the message cannot be sent as it is: what breaks which limit, and the way out.
        """

    def decode(self, response: Response) -> Submission:
        """Return what an answer to such a request means; see the head of this module for the classes."""
        status = response.status
        try:
            answer = Fields(read_json(response.body))
            if 200 <= status < 300:  # noqa: PLR2004 - success in HTTP
                return self._accepted(answer)
            error = self._error(answer)
        except InvalidValue as unreadable:
            return self._without_words(status, str(unreadable))
        if error is None:
            return self._without_words(status, "not in the carrier's form")
        code, detail = error
        if 400 <= status < 500 and status != 408 or status in self.busy:  # noqa: PLR2004, RUF021
            return self._refused(code, detail, status)
        return attrs.evolve(self._unknown(f"HTTP {status}: {detail}"), error_code=code)

    def events(self, request: Request, *, now: datetime) -> list[Event]:
        """Return what a request from the carrier reports, after checking that it is from the carrier.

        Args:
            request: as it came in, its body as bytes.
            now: the present moment, aware.

        Returns:
            Receipts and replies in the order of the request; none when it is genuine and about
            something else.

        Raises:
            WebhookRejected: it is not from the carrier, or not in its form. Answer with its
                ``status`` and an empty body.
        """
        moment("now", now)
        self._at_the_door(request)
        if self.verify == "always":
            try:
                self._verify(request, now)
            except ValueError:  # InvalidValue among them; an address that is none is a plain one
                raise self.rejected("signature", "what is signed cannot be read") from None
        else:
            warnings.warn(f"{self.name} webhook believed unverified: verify={self.verify!r}", UnverifiedWebhook, 2)
        try:
            return self._parse(request, now)
        except InvalidValue as error:
            # Its sentence may hold a number or a text; what must be right is the name before "is".
            raise self.rejected("malformed", f"{str(error).split(' is ')[0]} is not what it sends") from None

    # --- what a carrier's file says beside `encode`

    @abc.abstractmethod
    def _accepted(self, answer: Fields) -> Submission:
        """Return what the JSON of a 2xx says. A missing id is an InvalidValue, and so `unknown`."""

    @abc.abstractmethod
    def _error(self, answer: Fields) -> tuple[str | None, str] | None:
        """Return code and words of an error in the carrier's own form, None when it is in no such form."""

    @abc.abstractmethod
    def _verify(self, request: Request, now: datetime) -> None:
        """Raise `rejected` with reason signature or timestamp unless the carrier made this request."""

    @abc.abstractmethod
    def _parse(self, request: Request, now: datetime) -> list[Event]:
        """Return what a verified request reports. A field that is not what it sends is an InvalidValue."""

    # --- what a carrier's file may use

    def rejected(self, reason: RejectReason, rule: str) -> WebhookRejected:
        """Return the error to raise."""
        return WebhookRejected(self.name, reason, rule)

    def called_url(self, request: Request) -> str:
        """Return the address as the carrier called it: `webhook_url`, with the query of this request."""
        if self.webhook_url is None:
            return request.url
        bare = self.webhook_url.partition("?")[0]
        return f"{bare}?{request.query}" if request.query else bare

    def callback(self, attempt: Attempt) -> str | None:
        """Return the address for receipts about this attempt: `webhook_url` with its id as a parameter."""
        if self.webhook_url is None or attempt.attempt_id is None:
            return self.webhook_url
        parts = urlsplit(self.webhook_url)
        query = "&".join(filter(None, (parts.query, urlencode({ATTEMPT: attempt.attempt_id}))))
        return urlunsplit(parts._replace(query=query))

    def attempt_of(self, request: Request) -> str | None:
        """Return the attempt id that `callback` put into the address, None when there is none."""
        return attempt_in(request.url)

    def recipient(self, message: Message) -> str:
        """Return the number a message goes to, in E.164.

        Raises:
            InvalidValue: there is none, or it is written otherwise; or media this carrier does not take.
        """
        if message.media and not self.mms:
            raise InvalidValue(
                f"media is {len(message.media)} file(s): {self.name} takes text only here; send a link, or use a"
                " carrier that takes MMS"
            )
        if message.to is None or not _E164.fullmatch(message.to):
            raise InvalidValue(f'to is {shown(message.to)}: must be E.164, like "+12025550143"; see parse_phone')
        return message.to

    def sender(self, message: Message) -> str:
        """Return who the message is from.

        Raises:
            InvalidValue: it does not say.
        """
        if message.sender is None:
            raise InvalidValue(
                f"sender is None: {self.name} needs a number or name the message comes from; give sender="
            )
        return message.sender

    def text(self, message: Message, most: int) -> str:
        """Return what a message says, at most ``most`` characters.

        Raises:
            InvalidValue: it says nothing and has no media, or too much.
        """
        said = message.text or ""
        if not said and not message.media:
            raise InvalidValue("text is None: there is nothing to send; give text= or media=")
        if len(said) > most:
            raise InvalidValue(f"text has {len(said):,} characters: {self.name} takes {most:,}; shorten it")
        return said

    def _receipt(
        self,
        status: str,
        carrier_id: str | None,
        now: datetime,
        *,
        price: Decimal | None = None,
        currency: str | None = None,
        **more: Any,
    ) -> Receipt:
        """Return a receipt that came now; an amount without a currency is left out."""
        if price is None or currency is None:
            price = currency = None
        return Receipt(
            status=clean(status),
            carrier=self.name,
            carrier_id=carrier_id,
            received_at=now,
            price=price,
            currency=currency,
            **more,
        )

    def _reply(self, text: str, now: datetime, *, at: datetime | None = None, **more: Any) -> Reply:
        """Return a reply; a keyword the carrier has not named is looked for in the text."""
        text = clean(text)
        return Reply(
            text=text,
            received_at=at or now,
            dated=at is not None,
            carrier=self.name,
            keyword=more.pop("keyword", None) or match_keyword(text, languages=self.languages),
            lossy="�" in text,
            **more,
        )

    def _taken(self, carrier_id: str, **more: Any) -> Submission:
        return Submission(outcome=Outcome.TAKEN, carrier=self.name, carrier_id=carrier_id, **more)

    def _refused(self, code: str | None, detail: str, status: int = 0) -> Submission:
        """Return a refusal; its kind follows from what the code means, and where it says nothing from the status."""
        return Submission(
            outcome=Outcome.REFUSED,
            refusal=self._refusal(code, status),
            carrier=self.name,
            error_code=code,
            detail=detail,
        )

    def _refusal(self, code: str | None, status: int) -> Refusal:
        verdict = classify(self.name, code)
        if status in self.busy or verdict.mapped and code and verdict.retryable:  # noqa: RUF021
            return Refusal.TEMPORARY
        if verdict.reason == "account" or (status in {401, 403} and not (verdict.mapped and code)):
            return Refusal.ACCOUNT
        return Refusal.FINAL

    def _unknown(self, detail: str) -> Submission:
        return Submission(outcome=Outcome.UNKNOWN, carrier=self.name, detail=detail)

    def _without_words(self, status: int, why: str) -> Submission:
        """Return what a status alone says: only few are the carrier's word whoever wrote the body."""
        if status in self.busy or status in {401, 403}:
            return self._refused(None, f"HTTP {status}", status)
        return self._unknown(f"HTTP {status}: {why}")

    def _at_the_door(self, request: Request) -> None:
        if len(request.body) > self.max_body:
            raise self.rejected("size", f"a body has at most {self.max_body:,} bytes")
        if request.method not in self.methods:
            raise self.rejected("method", f"the method is {' or '.join(sorted(self.methods))}")
        if not request.body:
            return
        if not _is_content(request.headers.get("content-type", ""), self.content_types):
            raise self.rejected("content_type", f"the content is {' or '.join(sorted(self.content_types))} in UTF-8")


@functools.lru_cache(maxsize=256)
def _is_content(header: str, kinds: frozenset[str]) -> bool:
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    pairs = (each.partition("=") for each in parameters)
    return kind in kinds and {"utf-8", "utf8"}.issuperset(
        value.strip('"') for name, _, value in pairs if name == "charset"
    )
