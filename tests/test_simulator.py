"""The simulated carrier: it tells one story a seed, keeps the truth, and breaks as networks break."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import pairwise

import attrs
import httpx
import pytest

import campaignkit as ck
from campaignkit import cli, testing
from campaignkit.backends.carriers import AsyncGateway, Gateway, Request
from campaignkit.delivery import NEGATIVE_WORDS
from campaignkit.errors import InvalidValue, WebhookRejected
from campaignkit.models import Attempt, Message, Outcome, Receipt, Reply, Status
from campaignkit.testing import (
    DIALECTS,
    WEATHERS,
    Deadlock,
    Simulator,
    SimulatorServer,
    VirtualClock,
    Weather,
    get_dialect,
    run_virtual,
)
from campaignkit.testing import simulator as simulator_module
from campaignkit.testing.clock import START, SystemClock
from campaignkit.testing.dialects.twilio import TwilioDialect
from campaignkit.testing.server import constructed, serve
from campaignkit.testing.simulator import PATIENCE, RETRIES

HOOKS = "https://app.example/hooks"
LONG = {"a" * 161: 2, "Spring sale! " * 36: 4, "♥" * 70: 1, "♥" * 135: 3}
US = "+12025550100"
NUMBERS = [f"+1{area}55501{line:02}" for area in (202, 203, 205) for line in range(100)]
SPEAKERS = [name for name in DIALECTS if find_spec(f"campaignkit.testing.dialects.{name}")]
SENDERS = [name for name in SPEAKERS if get_dialect(name).made_up().sends]


def simulated(carrier="twilio", **options):
    """Return a simulator whose carrier has a webhook address."""
    dialect = get_dialect(carrier)
    return Simulator(dialect(dialect.made_up(webhook_url=HOOKS)), **options)


def seeds(carrier):
    """Return the seeds a law is tried with: many for one carrier, one for each of the others."""
    return range(8 if carrier == "twilio" else 1)


def message(i=0, text="Hello"):
    """Return the i-th message."""
    return Message(status="pending", to=NUMBERS[i % len(NUMBERS)], sender=US, text=text)


def attempt(i=0):
    """Return the only attempt of the i-th message."""
    return Attempt(attempt_id=f"a-{i}")


def asked(simulator, i=0):
    """Return the request that hands the i-th message over."""
    return simulator.carrier.encode(message(i), attrs.evolve(attempt(i), started_at=simulator.clock.now()))


def ask(simulator, client, i=0):
    """Hand the i-th message over with a bare client; return the answer."""
    request = asked(simulator, i)
    return client.request(request.method, request.url, headers=dict(request.headers), content=request.body)


def sent(simulator, count, handler=None, *, text="Hello", **options):
    """Send messages through a `Gateway` in virtual time; return what it says of each."""
    clock = simulator.clock
    client = httpx.Client(transport=simulator.transport(handler), timeout=10)
    seams = {"clock": clock.now, "monotonic": clock.monotonic, "sleep": clock.sleep, "random": lambda: 0.5}
    with Gateway(simulator.carrier, client=client, **seams, **options) as gateway:
        return [gateway.send(message(i, text), attempt(i)) for i in range(count)]


def sent_async(simulator, count, handler=None, **options):
    """Send messages through an `AsyncGateway` at once, in virtual time; return what it says of each."""
    clock = simulator.clock

    async def main():
        client = httpx.AsyncClient(transport=simulator.async_transport(handler), timeout=10)
        seams = {"clock": clock.now, "monotonic": clock.monotonic, "random": lambda: 0.5}
        async with AsyncGateway(simulator.carrier, client=client, **seams, **options) as gateway:
            return await asyncio.gather(*(gateway.send(message(i), attempt(i)) for i in range(count)))

    return run_virtual(main(), clock)


@pytest.fixture(autouse=True)
def small_bombs(request, monkeypatch):
    """Let answers that unpack to very many bytes unpack to fewer, where that is not the point."""
    if request.function is not test_a_bomb_is_small_until_it_is_unpacked:
        small = gzip.compress(bytes(100_000))
        monkeypatch.setattr(simulator_module, "_bomb", lambda: small)


class App:
    """What an app does with webhooks: it keeps what they report."""

    def __init__(self, carrier):
        self.carrier = carrier
        self.receipts = []
        self.replies = []
        self.rejected = Counter()

    def __call__(self, request, now):
        """Take one webhook."""
        try:
            events = self.carrier.events(request, now=now)
        except WebhookRejected as error:
            self.rejected[error.reason] += 1
            raise
        self.receipts += [each for each in events if isinstance(each, Receipt)]
        self.replies += [each for each in events if isinstance(each, Reply)]

    def fate_of(self, carrier_id):
        """Return where a message ends by what was reported: delivered, read, or undelivered by whatever word."""
        status = ck.fold(each for each in self.receipts if each.carrier_id == carrier_id).status
        return end_of(status)


def end_of(status):
    """Return how a ledger writes the status of an end."""
    return Status.UNDELIVERED if status in NEGATIVE_WORDS else status


# --- one seed, one story -----------------------------------------------------------------------


@pytest.mark.parametrize("profile", WEATHERS)
@pytest.mark.parametrize("send", [sent, sent_async])
def test_one_seed_tells_one_story(profile, send):
    """The same seed makes the same requests, messages and webhooks; another seed makes others."""

    def trace(seed):
        simulator = simulated(profile=profile, seed=seed)
        send(simulator, 30)
        simulator.deliver(lambda *_: None)
        return simulator.ledger.trace()

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)


# --- the truth ---------------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", SENDERS)
@pytest.mark.parametrize("profile", WEATHERS)
@pytest.mark.parametrize("send", [sent, sent_async])
def test_a_gateway_never_contradicts_the_truth(carrier, profile, send):
    """What a gateway calls taken was taken, what it calls refused was not, and nobody gets a message twice."""
    for seed in seeds(carrier):
        simulator = simulated(carrier, profile=profile, seed=seed)
        said = send(simulator, 40)
        copies = simulator.ledger.copies()

        assert {i for i, each in enumerate(said) if each.outcome is Outcome.TAKEN and copies[f"a-{i}"] == 0} == set()
        assert {i for i, each in enumerate(said) if each.outcome is Outcome.REFUSED and copies[f"a-{i}"]} == set()
        assert max(copies.values(), default=0) <= 1
        assert len(simulator.ledger.taken) == sum(copies.values())


@pytest.mark.no_cover
@pytest.mark.parametrize("carrier", SENDERS)
@pytest.mark.parametrize("profile", WEATHERS)
def test_what_is_reported_is_where_messages_end(carrier, profile):
    """Once all honest receipts are in, folding them says of each message where it really ended."""
    for seed in seeds(carrier):
        simulator = simulated(carrier, profile=profile, seed=seed)
        app = App(simulator.carrier)
        sent(simulator, 40, app)
        simulator.deliver(app)
        told = [each for each in simulator.ledger.taken if each.told]

        assert [app.fate_of(each.carrier_id) for each in told] == [each.fate for each in told]
        assert simulator.due() is None


def test_lies_are_contradictions_and_unknown_words():
    """A carrier that lies says failed before or after delivered, or words nobody knows; what arrived, arrived."""
    simulator = simulated(profile=Weather(lies=1, failed=0))
    app = App(simulator.carrier)
    sent(simulator, 40, app)
    simulator.deliver(app)
    states = [
        ck.fold(each for each in app.receipts if each.carrier_id == taken.carrier_id)
        for taken in simulator.ledger.taken
    ]

    assert {state.status for state in states} == {Status.DELIVERED}
    assert {state.conflict for state in states} == {True, False}
    assert {word for state in states for word in state.unknown_words} == {"teleported", "DELIVERED?", "4711"}


# --- parts -------------------------------------------------------------------------------------


def told_by_part(simulator, app, said):
    """Return (what the carrier took, its state from all that was reported) of each message whose end is known."""
    known = []
    for taken in simulator.ledger.taken:
        if not (taken.answered and taken.told):
            continue
        submission = said[int(taken.attempt_id.removeprefix("a-"))]
        assert (submission.carrier_id, submission.part_ids) == (taken.carrier_id, taken.part_ids)
        part_of = {part_id: part for part, part_id in enumerate(submission.part_ids)}
        receipts = [
            attrs.evolve(each, part=part_of[each.carrier_id]) for each in app.receipts if each.carrier_id in part_of
        ]
        whole = Attempt(outcome=Outcome.TAKEN, parts=len(submission.part_ids))
        known.append((taken, ck.fold([*submission.receipts, *receipts], attempts=[whole])))
    return known


@pytest.mark.no_cover
@pytest.mark.parametrize("profile", WEATHERS)
def test_what_is_reported_of_parts_is_where_messages_end(profile):
    """Mapped to their parts by the answer, receipts say where each part and each message ended, for every seed."""
    ends = Counter()
    for seed, (text, count) in enumerate([*LONG.items()] * 2):
        simulator = simulated("vonagesms", profile=profile, seed=seed)
        app = App(simulator.carrier)
        said = sent(simulator, 40, app, text=text)
        simulator.deliver(app)
        for taken, state in told_by_part(simulator, app, said):
            fates = [end_of(state.part_states[1, part].status()) for part in range(count)]
            arrived = fates.count(Status.DELIVERED)
            partly = 0 < arrived < count

            assert fates == [*taken.part_fates]
            assert (end_of(state.status), state.parts) == (taken.fate, (arrived, count))
            assert (state.error_code == "partly_delivered") is (taken.code == "partly_delivered") is partly
            ends[partly, None in taken.part_ids] += 1

    assert bool(ends) is (profile != "carrier-down")
    assert (ends.keys() == {(False, False), (True, False), (True, True)}) is (profile == "storm")


def test_messages_in_parts_tell_one_story():
    """Of messages in parts, too, the same seed tells the same story, and nobody gets one twice."""

    def trace(seed):
        simulator = simulated("vonagesms", profile="storm", seed=seed)
        sent(simulator, 60, text="a" * 400)
        simulator.deliver(lambda *_: None)
        assert max(simulator.ledger.copies().values()) == 1
        return simulator.ledger.trace()

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)


def test_a_refused_part_is_told_by_the_answer_alone():
    """Of a message with a part refused at once, nothing tells the end when the answer is lost."""
    simulator = simulated("vonagesms", profile=Weather(partial=1, timed_out_taken=1))
    sent(simulator, 20, text="a" * 400, tries=1)
    refused = [None in each.part_ids for each in simulator.ledger.taken]

    assert [each.told for each in simulator.ledger.taken] == [not each for each in refused]
    assert {*refused} == {True, False}
    assert {(each.fate, each.code) for each in simulator.ledger.taken} == {(Status.UNDELIVERED, "partly_delivered")}
    assert {each.part_fates[0] for each in simulator.ledger.taken} == {Status.UNDELIVERED, Status.DELIVERED}


def test_a_part_finds_its_message():
    """The ledger knows a message by the id of any of its parts."""
    simulator = simulated("vonagesms", profile=Weather(failed=0))
    sent(simulator, 1, text="a" * 400)
    [taken] = simulator.ledger.taken

    assert len({*taken.part_ids}) == 3
    assert {simulator.ledger.fate_of(each) for each in taken.part_ids} == {Status.DELIVERED}


@pytest.mark.parametrize("text", LONG, ids=LONG.values())
@pytest.mark.parametrize("carrier", SENDERS)
def test_a_carrier_says_how_many_parts(carrier, text):
    """Whatever names the number of parts, an answer or a receipt, names the one that the text has."""
    simulator = simulated(carrier, profile=Weather(failed=0))
    app = App(simulator.carrier)
    said = sent(simulator, 2, app, text=text)
    simulator.deliver(app)
    found = {each.segments for each in [*said, *app.receipts]} - {None}

    assert found == {LONG[text]}
    assert all(bool(each.part_ids) is (carrier == "vonagesms") for each in simulator.ledger.taken)


def test_receipts_bring_the_attempt_back():
    """Each receipt about a message of ours carries our attempt id, also when no answer told the carrier's."""
    simulator = simulated(profile=Weather(timed_out_taken=1))
    app = App(simulator.carrier)

    said = sent(simulator, 10, app, tries=1)
    simulator.deliver(app)

    assert {each.outcome for each in said} == {Outcome.UNKNOWN}
    assert {each.attempt_id for each in app.receipts} == {f"a-{i}" for i in range(10)}
    assert not any(each.answered for each in simulator.ledger.taken)


def test_the_ledger_tells_what_was_asked():
    """Every request stands in the ledger, with what became of it and whether it was taken."""
    simulator = simulated(profile="storm", seed=3)
    sent(simulator, 200, tries=1)
    ledger = simulator.ledger
    answers = Counter(each.answer for each in ledger.asked)

    assert len(ledger.asked) == 200
    assert sum(each.taken for each in ledger.asked) == len(ledger.taken) > 100
    assert {"201", "429", "no answer"} <= answers.keys()
    assert ledger.fate_of(ledger.taken[0].carrier_id) is ledger.taken[0].fate
    assert ledger.fate_of("SM1") is None
    assert ledger.summary()["taken without an answer"] == sum(not each.answered for each in ledger.taken) > 0
    assert json.loads(json.dumps(ledger.to_dict()))["taken"][0]["to"] in NUMBERS


def test_the_same_attempt_twice_is_one_message_where_the_carrier_says_so():
    """A carrier that takes an idempotency key answers the second request with the first one's id."""

    class Idempotent(type(TwilioDialect.made_up())):
        idempotent = True

    made_up = TwilioDialect.made_up(webhook_url=HOOKS)
    carrier = Idempotent(account_sid=made_up.account_sid, auth_token=made_up.auth_token, webhook_url=HOOKS)
    simulator = Simulator(TwilioDialect(carrier))
    with httpx.Client(transport=simulator.transport()) as client:
        answers = [ask(simulator, client).json()["sid"] for _ in range(2)]

    assert answers[0] == answers[1]
    assert len(simulator.ledger.taken) == 1
    assert [each.taken for each in simulator.ledger.asked] == [True, False]


# --- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.no_cover
def test_every_profile_shows_what_it_is_named_for():
    """Over many messages each profile has all that it promises, and calm has no fault at all."""
    seen = {}
    for profile in WEATHERS:
        simulator = simulated(profile=profile, seed=5)
        app = App(simulator.carrier)
        said = sent(simulator, 300, app, tries=1)
        simulator.deliver(app)
        seen[profile] = (simulator.ledger, app, {each.outcome for each in said})

    ledger, app, outcomes = seen["calm"]
    assert outcomes == {Outcome.TAKEN}
    assert all(each.answer == 200 and each.time == 1 for each in ledger.posted)
    assert {Status.DELIVERED, Status.READ} < {each.fate for each in ledger.taken}
    assert len(app.replies) > 0

    ledger, app, outcomes = seen["storm"]
    assert outcomes == {Outcome.TAKEN, Outcome.REFUSED, Outcome.UNKNOWN}
    assert {each.about for each in ledger.posted} == {"message", "stranger", "reply"}
    assert not all(each.told for each in ledger.taken)
    assert ledger.opted_out
    assert (ledger.posted[-1].at - START) > timedelta(days=2)

    ledger, _, outcomes = seen["carrier-down"]
    assert ledger.taken == []
    assert Outcome.TAKEN not in outcomes

    ledger, _, _ = seen["receipts-first"]
    ends = {each.attempt_id: each.at for each in ledger.posted}
    assert all((ends[each.attempt_id] - each.at) < timedelta(seconds=5) for each in ledger.taken)

    ledger, _, _ = seen["flood"]
    assert len(ledger.posted) > 5 * len(ledger.taken)

    ledger, _, _ = seen["clock-mad"]
    assert len(ledger.taken) == 300


def test_receipts_can_come_before_the_answer():
    """With a handler, what falls due during a request is delivered before its answer is there."""
    simulator = simulated(profile="receipts-first")
    order = []
    with httpx.Client(transport=simulator.transport(lambda *_: order.append("receipt"))) as client:
        ask(simulator, client)
        order.append("answer")

    assert order[-1] == "answer"
    assert len(order) > 1


FAULTS = [
    (httpx.ConnectError, "connection refused", Weather(down=1)),
    (httpx.ConnectTimeout, "no connection", Weather(down=1)),
    (httpx.ReadTimeout, "no answer", Weather(timed_out=1)),
    (httpx.ReadTimeout, "no answer", Weather(timed_out_taken=1)),
    (httpx.ReadTimeout, "201", Weather(latency=(60, 60))),
    (httpx.ReadError, "connection reset", Weather(broken=1)),
    (httpx.RemoteProtocolError, "closed without an answer", Weather(broken=1)),
    (httpx.RemoteProtocolError, "answer cut in its head", Weather(broken=1)),
    (httpx.RemoteProtocolError, "answer cut in its body", Weather(broken=1)),
]


@pytest.mark.parametrize(("error", "answer", "weather"), FAULTS, ids=[answer for _, answer, _ in FAULTS])
def test_a_fault_raises_what_a_socket_would(error, answer, weather):
    """Each fault is the httpx exception of a real socket, a time-out after the client's own seconds."""
    simulator = simulated(profile=weather)
    raised = {}

    async def main():
        async with httpx.AsyncClient(transport=simulator.async_transport(), timeout=7) as client:
            await errors_of(client, lambda client, i: ask(simulator, client, i))

    async def errors_of(client, call):
        for i in range(60):
            begun = simulator.clock.monotonic()
            try:
                await call(client, i)
            except httpx.TransportError as found:
                raised.setdefault(simulator.ledger.asked[-1].answer, (type(found), simulator.clock.monotonic() - begun))

    with httpx.Client(transport=simulator.transport(), timeout=7) as client:
        for i in range(60):
            begun = simulator.clock.monotonic()
            try:
                ask(simulator, client, i)
            except httpx.TransportError as found:
                raised.setdefault(simulator.ledger.asked[-1].answer, (type(found), simulator.clock.monotonic() - begun))
    synchronous, raised = raised, {}
    run_virtual(main(), simulator.clock)

    assert synchronous[answer][0] is raised[answer][0] is error
    if "Timeout" in error.__name__:
        assert (synchronous[answer][1], raised[answer][1]) == (pytest.approx(7), pytest.approx(7))


def test_a_client_without_time_outs_is_not_left_waiting():
    """A connection that never answers is reset after ten minutes."""
    simulator = simulated(profile=Weather(timed_out=1))
    with httpx.Client(transport=simulator.transport(), timeout=None) as client, pytest.raises(httpx.ReadError):  # noqa: S113 - the point
        ask(simulator, client)

    assert simulator.clock.monotonic() == PATIENCE


def test_answers_nobody_can_use():
    """Broken answers are HTML, nothing, without an id, with somebody else's, or unpack to very many bytes."""
    simulator = simulated(profile=Weather(broken=1))
    found = Counter()
    with httpx.Client(transport=simulator.transport()) as client:
        for i in range(100):
            try:
                with client.stream(**wired(asked(simulator, i))) as answer:
                    body = b"".join(answer.iter_raw())
            except httpx.TransportError:
                continue
            found[kind(answer, body, simulator.ledger)] += 1

    assert found.keys() == {"html", "empty", "no id", "same id", "bomb"}
    assert not any(each.answered for each in simulator.ledger.taken)


def wired(request):
    """Return a request as httpx's arguments."""
    return {"method": request.method, "url": request.url, "headers": dict(request.headers), "content": request.body}


def kind(answer, body, ledger):
    """Return what is wrong with an answer."""
    if answer.headers.get("content-encoding") == "gzip":
        return "bomb" if len(body) < 100_000 else "large"
    if body.startswith(b"<"):
        return "html"
    if not body:
        return "empty"
    sid = json.loads(body)["sid"]
    return "no id" if not sid else "same id" if sid != ledger.taken[-1].carrier_id else "fine"


def test_a_bomb_is_small_until_it_is_unpacked():
    """A few kilobytes of gzip become more than 30 million bytes: a client must stop before."""
    packed = simulator_module._bomb()

    assert len(packed) < 50_000
    assert len(gzip.decompress(packed)) > 30_000_000


def test_too_many_requests_say_when_in_every_way():
    """429 comes with seconds, a date, nothing, 0, a negative, a huge and a senseless ``Retry-After``."""
    simulator = simulated(profile=Weather(busy=1))
    with httpx.Client(transport=simulator.transport()) as client:
        answers = [ask(simulator, client, i) for i in range(100)]
    said = {answer.headers.get("retry-after") for answer in answers}

    assert {answer.status_code for answer in answers} == {429}
    assert {None, "0", "7", "-5", "1000000000", "soon", ""} <= said
    assert any(value and value.endswith("+0000") for value in said)
    assert simulator.ledger.taken == []


def test_what_the_carrier_does_not_accept_is_refused():
    """Wrong credentials and incomplete requests are refused as the carrier would."""
    simulator = simulated()
    fine = asked(simulator)
    stranger = attrs.evolve(fine, headers={**fine.headers, "authorization": "Basic eDp5"})
    with httpx.Client(transport=simulator.transport()) as client:
        answers = [client.request(**wired(each)) for each in (stranger, attrs.evolve(fine, body=b"To=1"))]

    assert [simulator.carrier.decode(read(each)).refusal for each in answers] == ["account", "final"]
    assert simulator.ledger.taken == []


def read(answer):
    """Return an answer as carriers read it."""
    from campaignkit.backends.carriers import Response

    return Response(answer.status_code, dict(answer.headers), answer.content)


def test_outages_last_ten_minutes():
    """With outages in every hour, one sixth of all requests find nobody; an hour without is whole."""
    always, never = simulated(profile=Weather(outages=1)), simulated(profile=Weather())
    for simulator in (always, never):
        with httpx.Client(transport=simulator.transport(), timeout=1) as client:
            for i in range(300):
                simulator.clock.sleep_until(START + timedelta(minutes=i))
                try:
                    ask(simulator, client, i)
                except httpx.TransportError:
                    continue

    assert len(never.ledger.taken) == 300
    assert 230 <= len(always.ledger.taken) <= 270


def test_a_carrier_heals():
    """Healed, a carrier takes everything and all that was on its way comes."""
    simulator = simulated(profile="carrier-down")
    sent(simulator, 5, tries=1)
    simulator.heal()
    said = sent(simulator, 5, tries=1)

    assert {each.outcome for each in said} == {Outcome.TAKEN}


# --- people ------------------------------------------------------------------------------------


def test_who_opted_out_is_refused_from_then_on():
    """Who asked the carrier gets no more; who only replied is for us to remember; who took it back is not."""
    simulator = simulated(profile=Weather(opt_outs=1, failed=0), seed=2)
    app = App(simulator.carrier)
    sent(simulator, 100, app)
    simulator.deliver(app)
    opted_out = {*simulator.ledger.opted_out}
    simulator.clock.sleep(60)
    again = sent(simulator, 100)
    refused = {NUMBERS[i] for i, each in enumerate(again) if each.outcome is Outcome.REFUSED}
    stops = {each.to for each in app.replies if each.keyword == "opt_out"}
    starts = {each.to for each in app.replies if each.keyword == "opt_in"}

    assert {each.error_code for each in again} == {None, "21610"}
    assert refused - stops
    assert refused & stops
    assert stops - starts - refused
    assert refused | (stops - starts) == opted_out
    assert starts < stops
    assert [each.keyword for each in app.replies if each.to == min(starts)] == ["opt_in", "opt_out"]


def test_a_number_stays_what_it_is():
    """A number that is invalid, or whose owner opted out, is so in every request."""
    simulator = simulated(profile=Weather(invalid=0.3, blocked=0.3))
    first, second = ([each.error_code for each in sent(simulator, 50)] for _ in range(2))

    assert first == second
    assert set(first) == {None, "21211", "21610"}
    assert simulator.ledger.opted_out == {NUMBERS[i] for i, code in enumerate(first) if code == "21610"}


def test_a_person_can_be_made_to_write():
    """What a test lets somebody write comes as a signed webhook, to the number that wrote to them last."""
    simulator = simulated()
    app = App(simulator.carrier)
    sent(simulator, 1)

    reply_id = simulator.reply(NUMBERS[0], "STOP", after=5)
    simulator.deliver(app)
    (reply,) = [each for each in app.replies if each.reply_id == reply_id]
    simulator.reply(NUMBERS[0], "START")

    assert (reply.to, reply.sender, reply.text, reply.keyword) == (NUMBERS[0], US, "STOP", "opt_out")
    assert simulator.ledger.opted_out == set()


def test_who_never_got_a_message_writes_to_a_number():
    """Without a message before, whom they write to must be said."""
    simulator = simulated()
    with pytest.raises(InvalidValue, match="say whom they write to"):
        simulator.reply(NUMBERS[0], "Hi")

    app = App(simulator.carrier)
    simulator.reply(NUMBERS[0], "Hi", sender=US)
    simulator.deliver(app)

    assert [each.text for each in app.replies] == ["Hi"]


# --- webhooks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["status", "rejected"])
def test_a_webhook_not_accepted_comes_again(how):
    """A webhook answered with an error comes again after a minute, ten, an hour, and then no more."""
    simulator = simulated(profile=Weather(failed=0, delay=(1, 1)))
    sent(simulator, 1)
    times = []

    def refuse(_request, now):
        times.append(now)
        if how == "rejected":
            raise WebhookRejected("twilio", "signature", "not today")
        return 503

    assert simulator.deliver(refuse) == len(times) == 3 * (1 + len(RETRIES))
    assert {each.answer for each in simulator.ledger.posted} == {403 if how == "rejected" else 503}
    first = [now for now, each in zip(times, simulator.ledger.posted, strict=True) if each.said == "delivered"]
    assert [(b - a).total_seconds() for a, b in pairwise(first)] == pytest.approx(RETRIES)


def test_an_app_that_fails_is_heard():
    """Any other error of the function that takes webhooks is the app's own, and is not swallowed."""
    simulator = simulated()
    sent(simulator, 1)

    def broken(_request, _now):
        raise KeyError("oops")

    with pytest.raises(KeyError, match="oops"):
        simulator.deliver(broken)


def test_delivery_stops_where_it_is_told():
    """Delivering until a moment leaves what is due later, and moves the clock to that moment."""
    simulator = simulated(profile=Weather(delay=(3600, 3600)))
    sent(simulator, 1)
    until = START + timedelta(minutes=30)

    assert simulator.deliver(lambda *_: None, until) == 0
    assert simulator.clock.now() == until
    assert simulator.deliver(lambda *_: 200) == 3


def test_async_apps_take_webhooks_too():
    """An ``async`` function takes each webhook when it is due; several takers share them."""
    simulator = simulated(profile=Weather(failed=0))
    times = []

    async def take(_request, now):
        await asyncio.sleep(0.5)
        times.append((now, simulator.clock.now()))

    async def refuse(_request, _now):
        raise WebhookRejected("twilio", "signature", "not today")

    async def main():
        until = START + timedelta(hours=1)
        await asyncio.gather(simulator.deliver_async(take, until), simulator.deliver_async(take, until))
        simulator.reply(NUMBERS[0], "Hi")
        return await simulator.deliver_async(refuse), await simulator.deliver_async(refuse)

    sent(simulator, 5)

    assert run_virtual(main(), simulator.clock) == (4, 0)
    assert len(times) == 15
    assert all(due <= now for due, now in times)


def test_only_a_virtual_clock_can_be_moved():
    """Delivering at once needs a clock that can be moved, and a pace above 0."""
    simulator = simulated(clock=SystemClock())

    with pytest.raises(InvalidValue, match="only a VirtualClock can be moved"):
        simulator.deliver(lambda *_: None)
    with pytest.raises(InvalidValue, match="must be above 0"):
        simulated(pace=0)


# --- virtual time ------------------------------------------------------------------------------


def test_virtual_time_costs_nothing():
    """Ninety hours of sleeping pass at once, in order, and threads do their work in between."""
    clock = VirtualClock()
    order = []

    async def sleeper(hours):
        await asyncio.sleep(3600 * hours)
        order.append(hours)

    async def main():
        await asyncio.gather(*(sleeper(hours) for hours in (90, 1, 30)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return await asyncio.to_thread(sum, [1, 2])

    assert run_virtual(main(), clock) == 3
    assert order == [1, 30, 90]
    assert clock.monotonic() == pytest.approx(90 * 3600 + 5)


def test_a_deadlock_is_found():
    """Waiting for what can never happen is an error at once, not a test that hangs."""

    async def main():
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="never happen"):
        run_virtual(main(), VirtualClock())


def test_a_clock_needs_a_zone():
    """A virtual clock starts at an aware moment."""
    with pytest.raises(InvalidValue, match="no time zone"):
        VirtualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_the_real_clock_runs():
    """The server's clock is the real one."""
    clock = SystemClock()

    assert clock.now().utcoffset() == timedelta()
    assert clock.monotonic() <= clock.monotonic()


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"busy": 2}, "busy is 2: a rate lies between 0 and 1"),
        ({"busy": True}, "busy is True"),
        ({"latency": (0, 1)}, "latency is"),
        ({"delay": (2, 1)}, "delay is"),
        ({"busy": 0.6, "errors": 0.6}, "add up to 1.2: at most 1"),
    ],
)
def test_a_weather_that_cannot_be_is_refused(wrong, sentence):
    """Rates outside 0 to 1, together above 1, and spans that end before they begin are refused."""
    with pytest.raises(InvalidValue, match=re.escape(sentence)):
        Weather(**wrong)


def test_unknown_names_are_answered_with_the_nearest():
    """A profile or a carrier that does not exist is refused with those that are near."""
    with pytest.raises(InvalidValue, match="nearest: storm"):
        simulated(profile="strom")
    with pytest.raises(InvalidValue, match="nearest: twilio"):
        get_dialect("twillio")


def test_every_name_of_testing_is_there():
    """What is promised can be imported, and nothing else is promised."""
    assert sorted(testing.__all__) == sorted(dir(testing))
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = testing.nothing


@pytest.mark.parametrize("carrier", SPEAKERS)
def test_a_dialect_speaks_for_its_carrier(carrier):
    """Each dialect is found by its carrier's name, has words for both ends, and says what was constructed."""
    dialect = get_dialect(carrier)()

    assert Status.DELIVERED in dialect.words
    assert sum(dialect.failures.values()) > 0
    assert constructed(dialect.carrier).startswith(type(dialect.carrier).__name__)


# --- real sockets ------------------------------------------------------------------------------


def served(weather, call, **options):
    """Return what an async function makes of a simulator that listens, and the simulator."""

    async def main():
        dialect = TwilioDialect(TwilioDialect.made_up(webhook_url=options.pop("webhook_url", None)))
        simulator = Simulator(dialect, profile=weather, clock=SystemClock())
        client = httpx.AsyncClient(trust_env=False, timeout=5)
        async with SimulatorServer(simulator, **options) as server, client:
            return await call(server, client), simulator

    return asyncio.run(main())


async def until(promise):
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not promise():  # noqa: ASYNC110 - what it waits for knows no events
            await asyncio.sleep(0.01)


async def ask_at(server, client, i=0):
    """Hand the i-th message to a server; return the answer, or the error's type."""
    request = asked(server.simulator, i)
    url = f"{server.url}{request.url.removeprefix('https://api.twilio.com')}"
    try:
        return await client.request(**wired(attrs.evolve(request, url=url)))
    except httpx.TransportError as error:
        return type(error)


QUICK = {"latency": (0.001, 0.002), "delay": (0.001, 0.01), "failed": 0}


def test_a_server_breaks_connections():
    """On real sockets connections are reset, closed and cut, and clients see what the simulator meant."""

    async def call(server, client):
        return [await ask_at(server, client, i) for i in range(80)]

    answers, simulator = served(Weather(broken=1, **QUICK), call)
    by_fault = {}
    for answer, each in zip(answers, simulator.ledger.asked, strict=True):
        by_fault.setdefault(each.answer, set()).add(answer if isinstance(answer, type) else answer.status_code)

    assert by_fault["connection reset"] == {httpx.ReadError}
    assert by_fault["closed without an answer"] == {httpx.RemoteProtocolError}
    assert by_fault["answer cut in its head"] == {httpx.RemoteProtocolError}
    assert by_fault["answer cut in its body"] == {httpx.RemoteProtocolError}
    assert by_fault["201"] == {201}


def test_a_server_can_stay_silent():
    """A black hole ends when the client gives up, and the server ends cleanly with one still open."""

    async def call(server, client):
        client.timeout = 0.2
        found = await ask_at(server, client)
        client.timeout = 60
        waiting = asyncio.create_task(ask_at(server, client, 1))
        await until(lambda: len(server.simulator.ledger.asked) == 2)
        await server.__aexit__()
        return found, await waiting

    (found, left), simulator = served(Weather(timed_out=1), call)

    assert (found, left) == (httpx.ReadTimeout, httpx.RemoteProtocolError)
    assert [each.answer for each in simulator.ledger.asked] == ["no answer", "no answer"]


def test_a_server_tells_the_truth_and_lets_people_write():
    """``/ledger`` is the truth as JSON; ``/reply`` lets a person write; what is neither gets a sentence."""

    async def call(server, client):
        await ask_at(server, client)
        wrong = [
            (await client.post(f"{server.url}/reply", content=body)).status_code
            for body in (b"", b"[]", b"{}", b'{"to": "+12035550142", "text": "Hi"}', b'{"to": "a", "text": 1}')
        ]
        right = await client.post(f"{server.url}/reply", json={"to": NUMBERS[0], "text": "Hi"})
        return (await client.get(f"{server.url}/ledger")).json(), wrong, right.json()

    (ledger, wrong, right), simulator = served(Weather(**QUICK), call)

    assert [each["to"] for each in ledger["taken"]] == [NUMBERS[0]]
    assert wrong == [400] * 5
    assert right["reply_id"].startswith("SM")
    assert len(simulator.ledger.asked) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
def test_a_server_refuses_what_is_no_request(raw):
    """What is no HTTP, too long or in pieces is answered with 400."""

    async def call(server, _client):
        reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
        writer.write(raw)
        found = await reader.readline()
        writer.close()
        return found

    found, _ = served(Weather(), call)

    assert found.startswith(b"HTTP/1.1 400 ")


def test_a_server_survives_who_hangs_up():
    """A client that leaves in the middle of its request harms nobody."""

    async def call(server, client):
        _, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
        await writer.drain()
        writer.close()
        return await client.get(f"{server.url}/ledger")

    answer, _ = served(Weather(), call)

    assert answer.status_code == 200


def test_webhooks_go_to_nobody_else():
    """A message that asks for receipts at a stranger's address gets none there, and they are not tried again."""

    async def call(server, client):
        await ask_at(server, client)
        await asyncio.wait_for(server.done.wait(), 20)

    _, simulator = served(Weather(**QUICK), call, limit=1)

    assert {each.answer for each in simulator.ledger.posted} == {0}
    assert len(simulator.ledger.posted) == 3


def test_a_server_finds_nobody_at_home():
    """A webhook that finds nobody listening is noted as 502, and waits to be tried again."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        hooks = f"http://127.0.0.1:{closed.getsockname()[1]}/hooks"

    async def call(server, client):
        await ask_at(server, client)
        await until(lambda: len(server.simulator.ledger.posted) == 3)

    _, simulator = served(Weather(**QUICK), call, webhook_url=hooks)

    assert [each.answer for each in simulator.ledger.posted] == [502] * 3
    assert simulator.due() is not None


# --- the command -------------------------------------------------------------------------------


class Hooks(http.server.ThreadingHTTPServer):
    """An app that keeps the webhooks it gets."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Taker)
        self.got = []
        self.url = f"http://127.0.0.1:{self.server_port}/hooks"


class _Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = f"http://127.0.0.1:{self.server.server_port}{self.path}"
        self.server.got.append(Request("POST", url, dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hooks():
    """Return an app that listens."""
    with Hooks() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_command_is_a_carrier(hooks):
    """``campaignkit simulate`` prints the carrier to construct, takes messages and posts signed webhooks."""
    arguments = ["--carrier", "twilio", "--profile", "calm", "--port", "0", "--limit", "3", "--speed", "1000"]
    process = subprocess.Popen(  # noqa: S603 - this Python, our own arguments
        [sys.executable, "-m", "campaignkit", "simulate", *arguments, "--webhook-url", hooks.url],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        welcome = "".join(iter(process.stdout.readline, "\n"))
        carrier = said_to_construct(process.stdout)
        with Gateway(carrier) as gateway:
            said = [gateway.send(message(i), attempt(i)) for i in range(3)]
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    app = App(carrier)
    for request in hooks.got:
        app(request, datetime.now(UTC))

    assert welcome.startswith(f"twilio is at {carrier.api_url} (profile calm, seed 1)")
    assert {each.outcome for each in said} == {Outcome.TAKEN}
    assert {each.carrier_id for each in app.receipts} == {each.carrier_id for each in said}
    assert {each.attempt_id for each in app.receipts} == {"a-0", "a-1", "a-2"}
    assert process.returncode == 0
    assert "3 taken\n" in rest


def said_to_construct(lines):
    """Return the carrier that the command says to construct."""
    code = [next(lines) for _ in range(3)]
    space = {}
    exec("".join(line.strip() + "\n" for line in code), space)  # noqa: S102 - our own output
    assert next(lines) == "\n"
    return space["carrier"]


def test_the_command_ends_when_it_is_told():
    """Ctrl-C ends the carrier with a summary of the truth, and without an error."""
    process = subprocess.Popen(
        [sys.executable, "-m", "campaignkit", "simulate", "--carrier", "twilio", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert "Ctrl-C ends it" in first
    assert "0 taken\n" in rest
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--carrier", "twillio"], "nearest: twilio"),
        (["--carrier", "smpp"], "smpp takes no messages over HTTP"),
        (["--carrier", "twilio", "--profile", "fog"], "profile is 'fog'"),
        (["--carrier", "twilio", "--speed", "0"], "must be above 0"),
        (["--carrier", "twilio", "--webhook-url", "http://app.example"], "use https"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, sentence, monkeypatch, capsys):
    """What cannot be simulated is one line on standard error, and status 2."""
    monkeypatch.setattr(sys, "argv", ["campaignkit", "simulate", "--port", "0", *arguments])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("posts", [True, False])
def test_the_command_in_this_process(posts, hooks, capsys):
    """The carrier says where it is, where webhooks go, and in the end what really happened."""
    options = {"profile": "calm", "port": 0, "limit": 1, "speed": 1000, "webhook_url": hooks.url if posts else None}

    async def main():
        lines = []
        task = asyncio.create_task(serve("twilio", say=lines.append, **options))
        await until(lambda: lines)
        url = re.search(r"at (http\S+) ", lines[0])[1]
        async with AsyncGateway(TwilioDialect.made_up(api_url=url, webhook_url=hooks.url)) as gateway:
            await gateway.send(message())
        await asyncio.wait_for(task, 60)
        return lines

    welcome, truth = asyncio.run(main())

    assert (hooks.url in welcome, "nowhere: give --webhook-url" in welcome) == (posts, not posts)
    assert re.search(r"^ +1 taken$", truth, re.MULTILINE)
    assert re.search(r"^ +0 webhooks not accepted$", truth, re.MULTILINE)
    assert len(hooks.got) >= 3
    assert capsys.readouterr() == ("", "")
