"""A carrier that exists only in memory, speaks like the real one, and misbehaves as badly as you ask.

A request is answered by `Simulator.submit`, which waits for nothing: it says what happens,
after how many seconds, and where the conversation breaks. Whoever carries the conversation
makes that true: `Simulator.transport` and `Simulator.async_transport` for httpx, in virtual
time; `SimulatorServer` on real sockets.

What the carrier reports lies in a queue by the moment it is due: `Simulator.deliver` hands it
to a function of yours.

Everything is drawn from one seed: the same requests in the same order make the same story.
"""

from __future__ import annotations

import asyncio
import heapq
import inspect
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any, Final, Literal
from zlib import compressobj

import attrs

from campaignkit.backends.carriers.port import Request, Response
from campaignkit.consent import match_keyword
from campaignkit.errors import InvalidValue, WebhookRejected, shown
from campaignkit.models import Keyword
from campaignkit.testing.clock import Clock, VirtualClock
from campaignkit.testing.dialects import get_dialect
from campaignkit.testing.dialects.base import Dialect, Submitted, Why
from campaignkit.testing.exchange import Exchange, Fault
from campaignkit.testing.ledger import Asked, Ledger, Posted, Taken
from campaignkit.testing.story import ARRIVED, Dice, Step, story
from campaignkit.testing.transports import AsyncSimulatorTransport, SimulatorTransport
from campaignkit.testing.weather import Weather, get_weather

PATIENCE: Final = 600.0
"""Seconds after which a connection that never answers is reset, for clients that never time out."""

RETRIES: Final = (60.0, 600.0, 3600.0)
"""Seconds after which a webhook that was not accepted is posted again; then the carrier gives up."""

_ERRORS: Final = (500, 502, 503, 504)
_OUTAGE: Final = timedelta(minutes=10)
_HOUR: Final = timedelta(hours=1)
_UNPACKED: Final = 32 * 2**20
_DAYS: Final = 400
_HTML: Final = b"<!DOCTYPE html><html><body><h1>503</h1><p>Please come back later.</p></body></html>"
_SAYINGS: Final = ("Yes please", "ok thx", "Who is this?", "", "👍", "What time do you close?", "No!")


@attrs.define(kw_only=True, order=True)
class Webhook:
    """Something the carrier is going to report.

    Attributes:
        due: when.
        number: its place among equals.
    """

    due: datetime
    number: int
    kind: Literal["receipt", "reply"] = attrs.field(order=False)
    about: Literal["message", "stranger", "reply"] = attrs.field(order=False)
    carrier_id: str = attrs.field(order=False)
    submitted: Submitted = attrs.field(order=False)
    said: str = attrs.field(order=False)
    code: str | None = attrs.field(default=None, order=False)
    time: int = attrs.field(default=0, order=False)


_About = Literal["message", "stranger", "reply"]

Handler = Callable[[Request, datetime], object]
"""Takes a webhook and the moment it comes; an HTTP status of 400 or more, or `WebhookRejected`, refuses it."""


class Simulator:
    """A carrier, simulated.

    Args:
        dialect: whose side it takes: a name of `DIALECTS`, for an account that is made up, or a
            dialect of your own making. Its ``carrier`` is what your app sends and receives with.
        profile: the name of one of `WEATHERS`, or a `Weather` of your own.
        seed: of everything that is left to chance.
        clock: shared with whatever else must live in the same time.
        pace: how much faster receipts come than they would.

    >>> import campaignkit as ck, httpx
    >>> simulator = Simulator("twilio", profile=Weather(failed=0))
    >>> carrier = simulator.carrier
    >>> message = ck.Message(status="pending", to="+12025550143", sender="+12025550100", text="Hello")
    >>> request = carrier.encode(message, ck.Attempt(attempt_id="a-1"))
    >>> with httpx.Client(transport=simulator.transport()) as client:
    ...     client.post(request.url, headers=dict(request.headers), content=request.body).status_code
    201
    >>> receipts = []
    >>> simulator.deliver(lambda request, now: receipts.extend(carrier.events(request, now=now)))
    3
    >>> [each.status for each in receipts], simulator.ledger.taken[0].fate.value
    (['sending', 'sent', 'delivered'], 'delivered')
    """

    def __init__(
        self,
        dialect: str | Dialect,
        *,
        profile: str | Weather = "calm",
        seed: int = 1,
        clock: Clock | None = None,
        pace: float = 1.0,
    ) -> None:
        if not pace > 0:
            raise InvalidValue(f"pace is {shown(pace)}: must be above 0; 60 makes an hour a minute")
        self.dialect = get_dialect(dialect)() if isinstance(dialect, str) else dialect
        self.carrier = self.dialect.carrier
        self.weather = get_weather(profile)
        self.clock = clock or VirtualClock()
        self.ledger = Ledger()
        self._seed = seed
        self._pace = pace
        self._dice = Dice(seed)
        self._queue: list[Webhook] = []
        self._count = 0
        self._known: dict[str, Taken] = {}
        self._blocked: dict[str, datetime] = {}
        self._lock = threading.Lock()

    # --- what the app asks

    def transport(self, handler: Handler | None = None) -> SimulatorTransport:
        """Return what ``httpx.Client(transport=...)`` takes; waiting moves the virtual clock.

        Args:
            handler: takes the webhooks that fall due while a request is under way, some
                before its answer. Without it they wait for `deliver`.
        """
        return SimulatorTransport(self, handler)

    def async_transport(self, handler: Handler | None = None) -> AsyncSimulatorTransport:
        """Return what ``httpx.AsyncClient(transport=...)`` takes; waiting is ``asyncio.sleep``, see `run_virtual`."""
        return AsyncSimulatorTransport(self, handler)

    def submit(self, request: Request) -> Exchange:
        """Return what happens to a request, now."""
        with self._lock:
            now = self.clock.now()
            asked = Asked(at=now, to=None, attempt_id=None, answer="", taken=False)
            self.ledger.asked.append(asked)
            before = len(self.ledger.taken)
            exchange = self._exchange(request, now, asked)
            status = "" if exchange.response is None else str(exchange.response.status)
            asked.answer = status if exchange.fault is Fault.NONE else exchange.fault.value
            asked.taken = len(self.ledger.taken) > before
            return exchange

    def heal(self) -> None:
        """Let nothing go wrong any more; what is on its way still comes as it was going to."""
        self.weather = Weather()

    # --- what the carrier reports

    def due(self) -> datetime | None:
        """Return when the next webhook is due, None when none will ever be."""
        return self._queue[0].due if self._queue else None

    def post(self) -> tuple[Webhook, Request, datetime]:
        """Return the next webhook, taken from the queue, its signed request, and the moment it comes."""
        with self._lock:
            webhook = heapq.heappop(self._queue)
            webhook.time += 1
            now = max(self.clock.now(), webhook.due)
            return webhook, self._written(webhook, now + self._skew(webhook)), now

    def posted(self, webhook: Webhook, answer: int) -> None:
        """Note how a webhook was answered; one that was not accepted comes again."""
        with self._lock:
            now = self.clock.now()
            about = webhook.submitted
            self.ledger.posted.append(
                Posted(
                    at=now,
                    kind=webhook.kind,
                    about=webhook.about,
                    carrier_id=webhook.carrier_id,
                    attempt_id=about.attempt_id,
                    to=about.to,
                    said=webhook.said,
                    code=webhook.code,
                    time=webhook.time,
                    answer=answer,
                )
            )
            if answer >= 400 and webhook.time <= len(RETRIES):  # noqa: PLR2004 - HTTP
                webhook.due = now + timedelta(seconds=RETRIES[webhook.time - 1] / self._pace)
                heapq.heappush(self._queue, webhook)

    def deliver(self, handler: Handler, until: datetime | None = None) -> int:
        """Hand each webhook to a function when it is due, moving the virtual clock from one to the next.

        Args:
            handler: called with the request and the moment. `WebhookRejected`, or an HTTP
                status of 400 or more returned, makes the carrier try again later, a few times.
            until: stop before what is due later, and move the clock there; None delivers all.

        Returns:
            How many were delivered.
        """
        clock = self._virtual()
        count = 0
        while (due := self.due()) is not None and (until is None or due <= until):
            clock.sleep_until(due)
            webhook, request, now = self.post()
            try:
                status = _status(handler(request, now))
            except WebhookRejected as error:
                status = error.status
            self.posted(webhook, status)
            count += 1
        if until is not None:
            clock.sleep_until(until)
        return count

    async def deliver_async(self, handler: Handler, until: datetime | None = None) -> int:
        """Do as `deliver`, waiting with ``asyncio.sleep``; the function may be ``async`` too."""
        count = 0
        while (due := self.due()) is not None and (until is None or due <= until):
            wait = (due - self.clock.now()).total_seconds()
            if wait > 0:
                await asyncio.sleep(wait)
                continue  # meanwhile somebody else may have delivered it
            webhook, request, now = self.post()
            try:
                answer = handler(request, now)
                status = _status(await answer if inspect.isawaitable(answer) else answer)
            except WebhookRejected as error:
                status = error.status
            self.posted(webhook, status)
            count += 1
        if until is not None:
            await asyncio.sleep((until - self.clock.now()).total_seconds())
        return count

    def reply(self, to: str, text: str, *, sender: str | None = None, after: float = 0.0) -> str:
        """Let a person write to us.

        Args:
            to: the person's number.
            text: what they write; an opt-out's keyword is noted in the ledger.
            sender: the number of ours they write to; None: the one they last got a message from.
            after: in how many seconds.

        Returns:
            The carrier's id of the reply.

        Raises:
            InvalidValue: they never got a message, and no ``sender`` is given.
        """
        with self._lock:
            senders = (each.sender for each in reversed(self.ledger.taken) if each.to == to)
            to_us = sender or next(senders, None)
            if to_us is None:
                raise InvalidValue(f'sender is None: nobody wrote to {to} yet; say whom they write to, with "sender"')
            keyword = match_keyword(text)
            if keyword is Keyword.OPT_OUT:
                self.ledger.opted_out.add(to)
            elif keyword is Keyword.OPT_IN:
                self.ledger.opted_out.discard(to)
            return self._replies(to, to_us, text, after * self._pace)

    # --- how a request goes

    def _exchange(self, request: Request, now: datetime, asked: Asked) -> Exchange:
        weather = self.weather
        seconds = self._dice.between(weather.latency)
        if self._dice.happens(weather.down) or self._is_out(now):
            return self._nobody(seconds)
        try:
            submitted = self.dialect.read(request)
        except PermissionError:
            return Exchange(response=self.dialect.refused(Why.ACCOUNT), seconds=seconds)
        except InvalidValue:
            return Exchange(response=self.dialect.refused(Why.REQUEST), seconds=seconds)
        asked.to, asked.attempt_id = submitted.to, submitted.attempt_id
        accident = self._dice.random()
        for rate, happens in (
            (weather.timed_out_taken, self._silent_taken),
            (weather.timed_out, self._silent),
            (weather.busy, self._busy),
            (weather.errors, self._error),
            (weather.broken, self._broken),
        ):
            if accident < rate:
                return happens(submitted, now, seconds)
            accident -= rate
        return self._decided(submitted, now, seconds)

    def _nobody(self, seconds: float) -> Exchange:
        kind = self._dice.choice(("refused", "unreachable", "silence", "503"))
        if kind == "503":
            return Exchange(response=Response(503, {"Content-Type": "text/html"}, _HTML), seconds=seconds)
        fault = {"refused": Fault.REFUSED, "unreachable": Fault.UNREACHABLE, "silence": Fault.SILENCE}[kind]
        return Exchange(fault=fault, seconds=0.01 if fault is Fault.REFUSED else PATIENCE)

    def _silent_taken(self, submitted: Submitted, now: datetime, seconds: float) -> Exchange:
        exchange = self._decided(submitted, now, seconds)
        return self._lost(exchange, Fault.SILENCE, PATIENCE)

    def _silent(self, _submitted: Submitted, _now: datetime, _seconds: float) -> Exchange:
        return Exchange(fault=Fault.SILENCE, seconds=PATIENCE)

    def _busy(self, _submitted: Submitted, now: datetime, seconds: float) -> Exchange:
        refused = self.dialect.refused(Why.BUSY)
        wait = self._dice.choice(
            (None, "0", "1", "7", "-5", "1000000000", "soon", "", format_datetime(now + timedelta(seconds=9)))
        )
        headers = {name: value for name, value in refused.headers.items() if name != "retry-after"}
        if wait is not None:
            headers["retry-after"] = wait
        return Exchange(response=Response(refused.status, headers, refused.body), seconds=seconds)

    def _error(self, submitted: Submitted, now: datetime, seconds: float) -> Exchange:
        status = self._dice.choice(_ERRORS)
        exchange = Exchange(seconds=seconds)
        if status not in self.carrier.busy and self._dice.happens(0.5):
            exchange = self._decided(submitted, now, seconds)
        return self._lost(exchange, Fault.NONE, seconds, Response(status, {"Content-Type": "text/html"}, _HTML))

    def _broken(self, submitted: Submitted, now: datetime, seconds: float) -> Exchange:
        kind = self._dice.choice(
            ("reset before", "reset", "closed", "head", "body", "html", "empty", "no id", "same id", "bomb")
        )
        if kind == "reset before":
            return Exchange(fault=Fault.RESET, seconds=seconds)
        before = self.ledger.taken[-1].carrier_id if self.ledger.taken else None
        exchange = self._decided(submitted, now, seconds)
        faults = {"reset": Fault.RESET, "closed": Fault.CLOSED, "head": Fault.CUT_HEAD, "body": Fault.CUT_BODY}
        if kind in faults:
            return self._lost(exchange, faults[kind], seconds, exchange.response)
        said = exchange.response
        if exchange.taken is None or said is None:
            return exchange
        own = exchange.taken.carrier_id.encode()
        other = (before or "").encode() if kind == "same id" else b""
        answers = {
            "html": Response(200, {"Content-Type": "text/html"}, _HTML),
            "empty": Response(201),
            "bomb": Response(said.status, {**said.headers, "Content-Encoding": "gzip"}, _bomb()),
        }
        spoiled = Response(said.status, said.headers, said.body.replace(own, other))
        return self._lost(exchange, Fault.NONE, seconds, answers.get(kind, spoiled))

    def _lost(self, exchange: Exchange, fault: Fault, seconds: float, response: Response | None = None) -> Exchange:
        """Return an exchange whose answer is lost or spoiled."""
        exchange.unheard()
        return Exchange(response=response, fault=fault, seconds=seconds, taken=exchange.taken)

    def _decided(self, submitted: Submitted, now: datetime, seconds: float) -> Exchange:
        """Return the carrier's honest answer."""
        earlier = self._known.get(submitted.attempt_id or "") if self.carrier.idempotent else None
        if earlier is not None:
            earlier.answered = True
            answer = self.dialect.duplicate(submitted, earlier.carrier_id, now)
            return Exchange(response=answer, seconds=seconds, taken=earlier)
        why = self._refusal(submitted.to, now)
        if why is not None:
            return Exchange(response=self.dialect.refused(why), seconds=seconds)
        taken = self._take(submitted, now, seconds)
        answer = self.dialect.taken_in_parts(submitted, taken.part_ids or [taken.carrier_id], now)
        return Exchange(response=answer, seconds=seconds, taken=taken)

    def _refusal(self, to: str, now: datetime) -> Why | None:
        about = Random(f"{self._seed}:{to}")  # a number is the same number in every request
        if about.random() < self.weather.invalid:
            return Why.INVALID_NUMBER
        if about.random() < self.weather.blocked:
            self.ledger.opted_out.add(to)
            return Why.OPTED_OUT
        since = self._blocked.get(to)
        return Why.OPTED_OUT if since is not None and since <= now else None

    # --- what becomes of a message

    def _take(self, submitted: Submitted, now: datetime, seconds: float) -> Taken:
        named, own_id = self.dialect.names_parts, submitted.attempt_id
        told = story(self.dialect, self.weather, self._dice, seconds, submitted.parts if named else 1)
        ids = [self._new_id(None if named else own_id) for _ in told.parts]
        part_ids = tuple(own if each.word else None for own, each in zip(ids, told.parts, strict=True))
        taken = Taken(
            carrier_id=next(filter(None, part_ids)),
            attempt_id=own_id,
            to=submitted.to,
            sender=submitted.sender,
            text_sha256=sha256(submitted.text.encode()).hexdigest(),
            at=now,
            answered=True,
            fate=told.fate,
            code=told.code,
            told=told.told,
            part_ids=part_ids if named else (),
            part_fates=tuple(each.fate for each in told.parts) if named else (),
        )
        self.ledger.taken.append(taken)
        if own_id is not None:
            self._known[own_id] = taken
        for step in told.steps:
            self._reports(step, ids[step.part], submitted)
        if self._dice.happens(self.weather.strange):
            self._reports_strangely(submitted, told.steps)
        if told.fate in ARRIVED:
            self._acts(submitted, told.ends)
        return taken

    def _new_id(self, own_id: str | None) -> str:
        return own_id if own_id and self.dialect.takes_our_id else self.dialect.new_id(self._dice)

    def _reports(self, step: Step, carrier_id: str, submitted: Submitted, about: _About = "message") -> None:
        self._push(step.delay, carrier_id, submitted, step.word, code=step.code, kind="receipt", about=about)

    def _reports_strangely(self, submitted: Submitted, steps: list[Step]) -> None:
        """Report on a message nobody sent through us, or on what a person wrote."""
        about: _About = self._dice.choice(("stranger", "reply"))
        nobody = attrs.evolve(submitted, attempt_id=None, callback=None)
        for step in steps[-1:]:
            self._reports(step, self.dialect.new_id(self._dice), nobody, about)

    # --- what people do

    def _acts(self, submitted: Submitted, arrived: float) -> None:
        """Let the person answer or opt out, some time after the message arrived."""
        to, sender = submitted.to, submitted.sender
        delay = arrived + self._dice.between(self.weather.delay)
        if self._dice.happens(self.weather.opt_outs):
            self._opts_out(self._dice.choice(("reply", "asked", "both", "taken back")), to, sender, delay)
        elif sender is not None and self._dice.happens(self.weather.replies):
            self._replies(to, sender, self._dice.choice(_SAYINGS), delay)

    def _opts_out(self, how: str, to: str, sender: str | None, delay: float) -> None:
        if how in {"asked", "both"}:
            self._blocked[to] = self.clock.now() + timedelta(seconds=delay / self._pace)
        if how == "taken back" and sender is not None:
            self._replies(to, sender, "START", delay)
            self._replies(to, sender, "STOP", delay + 1)
            return
        self.ledger.opted_out.add(to)
        if how != "asked" and sender is not None:
            self._replies(to, sender, "STOP", delay)

    def _replies(self, to: str, sender: str, text: str, delay: float) -> str:
        reply_id = self.dialect.new_id(self._dice)
        submitted = Submitted(to=to, sender=sender, text=text)
        self._push(delay, reply_id, submitted, text, kind="reply", about="reply")
        return reply_id

    # --- small things

    def _written(self, webhook: Webhook, now: datetime) -> Request:
        about = webhook.submitted
        if webhook.kind == "receipt":
            return self.dialect.receipt(about, webhook.carrier_id, webhook.said, webhook.code, now)
        return self.dialect.reply(about.to, about.sender or "", about.text, webhook.carrier_id, now)

    def _push(
        self, delay: float, carrier_id: str, submitted: Submitted, said: str, *, code: str | None = None, **what: Any
    ) -> None:
        self._count += 1
        due = self.clock.now() + timedelta(seconds=delay / self._pace)
        webhook = Webhook(
            due=due, number=self._count, carrier_id=carrier_id, submitted=submitted, said=said, code=code, **what
        )
        heapq.heappush(self._queue, webhook)

    def _skew(self, webhook: Webhook) -> timedelta:
        """Return by how much the carrier's clock is wrong; it is right again when a webhook is repeated."""
        wrong = webhook.time == 1 and self._dice.happens(self.weather.skewed)
        return timedelta(days=self._dice.uniform(-_DAYS, _DAYS) if wrong else 0)

    def _is_out(self, now: datetime) -> bool:
        hour = int(now.timestamp() // _HOUR.total_seconds())
        about = Random(f"{self._seed}:{hour}")
        if about.random() >= self.weather.outages:
            return False
        begin = about.uniform(0, (_HOUR - _OUTAGE).total_seconds())
        return begin <= now.timestamp() % _HOUR.total_seconds() < begin + _OUTAGE.total_seconds()

    def _virtual(self) -> VirtualClock:
        if not isinstance(self.clock, VirtualClock):
            raise InvalidValue(f"clock is {type(self.clock).__name__}: only a VirtualClock can be moved; give one")
        return self.clock


def _status(answer: object) -> int:
    return answer if isinstance(answer, int) and not isinstance(answer, bool) else 200


@cache
def _bomb() -> bytes:
    """Return a few kilobytes of gzip that unpack to very many."""
    pack = compressobj(9, wbits=31)
    return pack.compress(b" " * _UNPACKED) + pack.flush()
