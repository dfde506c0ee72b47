"""What every carrier must hold, as a class of tests: subclass it, and run pytest.

    class TestMyCarrier(CarrierContract):
        carrier = MyCarrier(api_key="not-a-secret")
        now = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
        receipt = ...  # a request as the carrier would make it, signed with that key
        taken = Response(201, body=b'{"id": "m-1"}')

Each test is one sentence of the specification, its docstring. What is wrong is raised as an
AssertionError that says so. Inputs that are made up are the same in every run.
"""

from __future__ import annotations

import ast
import inspect
import json
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

import attrs

from campaignkit.backends.carriers.port import Carrier, Event, Refusal, Request, Response, Submission, UnverifiedWebhook
from campaignkit.delivery import fold
from campaignkit.errors import InvalidValue, WebhookRejected
from campaignkit.models import Attempt, Message, Outcome, Receipt, Reply

ROUNDS: Final = 400
"""How many spoiled requests, and as many spoiled answers, each carrier must survive."""

_ATTEMPT: Final = "attempt-7f3a9c2e"
_WEBHOOK: Final = "https://app.example/hooks"
_PICTURE: Final = "https://cdn.example/picture.png"
_TEXT: Final = 'Zoë & Söhne: 100% "1+1=2"; \U0001f44b\nbye'
_HTML: Final = b"<!DOCTYPE html><html><body><h1>It works!</h1></body></html>"
_CONTENT_TYPE: Final = "content-type"
_SHORTEST_SECRET: Final = 4  # shorter ones turn up by chance
_FLIPS: Final = (0x01, 0x20, 0x80)
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
_IMPURE: Final = frozenset(
    {"aiohttp", "asyncio", "http", "httpx", "logging", "os", "random", "requests", "secrets", "select", "selectors"}
    | {"socket", "ssl", "subprocess", "threading", "time", "urllib.request", "urllib3", "uuid"}
)
_CLOCKS: Final = frozenset({"now", "today", "utcnow"})
_NO_NUMBERS: Final = (
    None,
    "12025550143",
    "+1",
    f"+{'9' * 16}",
    "+1202555\uff10143",
    "+12025550143\n",
    "+1 202 555 0143",
)
_UNKNOWN_STATUSES: Final = (301, 302, 307, 308, 408, 500, 502, 504)
_NO_ANSWERS: Final = (b"", _HTML, b"{}", b"[]", b"null", b'{"ok": true}', b"\xff\xfe", b"[" * 5_000)
_JUNK: Final = (
    b"\x00",
    b"%00",
    b"\xff\xfe",
    b"%ff%fe",
    b"\xef\xbb\xbf",
    b"NaN",
    b"1e999",
    b"-1",
    b"9" * 5_000,
    b"null",
    b"true",
    b'""',
    b"[]",
    b"{}",
    b'"\\ud800"',
    b'{"a":1,"a":2}',
    b"[" * 20_000,
    b'{"a":' * 5_000,
    b"&" * 1_500,
    b"a=b&" * 1_500,
    b"=",
    b"%",
    b"<x/>",
    b"0001-01-01T00:00:00Z",
    b"99999999999999999999",
    "\u202e١٢\ud7ff".encode(),
)
_ADDRESSES: Final = (
    "",
    "/",
    "?",
    "https://[/hooks",
    "https://app.example:99999999/hooks",
    "https://app.example:port/hooks",
    f"https://app.example/hooks?{'a&' * 2_000}",
    "https://app.example/hooks?attempt=%00%ff",
    "https://app.example/hooks?attempt=a&attempt=b#c",
    "https://äpp.example/hooks?ä=%C3%28",
)
_MARKS: Final = 40
_MARK: Final = "do-not-repeat-this"


class CarrierContract:
    """What every carrier must hold.

    Attributes:
        carrier: one with made-up secrets.
        now: when ``receipt`` and ``reply`` reach us; near the time they are signed with, if any.
        receipt: a genuine, signed webhook about a message.
        taken: an answer that accepts a message; None for a carrier that does not send.
        reply: a genuine, signed webhook with what a person wrote, if the carrier brings any.
        refused: an answer that certainly refuses a message.
        message: one the carrier can send, saying "Hello" or something else in it.
        covers_body: whether the signature covers what webhooks say. Where it does not, your
            docs must say so.
        covers_address: whether it covers the address; else only the attempt id may come from there.
        carries_attempt: whether the carrier brings our attempt id back.
    """

    carrier: ClassVar[Carrier]
    now: ClassVar[datetime]
    receipt: ClassVar[Request]
    taken: ClassVar[Response | None] = None
    reply: ClassVar[Request | None] = None
    refused: ClassVar[Response | None] = None
    message: ClassVar[Message] = Message(status="pending", to="+12025550143", sender="+12025550100", text="Hello")
    covers_body: ClassVar[bool] = True
    covers_address: ClassVar[bool] = True
    carries_attempt: ClassVar[bool] = True

    # --- what the carrier reports

    def test_a_genuine_receipt_is_read(self) -> None:
        """A genuine webhook becomes receipts with carrier, an id of the message and the time they came."""
        found = self._receipts()

        _hold(found, "events(receipt) holds no Receipt")
        for each in found:
            _hold(each.carrier == self.carrier.name, f"a receipt names {each.carrier!r}, not {self.carrier.name!r}")
            _hold(each.carrier_id or each.attempt_id, "a receipt names neither the carrier's id nor our attempt's")
            _hold(each.received_at == self.now, f"received_at is {each.received_at}, not the moment given as now")

    def test_a_receipt_can_be_folded(self) -> None:
        """What a receipt says is known to the tables, or kept as the carrier wrote it."""
        for each in self._receipts():
            fold([attrs.evolve(each, attempt=1)])

    def test_a_genuine_reply_is_read(self) -> None:
        """A genuine webhook about a reply becomes a Reply with the person's number."""
        if self.reply is None:
            return  # this carrier brings none, as its author says by giving none
        found = [e for e in self.carrier.events(self.reply, now=self.now) if isinstance(e, Reply)]

        _hold(found, "events(reply) holds no Reply")
        for each in found:
            _hold(each.carrier == self.carrier.name, f"a reply names {each.carrier!r}, not {self.carrier.name!r}")
            _hold(each.to, "a reply does not say whose it is (to)")
            _hold(each.received_at <= self.now + timedelta(minutes=5), "a reply comes from the future")

    def test_the_same_request_reports_the_same(self) -> None:
        """What a request reports depends on nothing but the request and the moment given."""
        for request in self._genuine():
            first = self.carrier.events(request, now=self.now)

            _hold(first == self.carrier.events(request, now=self.now), "events() differs from call to call")
            again = pickle.loads(pickle.dumps(self.carrier))  # noqa: S301 - our own
            _hold(first == again.events(request, now=self.now), "events() differs in another process")

    def test_the_moment_has_a_zone(self) -> None:
        """A moment without a zone is refused, because receipts would carry it on."""
        naive = self.now.replace(tzinfo=None)
        _raises(InvalidValue, lambda: self.carrier.events(self.receipt, now=naive), "a naive now is believed")

    def test_a_very_old_request_is_refused_or_counts_once(self) -> None:
        """Played again 400 days later a request is too old, or says exactly what it said."""
        later = self.now + timedelta(days=400)
        try:
            found = self.carrier.events(self.receipt, now=later)
        except WebhookRejected as error:
            _hold(error.reason == "timestamp", f"an old request is rejected for its {error.reason}, not its timestamp")
        else:
            same = [_timeless(each) for each in found] == [_timeless(each) for each in self._receipts()]
            _hold(same, "an old request says something else than when it was new")

    # --- who may report

    def test_no_byte_of_the_body_can_be_changed(self) -> None:
        """Whatever bit of a signed body is changed: it is rejected, or says exactly the same."""
        for request in self._genuine():
            genuine = self.carrier.events(request, now=self.now)
            for changed in _flipped(request.body):
                self._same_or_rejected(attrs.evolve(request, body=changed), genuine, believed=not self.covers_body)

    def test_no_byte_of_the_query_can_be_changed(self) -> None:
        """Whatever bit of the address's query is changed: rejected, or the same but for an unsigned attempt id."""
        for request in self._genuine():
            where, mark, query = request.url.partition("?")
            genuine = self.carrier.events(request, now=self.now)
            for changed in _flipped(query.encode()):
                url = f"{where}{mark}{changed.decode('latin-1')}"
                found = self._events(attrs.evolve(request, url=url))
                if found is not None and not self.covers_address:
                    found, genuine = [*map(_adopted, found)], [*map(_adopted, genuine)]
                _hold(found is None or found == genuine, "a changed query changes what is reported")

    def test_a_stranger_is_rejected(self) -> None:
        """Without its signature a request is rejected: some header, or the body, cannot be done without."""
        needed = self._needed_headers()
        unsigned = attrs.evolve(self.receipt, headers=_only_content_type(self.receipt))
        elsewhere = [attrs.evolve(self.receipt, url=self.receipt.url.partition("?")[0])]
        if self.covers_body:
            elsewhere += [attrs.evolve(self.receipt, body=body) for body in _flipped(self.receipt.body)]

        signed = needed or any(self._reason(each) == "signature" for each in elsewhere)
        _hold(signed, "nothing about a request is checked: anybody may report anything")
        _hold(self._events(unsigned) is None or not needed, "without its headers a request is believed")

    def test_a_wrong_signature_is_rejected(self) -> None:
        """A header that counts is rejected when it is missing, empty, cut, altered, repeated 200 times or junk."""
        headers = self.receipt.headers
        for name in self._needed_headers():
            without = {n: v for n, v in headers.items() if n != name}
            _hold(self._events(attrs.evolve(self.receipt, headers=without)) is None, f"header {name} may be missing")
            for wrong in (" ", "0", "ü", "é" * 99, *_altered(headers[name])):
                changed = attrs.evolve(self.receipt, headers={**headers, name: wrong})
                _hold(self._events(changed) is None, f"header {name} may be {wrong[:20]!r}")
            twice = attrs.evolve(self.receipt, headers=[*headers.items(), (name, headers[name])])
            self._same_or_rejected(twice, self.carrier.events(self.receipt, now=self.now))

    def test_another_account_is_rejected(self) -> None:
        """What is signed with one account's secrets is not believed by another account's carrier."""
        stranger = self._with_other_secrets()
        if stranger is None:
            return  # its secrets are not plain text, so that no others can be made up here
        self._same_or_rejected(self.receipt, [], carrier=stranger)

    # --- the doors before it

    def test_a_wrong_method_is_405(self) -> None:
        """A method the carrier does not use is rejected with 405."""
        self._rejected(attrs.evolve(self.receipt, method="BREW"), "method", 405)

    def test_a_wrong_content_type_is_415(self) -> None:
        """A body of another type, of none, or in another encoding is rejected with 415."""
        body = self.receipt.body or b"{}"
        known = self.receipt.headers.get(_CONTENT_TYPE, min(self.carrier.content_types)).partition(";")[0]
        for kind in ("text/html", "multipart/form-data", "", "application/xml", f"{known}; charset=utf-7"):
            headers = {**self.receipt.headers, _CONTENT_TYPE: kind}
            self._rejected(attrs.evolve(self.receipt, headers=headers, body=body), "content_type", 415)

    def test_a_large_body_is_413(self) -> None:
        """A body larger than the carrier sends is rejected with 413 before anything else is looked at."""
        body = self.receipt.body + b" " * (self.carrier.max_body + 1)  # a GET has none of its own
        self._rejected(attrs.evolve(self.receipt, body=body[: self.carrier.max_body + 1]), "size", 413)

    def test_junk_is_rejected_and_nothing_else(self) -> None:
        """Any request at all gives events or WebhookRejected, which never repeats what the request held."""
        anywhere = attrs.evolve(self.carrier, webhook_url=None)  # then it believes each request's own address
        for request in self._spoiled_requests():
            self._events(request)
            self._events(request, carrier=anywhere)

    def test_signed_junk_is_rejected_and_nothing_else(self) -> None:
        """A request that passes the signature, as if the carrier itself sent junk, gives no other error either."""
        believing = attrs.evolve(self.carrier, verify="insecure-for-tests")
        for request in self._spoiled_requests():
            self._events(request, carrier=believing)

    # --- sending

    def test_a_message_becomes_a_request(self) -> None:
        """The same message becomes the same request: to an address, over https, with number and text in it."""
        if self._only_reports():
            return
        request = self._encode()

        _hold(request == self._encode(), "encode() differs from call to call")
        parts = urlsplit(request.url)
        _hold(parts.scheme == "https" or parts.hostname in _LOOPBACK, f"{request!r} goes over the network in clear")
        held = "\n".join(_held(request))
        _hold((self.message.to or "").lstrip("+") in held, "the request does not hold the number")
        _hold((self.message.text or "") in held, "the request does not hold the text")

    def test_any_text_arrives_as_it_is(self) -> None:
        """Accents, emoji, quotes, line breaks, ``&``, ``=``, ``+`` and ``%`` arrive as they were written."""
        if self._only_reports():
            return
        request = self._encode(attrs.evolve(self.message, text=_TEXT))
        _hold(any(_TEXT in each for each in _held(request)), f"the text {_TEXT!r} is not in the request")

    def test_the_attempt_id_travels(self) -> None:
        """The attempt's id is in the request wherever the carrier can bring it back; without one all is well too."""
        if self._only_reports():
            return
        carrier = attrs.evolve(self.carrier, webhook_url=self.carrier.webhook_url or _WEBHOOK)
        request = carrier.encode(self.message, self._attempt())

        carrier.encode(self.message, Attempt(started_at=self.now))
        held = any(_ATTEMPT in each for each in [request.url, *request.headers.values(), *_held(request)])
        _hold(held or not self.carries_attempt, "the request does not hold the attempt's id")

    def test_media_is_sent_or_refused_in_a_sentence(self) -> None:
        """A message with media becomes a request that holds its address; without MMS a sentence says why not."""
        if self._only_reports():
            return
        message = attrs.evolve(self.message, media=(_PICTURE,))
        if self.carrier.mms:
            held = any(_PICTURE in each for each in _held(self._encode(message)))
            _hold(held, "the request does not hold the media's address")
        else:
            _raises(
                InvalidValue, lambda: self._encode(message), "media is dropped without a word, although mms is False"
            )

    def test_what_cannot_be_sent_is_refused_in_a_sentence(self) -> None:
        """A number that is none, and a message that says nothing or far too much, are an InvalidValue."""
        if self._only_reports():
            return
        for number in _NO_NUMBERS:
            message = attrs.evolve(self.message, to=number)
            _raises(InvalidValue, partial(self._encode, message), f"to={number!r} is sent")
        for text in (None, "x" * 100_000):
            message = attrs.evolve(self.message, text=text)
            said = "nothing" if text is None else "100,000 characters"
            _raises(InvalidValue, partial(self._encode, message), f"a text of {said} is sent")

    # --- what an answer means

    def test_an_accepting_answer_is_taken(self) -> None:
        """An answer that accepts is taken, with the carrier's id of the message or of each part."""
        if self._only_reports():
            return
        found = self.carrier.decode(self._taken())
        _hold(found.outcome is Outcome.TAKEN, f"taken is read as {found.outcome.value}: {found.detail}")
        _hold(found.carrier_id or any(found.part_ids), "taken is read without an id")
        _hold(found.carrier == self.carrier.name, f"it names {found.carrier!r}, not {self.carrier.name!r}")

    def test_a_refusing_answer_is_refused(self) -> None:
        """An answer that refuses is refused, and says of which kind it is."""
        if self.refused is not None:
            found = self.carrier.decode(self.refused)
            _hold(found.outcome is Outcome.REFUSED, f"refused is read as {found.outcome.value}: {found.detail}")

    def test_a_success_nobody_can_read_is_unknown(self) -> None:
        """A 2xx that is empty, cut short, HTML or without an id is unknown: it may have been taken."""
        if self._only_reports():
            return
        body = self._taken().body.rstrip()
        for status in (200, 201, 202, 204):
            for answer in (*_NO_ANSWERS, *(body[:i] for i in range(0, len(body), 7))):
                self._reads(Response(status, self._taken().headers, answer), Outcome.UNKNOWN)

    def test_what_may_have_been_taken_is_unknown(self) -> None:
        """3xx, 408 and 5xx are unknown whatever they say, because somebody may have taken it before."""
        if self._only_reports():
            return
        for status in {*_UNKNOWN_STATUSES, 503} - self.carrier.busy:
            for body in self._bodies():
                self._reads(Response(status, self._taken().headers, body), Outcome.UNKNOWN)

    def test_too_many_requests_is_refused_for_now(self) -> None:
        """429, and what else the carrier documents as busy, is refused and may be tried again, whatever its body."""
        if self._only_reports():
            return
        for status in {429, *self.carrier.busy}:
            for body in (b"", _HTML, b"{}"):
                found = self._reads(Response(status, {}, body), Outcome.REFUSED)
                _hold(found.refusal is Refusal.TEMPORARY, f"{status} is refused as {found.refusal}, not for now")

    def test_wrong_credentials_are_about_the_account(self) -> None:
        """401 is refused because of the account, so that the rest of a campaign waits."""
        if self._only_reports():
            return
        for body in (b"", _HTML, b"{}"):
            found = self._reads(Response(401, {}, body), Outcome.REFUSED)
            _hold(found.refusal is Refusal.ACCOUNT, f"401 is refused as {found.refusal}, not because of the account")

    def test_an_error_page_of_somebody_else_is_unknown(self) -> None:
        """A 404 or 400 of HTML may come from a proxy after the carrier took the message: unknown."""
        if self._only_reports():
            return
        for status in (400, 404):
            self._reads(Response(status, {"Content-Type": "text/html"}, _HTML), Outcome.UNKNOWN)

    def test_any_answer_can_be_read(self) -> None:
        """Any answer at all gives a Submission; taken needs a 2xx and an id, and 5xx is never a refusal."""
        if self._only_reports():
            return
        random = Random(1)
        for _ in range(ROUNDS):
            body = _spoiled(random, random.choice(self._bodies()))
            status = random.choice((200, 201, 202, 204, 301, 400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503))
            found = self._decode(Response(status, {}, body))
            taken = found.outcome is Outcome.TAKEN
            _hold(not taken or (status < 300 and (found.carrier_id or any(found.part_ids))), f"{status} is taken")  # noqa: PLR2004
            certain = status in self.carrier.busy or 200 <= status < 300 or 400 <= status < 500 and status != 408  # noqa: PLR2004, RUF021
            _hold(certain or found.outcome is Outcome.UNKNOWN, f"{status} is {found.outcome.value}")

    # --- what a carrier is

    def test_it_keeps_its_secrets(self) -> None:
        """No secret is in the repr of a carrier, a request or an answer, nor in an error."""
        secrets = self._secrets()
        request = self._encode() if self.carrier.sends else self.receipt
        shown = [repr(self.carrier), str(self.carrier), repr(request), repr(self.receipt)]
        for mistake in (*self._spoiled_requests(40), attrs.evolve(self.receipt, method="BREW")):
            try:
                self.carrier.events(mistake, now=self.now)
            except WebhookRejected as error:
                shown += [str(error), repr(error)]
        if not self.carrier.sends:
            return _without(secrets, shown)
        for body in self._bodies():
            shown += [repr(self._decode(Response(status, {}, body))) for status in (200, 400, 401, 500)]
        for number in _NO_NUMBERS:
            try:
                self._encode(attrs.evolve(self.message, to=number))
            except InvalidValue as error:
                shown += [str(error), repr(error)]
        return _without(secrets, shown)

    def test_it_is_a_value(self) -> None:
        """A carrier can be copied, changed in a copy, and passed to another process."""
        again = pickle.loads(pickle.dumps(self.carrier))  # noqa: S301 - our own

        _hold(again == self.carrier, "a pickled carrier is another carrier")
        _hold(attrs.evolve(self.carrier) == self.carrier, "a copy of a carrier is another carrier")

    def test_it_only_computes(self) -> None:
        """Its file opens no connection, reads no clock, draws no random number, writes no log."""
        module = sys.modules[type(self.carrier).__module__]
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            used = _impure(node)
            _hold(used is None, f"line {getattr(node, 'lineno', 0)} of {module.__name__} uses {used}")

    def test_a_carrier_that_does_not_send_says_so(self) -> None:
        """Asked to send, a carrier that only reports refuses in a sentence."""
        if not self.carrier.sends:
            _raises(InvalidValue, self._encode, "it sends, although sends is False")

    # --- how the tests look at it

    def _genuine(self) -> list[Request]:
        return [self.receipt, *([self.reply] if self.reply is not None else [])]

    def _receipts(self) -> list[Receipt]:
        return [e for e in self.carrier.events(self.receipt, now=self.now) if isinstance(e, Receipt)]

    def _attempt(self) -> Attempt:
        return Attempt(attempt_id=_ATTEMPT, started_at=self.now)

    def _encode(self, message: Message | None = None) -> Request:
        return self.carrier.encode(message or self.message, self._attempt())

    def _only_reports(self) -> bool:
        """Return whether it does not send, after holding that it refuses to."""
        self.test_a_carrier_that_does_not_send_says_so()
        return not self.carrier.sends

    def _taken(self) -> Response:
        if self.taken is None:
            raise AssertionError("taken is missing: give the answer with which this carrier accepts a message")
        return self.taken

    def _bodies(self) -> list[bytes]:
        given = [each.body for each in (self.taken, self.refused) if each is not None]
        return [*given, _HTML, b"", b"{}"]

    def _decode(self, response: Response) -> Submission:
        try:
            return self.carrier.decode(response)
        except Exception as error:
            raise AssertionError(f"{response!r} raises {error!r}: it must become a Submission") from error

    def _reads(self, response: Response, outcome: Outcome) -> Submission:
        found = self._decode(response)
        _hold(
            found.outcome is outcome,
            f"{response!r} {response.body[:60]!r} is {found.outcome.value}, not {outcome.value}",
        )
        return found

    def _events(self, request: Request, *, carrier: Carrier | None = None) -> list[Event] | None:
        """Return what a request reports, None when it is rejected; anything else is a failure."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UnverifiedWebhook)
                return (carrier or self.carrier).events(request, now=self.now)
        except WebhookRejected as error:
            _hold(_MARK not in str(error), f"the error repeats what the request held: {error}")
            return None
        except Exception as error:
            raise AssertionError(f"{request!r} {request.body[:60]!r} raises {error!r}, not WebhookRejected") from error

    def _same_or_rejected(
        self, request: Request, genuine: list[Event], *, carrier: Carrier | None = None, believed: bool = False
    ) -> None:
        found = self._events(request, carrier=carrier)
        _hold(found is None or found == genuine or believed, f"{request!r} was changed, and what it reports with it")

    def _rejected(self, request: Request, reason: str, status: int) -> None:
        try:
            self.carrier.events(request, now=self.now)
        except WebhookRejected as error:
            _hold((error.reason, error.status) == (reason, status), f"rejected as {error.reason}, not as {reason}")
        else:
            raise AssertionError(f"{request!r} is believed: it must be rejected as {reason}")

    def _reason(self, request: Request) -> str | None:
        try:
            self.carrier.events(request, now=self.now)
        except WebhookRejected as error:
            return error.reason
        return None

    def _needed_headers(self) -> list[str]:
        """Return the headers that count: without which, or with any other value, the receipt is rejected."""
        headers = self.receipt.headers
        return [
            name
            for name in headers
            if name != _CONTENT_TYPE
            and any(
                self._events(attrs.evolve(self.receipt, headers={**headers, name: other})) is None
                for other in ("", "0", headers[name][::-1])
            )
        ]

    def _spoiled_requests(self, rounds: int = ROUNDS) -> Iterator[Request]:
        for url in _ADDRESSES:
            for kind in sorted(self.carrier.content_types):
                headers = {**self.receipt.headers, _CONTENT_TYPE: kind}
                yield attrs.evolve(self.receipt, url=url, headers=headers)
        for request in self._genuine():
            for at in range(0, len(request.body) + 1, 1 + len(request.body) // _MARKS):
                yield attrs.evolve(request, body=request.body[:at] + _MARK.encode() + request.body[at:])
        random = Random(1)
        for _ in range(rounds):
            request = random.choice(self._genuine())
            pairs = [
                (name, _spoiled_value(random, value) if random.randrange(10) == 0 else value)
                for name, value in request.headers.items()
            ]
            where, mark, query = request.url.partition("?")
            url = f"{where}{mark}{_spoiled(random, query.encode()).decode('latin-1')}"
            url = random.choice((request.url, request.url, url, random.choice(_ADDRESSES)))
            body = _spoiled(random, request.body)[: self.carrier.max_body]
            yield Request(request.method, url, pairs, body)

    def _secrets(self) -> list[str]:
        """Return the texts in the fields that the carrier's repr hides."""
        hidden = [f.name for f in attrs.fields(type(self.carrier)) if f.repr is not True]
        values = [text for name in hidden for text in _texts(getattr(self.carrier, name))]
        return [each for each in values if len(each) >= _SHORTEST_SECRET]

    def _with_other_secrets(self) -> Carrier | None:
        hidden = [f.name for f in attrs.fields(type(self.carrier)) if callable(f.repr)]
        others: dict[str, Any] = {name: "another-account" for name in hidden if getattr(self.carrier, name) is not None}
        try:
            return attrs.evolve(self.carrier, **others) if others else None
        except InvalidValue:
            return None


def _hold(promise: object, otherwise: str) -> None:
    if not promise:
        raise AssertionError(otherwise)


def _raises(kind: type[Exception], call: Callable[[], object], otherwise: str) -> None:
    try:
        call()
    except kind as error:
        _hold(len(str(error).split()) > 3, f"{error!r} is no sentence")  # noqa: PLR2004
    else:
        raise AssertionError(otherwise)


def _without(secrets: list[str], shown: list[str]) -> None:
    for text in shown:
        _hold(not any(secret in text for secret in secrets), "a secret is shown")


def _timeless(event: Event) -> Event:
    return attrs.evolve(event, received_at=None) if isinstance(event, Receipt) else event


def _adopted(event: Event) -> Event:
    return attrs.evolve(event, attempt_id=None) if isinstance(event, Receipt) else event


def _only_content_type(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name == _CONTENT_TYPE}


def _altered(value: str) -> list[str]:
    """Return values near a genuine one."""
    other = value[:-8] + ("A" if value[-8:-7] != "A" else "B") + value[-7:]  # the last bits may be padding
    later = str(int(value) + 1) if value.isdecimal() else "1"  # a time that is near, too
    return ["", value[: len(value) // 2], other, later, ", ".join([value] * 200)]


def _flipped(body: bytes) -> Iterator[bytes]:
    for i, byte in enumerate(body):
        for flip in _FLIPS:
            yield body[:i] + bytes([byte ^ flip]) + body[i + 1 :]


def _spoiled(random: Random, body: bytes) -> bytes:
    """Return some bytes after one to three accidents."""
    for _ in range(random.randint(1, 3)):
        at, to = sorted((random.randint(0, len(body)), random.randint(0, len(body))))
        kind = random.randrange(6)
        if kind == 0:
            body = body[:at]
        elif kind == 1:
            body = body[:at] + body[to:]
        elif kind == 2:  # noqa: PLR2004 - one of six
            body = body[:to] + body[at:to] + body[to:]
        elif kind == 3 and body:  # noqa: PLR2004
            at = min(at, len(body) - 1)
            body = body[:at] + bytes([body[at] ^ 1 << random.randrange(8)]) + body[at + 1 :]
        elif kind == 4:  # noqa: PLR2004
            body = body[:at] + random.choice((*_JUNK, _MARK.encode())) + body[to:]
        else:
            body = body[:at] + random.choice((*_JUNK, _MARK.encode())) + body[at:]
    return body


def _spoiled_value(random: Random, value: str) -> str:
    return random.choice(("", "0", "ü", value * 2, value[1:], f"{value}, {value}", "9" * 400, "a.b.c", "=" * 9, "\t"))


def _held(request: Request) -> Iterator[str]:
    """Yield each piece of text that a request holds, in its query, its form or its JSON."""
    text = request.body.decode()
    for piece in (urlsplit(request.url).query, text):
        for name, value in parse_qsl(piece, keep_blank_values=True):
            yield from (name, value, *_embedded(value))
    yield from _embedded(text)


def _embedded(text: str) -> Iterator[str]:
    try:
        value = json.loads(text)
    except ValueError:
        return
    for leaf in _texts(value):
        yield leaf
        if leaf != text:
            yield from _embedded(leaf)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts and numbers in a value, and in what it holds."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)


def _impure(node: ast.AST) -> str | None:
    """Return what a node imports or calls that a carrier must not, None when it is fine."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [each.name for each in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
        names = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CLOCKS:
        return f"{node.func.attr}()"
    found = [name for name in names if name in _IMPURE or name.partition(".")[0] in _IMPURE]
    return found[0] if found else None
