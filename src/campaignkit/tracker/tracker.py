"""The tracker: keeps what carriers report, and says how a campaign stands.

    record      messages ──┐
    submitted   answers  ──┤                       ┌── counters ──► summary, tally
    ingest      webhooks ──┴──► `ingest`.Batch ──► messages ──────► messages, frame
                one transaction for all who come at once

What is asked most is read from counters, whose size has nothing to do with the number of
messages. They are written in the transaction of what they count, so no crash can part them;
`Tracker.verify_counters` recounts, and `Tracker.rebuild` repairs.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, TextIO, TypeVar, get_args

import attrs
from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

from campaignkit.backends.carriers.port import Submission
from campaignkit.backends.storage.port import Key, Row, Storage, Transaction
from campaignkit.backends.storage.tables import CAMPAIGNS, INBOX, MESSAGES, NOTES
from campaignkit.cells import Tally
from campaignkit.delivery import ConflictPolicy
from campaignkit.errors import InvalidValue, StorageUnavailable, shown
from campaignkit.exports import LOG_COLUMNS, definitions, write_cells, write_parquet
from campaignkit.grouping import By, micros_of
from campaignkit.models import Attempt, Campaign, Message, moment
from campaignkit.overview import Campaigns
from campaignkit.profiles import Profile, get_profile
from campaignkit.rows import MESSAGE_COLUMNS
from campaignkit.summary import Summaries, Summary, frame_of, read_tally
from campaignkit.tracker import people, suspension
from campaignkit.tracker.aliases import Aliases
from campaignkit.tracker.channels import AFTER, LEAST, Silence, find_silent
from campaignkit.tracker.commits import GroupCommit
from campaignkit.tracker.counters import (
    COUNTED,
    Deltas,
    Difference,
    Numbers,
    count_alike,
    counted,
    differences,
    read_counters,
    stored_counters,
)
from campaignkit.tracker.details import MessageDetails, Said, read_conversation, read_details
from campaignkit.tracker.explanations import Explanation, explain
from campaignkit.tracker.extracts import cells_of, rows_of
from campaignkit.tracker.history import (
    Asked,
    Clicker,
    Contact,
    Logged,
    Page,
    Who,
    check_who,
    read_clickers,
    read_contacts,
    read_log,
)
from campaignkit.tracker.ingest import (
    WAITING,
    Batch,
    Event,
    Ingested,
    Raced,
    Recorded,
    Submitted,
    Work,
    events_of,
    refold,
    touch_campaigns,
)
from campaignkit.tracker.listing import act, describe, read_actions, read_listing
from campaignkit.tracker.people import Standing, Wish, check_name, decide_again
from campaignkit.tracker.policies import OptOutScope, Rules, Suppression, Suspension
from campaignkit.tracker.recording import is_simple, take_in
from campaignkit.tracker.stored import Stored, check_recordable, message_of, moment_of
from campaignkit.tracker.suspension import Suspended, miscounted, set_anew
from campaignkit.tracker.timeline import Action
from campaignkit.tracker.upkeep import INBOX_AGE, RAW, Erased, Tidied, drop_waiting, erase, tidy

__all__ = ["Difference", "Event", "Ingested", "Tracker"]

MOST: Final = 1000
"""How many events one transaction takes in, unless a single call brings more."""

BULK: Final = 5000
"""How many messages one transaction takes in."""

_RACES: Final = 20
_BACKOFF: Final = 0.05  # seconds
_LONGEST: Final = 1.0
_Found = TypeVar("_Found")
_EVENTS: Final = get_args(Event)


def _now() -> datetime:
    return datetime.now(UTC)


class Tracker:
    """Keeps what carriers report, and says how a campaign stands.

    For any number of threads: those that come while a commit runs share the next one.

    Args:
        storage: where everything is kept.
        tenant: whose; tenants never meet, whatever ids they share.
        conflict_policy: which evidence wins when a part both arrived and failed. It is part of
            what is stored: after a change, `rebuild`.
        profile: whose code table decides which failure is worst. Likewise.
        suppression: when a number takes no more messages; None: never by itself.
        suspension: when a campaign has to stop; None: never by itself.
        opt_out_scope: what a STOP, or a carrier that blocks because of one, ends: ``tenant``, everything;
            ``sender``, what comes from the sender it was said to. In the United States everything is
            the safe reading, and will be the rule.
        inbox: how many receipts may wait for their message; beyond, the oldest are dropped, and
            counted in `notes`.
        patience: seconds to go on trying while the storage is unavailable, as when its server is
            restarted; 0: try once. Give less than whoever posts a webhook waits for its answer.
        erasure_key: a secret of at least 16 bytes, kept outside the database, for `erase`; always the same
            one, because what is kept of people who were erased is found by it.
        clock: the present moment, where a call does not say.

    Raises:
        InvalidValue: an argument that cannot be meant.

    >>> from campaignkit.backends.storage import MemoryStorage
    >>> from campaignkit.models import Receipt
    >>> tracker = Tracker(MemoryStorage())
    >>> tracker.record([Message(message_id="m1", campaign_id="spring", status="queued")]).recorded
    1
    >>> tracker.ingest([Receipt(message_id="m1", status="delivered")]).receipts
    1
    >>> tracker.summary("spring").counts.delivered
    1
    """

    def __init__(
        self,
        storage: Storage,
        *,
        tenant: str = "default",
        conflict_policy: ConflictPolicy = "positive_wins",
        profile: str | Profile = "campaignkit",
        suppression: Suppression | None = Suppression(),  # noqa: B008 - frozen
        suspension: Suspension | None = Suspension(),  # noqa: B008 - frozen
        opt_out_scope: OptOutScope = "tenant",
        inbox: int = 100_000,
        patience: float = 10.0,
        erasure_key: str | bytes | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        if not isinstance(storage, Storage):
            raise InvalidValue(f"storage is of type {_type(storage)}: give a Storage, such as MemoryStorage()")
        if not isinstance(tenant, str) or not tenant.strip():
            raise InvalidValue(f"tenant is {shown(tenant)}: must be text that is not empty; leave it out for one alone")
        if conflict_policy not in get_args(ConflictPolicy):
            raise InvalidValue(f"conflict_policy is {shown(conflict_policy)}: give positive_wins or negative_wins")
        if isinstance(inbox, bool) or not isinstance(inbox, int) or inbox < 0:
            raise InvalidValue(f"inbox is {shown(inbox)}: must be a whole number from 0, of receipts")
        if isinstance(patience, bool) or not isinstance(patience, int | float) or not 0 <= patience < math.inf:
            raise InvalidValue(f"patience is {shown(patience)}: must be a number from 0, of seconds")
        self._storage = storage
        self._tenant = tenant
        _check_policies(suppression, suspension, opt_out_scope)
        aliases = Aliases(erasure_key, tenant)
        self._rules = Rules(get_profile(profile), conflict_policy, aliases, opt_out_scope, suppression, suspension)
        self._inbox = inbox
        self._patience = patience
        self._clock = clock
        self._committed: GroupCommit[Work, Ingested] = GroupCommit(
            self._commit, size=lambda work: len(work.items), most=MOST
        )

    # --- what happens

    def record(
        self,
        messages: Iterable[Message],
        attempts: Mapping[str, Attempt | Iterable[Attempt]] | None = None,
    ) -> Ingested:
        """Begin to follow messages that something else sends or sent.

        Recording one again fills in what was not known, and takes nothing back. What came of a
        message before it was recorded joins it. Many are taken in by the thousand; if that is
        interrupted, record them all again.

        Args:
            messages: each with ``message_id`` and ``campaign_id``. The status is the first that is
                known of it; ``carrier`` and ``carrier_id`` let receipts find it.
            attempts: by message id, what is known of handing them over: how many parts the carrier
                reports on, and under which ``attempt_id``.

        Raises:
            InvalidValue: a message without its ids, one that is skipped although it was sent, or an
                attempt id of another message.
        """
        total, stream = Ingested(), iter(messages)
        while some := list(itertools.islice(stream, BULK)):
            for each in some:
                if not isinstance(each, Message):
                    raise InvalidValue(f"message is of type {_type(each)}: give a Message")
                check_recordable(each)
            total += self._record(some, attempts or {})
        return total

    def _record(self, messages: Sequence[Message], attempts: Mapping[str, Attempt | Iterable[Attempt]]) -> Ingested:
        now, first = self._present(None), dict[str | None, Message]()
        for each in messages:
            if is_simple(each) and each.message_id not in attempts:
                first.setdefault(each.message_id, each)
        rest = [each for each in messages if first.get(each.message_id) is not each]
        simple, runs = [*first.values()], list[list[Message]]()
        if simple:
            self._transact(lambda tx: runs.append(take_in(tx, simple, self._rules, micros_of(now))))
            rest = [*runs[-1], *rest]
        items = [Recorded(each, _several(attempts.get(str(each.message_id), ()))) for each in rest]
        fresh = Ingested(recorded=max((len(simple) - len(left) for left in runs), default=0))  # see _commit
        return fresh + self._committed(Work(items, now)) if items else fresh

    def submitted(
        self, message_id: str, attempt: Attempt, submission: Submission, *, now: datetime | None = None
    ) -> Ingested:
        """Keep what a `Gateway` says became of handing a message over.

        Args:
            message_id: of a message; it may be recorded later.
            attempt: as it was given to the gateway.
            submission: what the gateway returned.
            now: when that was; a message that was taken is sent since then.

        Raises:
            InvalidValue: the attempt id is another message's.
        """
        if not isinstance(submission, Submission):
            raise InvalidValue(f"submission is of type {_type(submission)}: give what Gateway.send returned")
        return self._committed(Work([Submitted(message_id, attempt, submission)], self._present(now)))

    def ingest(self, events: Iterable[Event], *, now: datetime | None = None) -> Ingested:
        """Take in what came back: receipts, replies, clicks, opt-outs, orders, in any order and any number of times.

        When this returns, everything is as durable as the storage makes it; when it raises, nothing
        of this call was kept, unless it was lost while it was committed. Tell it again: nothing
        counts twice.

        Args:
            events: as ``carrier.events(request, now=now)`` returns them. A receipt finds its message by
                its ``message_id``, our ``attempt_id`` or the carrier's id; what finds none waits. A
                reply without ``message_id`` is about the last message that this person was sent
                before, from the sender it answers; so are the others, by ``to``.
            now: when they came, where they do not say.

        Raises:
            InvalidValue: what is no event.
            StorageUnavailable: the storage was, for longer than ``patience``; perhaps it was kept, if ``in_doubt``.
        """
        told = list(events)
        for each in told:
            if not isinstance(each, _EVENTS):
                raise InvalidValue(f"event is of type {_type(each)}: give a Receipt, Reply, Click, OptOut or Order")
        return self._committed(Work(told, self._present(now))) if told else Ingested()

    def _present(self, now: datetime | None) -> datetime:
        return moment("now", self._clock() if now is None else now)

    def _commit(self, works: Sequence[Work]) -> list[Ingested]:
        """Do works together; in one transaction, but for dropping from the inbox."""
        runs: list[list[Ingested]] = []

        def once(tx: Transaction) -> Counter[Key]:
            batch = Batch(tx, self._rules, works)
            runs.append(batch.run())
            return batch.notes

        notes = self._transact(once)
        if notes[WAITING, ""] > 0:
            with contextlib.suppress(StorageUnavailable):  # what was told is kept; the next that waits makes room
                self._trim(max(micros_of(work.now) for work in works))
        if len(runs) == 1:
            return runs[0]
        # A run whose commit was lost, but kept after all, is known by the next one: what was new to it was new.
        return [max(reversed(each), key=_news) for each in zip(*runs, strict=True)]

    def _transact(self, work: Callable[[Transaction], _Found]) -> _Found:
        """Do work in a transaction; again while the storage is unavailable, for each step asks first what is new."""
        begun = time.monotonic()
        try:
            return self._once(work)
        except StorageUnavailable as error:
            left = self._patience - (time.monotonic() - begun)
            if left <= 0:
                raise
            return self._again(work, left, in_doubt=error.in_doubt)

    def _again(self, work: Callable[[Transaction], _Found], patience: float, *, in_doubt: bool) -> _Found:
        def once() -> _Found:
            nonlocal in_doubt
            try:
                return self._once(work)
            except StorageUnavailable as error:
                in_doubt = error.in_doubt = in_doubt or error.in_doubt
                raise

        return _patiently(once, patience)

    def _once(self, work: Callable[[Transaction], _Found]) -> _Found:
        for _ in range(_RACES):
            try:
                with self._storage.transaction(self._tenant) as tx:
                    return work(tx)
            except Raced:
                continue
        raise StorageUnavailable("other transactions changed the same messages again and again: try again")

    def _read(self, work: Callable[[Transaction], _Found]) -> _Found:
        """Read, again while the storage is unavailable."""

        def once() -> _Found:
            with self._storage.reading(self._tenant) as tx:
                return work(tx)

        return _patiently(once, self._patience)

    def _trim(self, now: int) -> None:
        """Drop the oldest of what waits, beyond what may wait, and the ids that only they were waiting for."""
        with self._storage.reading(self._tenant) as tx:
            if _note(tx, WAITING) <= self._inbox:
                return

        def drop(tx: Transaction) -> None:
            most = max(0, _note(tx, WAITING) - self._inbox)
            drop_waiting(tx, tx.scan(INBOX, index="received", limit=most), now)

        self._once(drop)

    # --- how it stands

    def summary(self, campaign: str, *, by: By = None, profile: str | Profile | None = None) -> Summary | Summaries:
        """Return every number of a campaign, as it stands now.

        Args:
            campaign: its id.
            by: ``variant``, ``list_id``, ``account_id``, ``sender``, ``step``, ``carrier``, or
                ``hours("sent_at", zone=...)`` and ``days`` in zones that are whole hours off UTC.
            profile: whose definitions to use; by default the tracker's.

        Raises:
            InvalidColumn: counters are not kept by that column.
        """
        return read_tally(self.tally(campaign, by=by), profile=self._rules.profile if profile is None else profile)

    def tally(self, campaign: str, *, by: By = None) -> Tally:
        """Return the table of cells of a campaign, of which `summary` is made; it adds to those of others.

        Segments are counted when they are known of every message. People are not counted here:
        ``summarize(tracker.messages(campaign), people="contact_id")`` does.

        Raises:
            InvalidColumn: counters are not kept by that column.
            InvalidValue: hours or days that do not consist of whole hours of UTC.
        """
        return self._read(lambda tx: _tally(tx, campaign, by))

    def version(self, campaign: str) -> int:
        """Return a number that rises whenever a number of the campaign changes; 0 before there is any."""
        row = self._read(lambda tx: tx.get(CAMPAIGNS, [(campaign,)])).get((campaign,))
        return int(row["version"] or 0) if row else 0

    def messages(self, campaign: str) -> Iterator[Message]:
        """Yield the messages of a campaign as they stood at one moment, in the order of their ids.

        `summarize` of them makes the numbers of `summary`, as long as the people of a message spend
        in one currency. The storage is read while they are taken: take them without pausing.
        """
        with self._storage.reading(self._tenant) as tx:
            segments = "segments" not in read_counters(tx, campaign, by=None, as_of=None).unmeasured
            for row in tx.walk(MESSAGES, index="campaign", where={"campaign_id": campaign}):
                yield message_of(row, segments=segments)

    def frame(self, campaign: str, *, backend: str | None = None) -> Any:
        """Return `messages` as a frame: ``pandas``, ``polars`` or ``pyarrow``; by default the first installed.

        Raises:
            InvalidValue: another backend.
            MissingExtra: the backend is not installed, or none of the three is.
        """
        rows = ({name: getattr(each, name) for name in MESSAGE_COLUMNS} for each in self.messages(campaign))
        return frame_of(rows, MESSAGE_COLUMNS, backend)

    def notes(self) -> dict[tuple[str, str], int]:
        """Return how often something odd was noticed, by what it was, most of it as in `Ingested`, and the carrier."""
        rows = self._read(lambda tx: tx.scan(NOTES))
        return {(row["name"], row["carrier"]): row["n"] for row in rows if row["n"]}

    # --- what a person reads

    def log(
        self,
        campaign: str,
        *,
        status: str | Iterable[str] | None = None,
        reason: str | Iterable[str] | None = None,
        contact: str | None = None,
        to: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Logged]:
        """Return a page of the messages of a campaign, in the order of their ids, each with why it failed.

        One call looks at 10,000 messages at most, so a page of something rare may be short, even
        empty, and still have a next. While others write, a message that is asked for all along is
        on one page, once. `messages` are all of them.

        Args:
            campaign: its id.
            status: where they stand now: words of `Status`, one or several; ``failed`` is every
                status of messages that were handed off and did not arrive.
            reason: why they failed, as in `Verdict`, or were skipped; one or several.
            contact: the id of a person.
            to: a number.
            since: sent from then on, or recorded for then where they were not sent.
            until: sent before then; likewise.
            after: ``next`` of the page before.
            limit: how many at most, up to 1,000.

        Raises:
            UnknownStatus: a word that is not ours.
            InvalidValue: what cannot be meant, a page of another question among it.
        """
        asked = Asked.of(
            campaign=campaign, status=status, reason=reason, contact=contact, to=to, since=since, until=until
        )
        return self._read(lambda tx: read_log(tx, self._rules, asked, after=after, limit=limit))

    def message(self, message_id: str) -> MessageDetails | None:
        """Return a message and all that came of it: attempts, receipts, replies, clicks, orders; None for none."""
        return self._read(lambda tx: read_details(tx, self._rules, message_id))

    def explain(self, contact: str, campaign: str | None = None) -> Explanation:
        """Return in sentences why a person did or did not get a campaign.

        Args:
            contact: the id of a person, or a number.
            campaign: its id; None: the last 20 messages to them, of all campaigns.
        """
        return self._read(lambda tx: explain(tx, self._rules, contact, campaign))

    def conversation(
        self, contact: str, *, sender: str | None = None, since: datetime | None = None, limit: int = 100
    ) -> list[Said]:
        """Return what we and a person said to each other, the earliest first; of much, the latest.

        Args:
            contact: the id of a person, or a number. Of several people who share a number, what is
                known to be another's is left out where it is asked for by id.
            sender: the number of ours that it went through; None for all.
            since: from then on.
            limit: how many at most, up to 1,000.
        """
        return self._read(lambda tx: read_conversation(tx, contact, sender=sender, since=since, limit=limit))

    def clickers(self, campaign: str, *, after: str | None = None, limit: int = 100) -> Page[Clicker]:
        """Return a page of who clicked and when, a row for each message, in the order of their ids.

        Pages are those of `log`: one may be short and still have a next.
        """
        return self._read(lambda tx: read_clickers(tx, campaign, after=after, limit=limit))

    def contacts(self, campaign: str, what: Who, *, everyone: bool = False) -> Iterator[Contact]:
        """Return people of a campaign by what they did or what became of their messages, each once.

        A person is a contact id, or where there is none a number. Who has opted out or is suppressed is
        left out, because the list may be sent to; ``hard`` and ``opted_out`` have everyone, because
        theirs may not. Whom it has still to name is remembered, some 100 bytes each. The storage is
        read while they are taken: make a list of them before you ask the tracker anything else.

        Args:
            campaign: its id.
            what: ``delivered`` or ``read``: a message arrived, or was read; ``replied``, ``clicked``,
                ``ordered``: what they did (a reply that is an opt-out is none), and ``engaged``: any of
                the three; ``no_reply``, ``no_click``: a message arrived, and they did not;
                ``not_delivered``: none arrived, for whatever reason; ``failed``: none arrived, and one
                failed after it was handed off; ``soft``, ``hard``: the same, by the kind of bounce (deleted
                numbers are hard); ``opted_out``: after a message of the campaign.
            everyone: also those who may not be sent to.

        Raises:
            InvalidValue: another word.
        """
        word = check_who(what)

        def found() -> Iterator[Contact]:
            with self._storage.reading(self._tenant) as tx:
                yield from read_contacts(tx, self._rules, campaign, word, everyone=everyone)

        return found()

    def timeline(self, campaign: str) -> list[Action]:
        """Return what was done to a campaign, by whom and why, the first first."""
        return self._read(lambda tx: read_actions(tx, campaign))

    def acted(
        self, campaign: str, what: str, *, who: str, why: str | None = None, now: datetime | None = None
    ) -> Action:
        """Put what you did to a campaign on its timeline, such as ``approved``.

        Raises:
            InvalidValue: a word, a person or a reason that is empty.
        """
        at = micros_of(self._present(now))
        return self._transact(lambda tx: act(tx, campaign, what, who=who, why=why, now=at))

    def describe(
        self,
        campaign: str,
        *,
        name: str | None = None,
        type: Literal["sms", "mms"] | None = None,  # noqa: A002 - the name of the column
        who: str,
        now: datetime | None = None,
    ) -> Campaign:
        """Keep what a campaign is called and what it is, and put that on its timeline.

        Args:
            campaign: its id; its messages may be recorded later.
            name: what people call it; None leaves it as it was, and ``type`` likewise.
            type: ``sms`` or ``mms``.
            who: changed it.
            now: when that was.

        Raises:
            InvalidValue: another type, or what is empty.
        """
        told = Campaign(campaign_id=campaign, name=name, type=type, last_modified_by=who)
        at = micros_of(self._present(now))
        return self._transact(lambda tx: describe(tx, told, at))

    def campaigns(
        self, *, profile: str | Profile | None = None, rank_by: str = "delivery_rate", min_sent: int = 100
    ) -> Campaigns:
        """Return every campaign beside the others, the last sent first, as `campaignkit.campaigns` does.

        It is made from counters, without reading a message.

        Args:
            profile: whose definitions to use; by default the tracker's.
            rank_by: the rate that places are by.
            min_sent: campaigns that sent fewer messages have no place.
        """
        chosen = self._rules.profile if profile is None else profile
        return self._read(lambda tx: read_listing(tx, profile=chosen, rank_by=rank_by, min_sent=min_sent))

    # --- upkeep

    def silent(self, *, after: timedelta = AFTER, least: int = LEAST, now: datetime | None = None) -> list[Silence]:
        """Return carriers and senders that took messages and of which nothing is heard: a webhook may be broken.

        Ask every few minutes, and show each as text. Messages that were recorded with their end, or
        more than a day after they were handed off, are not waited for; and a channel that was
        given nothing for a week is not in use.

        Args:
            after: how long nothing was heard, above zero.
            least: how many messages were handed off at least so long ago, from 1 to 100; fewer may
                all have gone to phones that are off.
            now: the present moment.

        Raises:
            InvalidValue: one of these cannot be meant.
        """
        moment_ = self._present(now)
        return self._read(lambda tx: find_silent(tx, after=after, least=least, now=moment_))

    def erase(self, contact_or_number: str, *, who: str, now: datetime | None = None) -> Erased:
        """Forget a person, and keep the counts: no number of any campaign changes.

        A number stands for what was sent to it, and a contact id for what was sent under it, to
        whatever number. Name, texts, media, clicked addresses and what carriers sent word for word
        are gone; number and contact id give way to keyed hashes. What they wished stays in
        force, also for an import that brings the number again. Receipts that are still to come
        find their message; a reply is from somebody new.

        Ids of messages, campaigns and attempts stay as they are: never make them of a number. When
        this is interrupted, call it again. `Storage.compact` then clears what files still hold.

        Args:
            contact_or_number: as messages have it.
            who: the one who does it, for the timeline of each campaign that is touched.
            now: when.

        Returns:
            How many rows were changed: 0 of all when there was nothing to find.

        Raises:
            InvalidValue: no text, or the tracker has no ``erasure_key``.
        """
        return erase(self._transact, contact_or_number, aliases=self._rules.aliases, who=who, now=self._present(now))

    def tidy(
        self, *, raw: timedelta | None = RAW, inbox: timedelta | None = INBOX_AGE, now: datetime | None = None
    ) -> Tidied:
        """Drop what is too old to be of use; call it once a day. No number changes.

        Args:
            raw: how long to keep what carriers sent word for word, beside what it says. None: for ever.
            inbox: how long a receipt may wait for its message; beyond, it is dropped, and counted in
                `notes`. None: until there are too many.
            now: the present moment.

        Raises:
            InvalidValue: an age that cannot be meant.
        """
        moment_ = self._present(now)
        return tidy(self._transact, raw=raw, inbox=inbox, now=moment_)

    # --- people, and when a campaign has to stop

    def standing(self, to: str, sender: str | None = None) -> Standing:
        """Return whether a person may be written to, and what stands against it.

        Args:
            to: the number, as messages and replies have it.
            sender: from which; None: from any, so that an opt-out from one of them counts.
        """
        check_name("to", to)
        return self._read(lambda tx: people.standing(tx, to, sender, self._rules))

    def held(self) -> list[Standing]:
        """Return where an opt-in waits for somebody to decide, with `opt_in` or `opt_out`; the oldest first.

        It came shortly after an opt-out, and its carrier does not say when it was written: it may be
        the older one.
        """
        return self._read(lambda tx: people.held(tx, self._rules))

    def suppressed(self) -> list[Standing]:
        """Return whose numbers are suppressed; with ``reconsider``, those that should not be any more."""
        return self._read(lambda tx: people.suppressed(tx, self._rules))

    def opt_out(
        self, to: str, sender: str | None = None, *, who: str, why: str | None = None, now: datetime | None = None
    ) -> Standing:
        """Write to a person no more, because somebody says so.

        Args:
            to: the number.
            sender: only from that one; None: nothing at all.
            who: says so.
            why: how they know.
            now: when the person said it. Left out, it comes after everything that is known of them.

        Returns:
            How it stands then.

        Raises:
            InvalidValue: a text is empty.
        """
        return self._decided(to, sender, now, out=True, who=who, why=why)

    def opt_in(
        self, to: str, sender: str | None = None, *, who: str, why: str | None = None, now: datetime | None = None
    ) -> Standing:
        """Write to a person again, because somebody says so; arguments as of `opt_out`.

        Without a sender it ends every opt-out that is older, also those from one sender.
        """
        return self._decided(to, sender, now, out=False, who=who, why=why)

    def _decided(
        self, to: str, sender: str | None, now: datetime | None, *, out: bool, who: str, why: str | None
    ) -> Standing:
        check_name("to", to)
        source = check_name("who", who) + ("" if why is None else f": {check_name('why', why)}")
        wish = Wish(to=to, sender=sender, at=micros_of(self._present(now)), out=out, source=source)

        def decide(tx: Transaction) -> Standing:
            people.decide(tx, wish, self._rules, after_all=now is None)
            return people.standing(tx, to, sender, self._rules)

        return self._transact(decide)

    def suppress(self, to: str, *, who: str, why: str) -> None:
        """Suppress a number, because somebody says so.

        Raises:
            InvalidValue: a text is empty.
        """
        says = {"who": check_name("who", who), "why": check_name("why", why)}
        check_name("to", to)
        now = micros_of(self._present(None))
        self._transact(lambda tx: people.suppress(tx, to, self._rules, now, **says))

    def unsuppress(self, to: str, *, who: str) -> None:
        """Take the suppression of a number back; what was sent until now counts no more."""
        check_name("to", to)
        check_name("who", who)
        now = micros_of(self._present(None))
        self._transact(lambda tx: people.unsuppress(tx, to, self._rules, now, who=who))

    def suspended(self, campaign: str) -> Suspended | None:
        """Return since when and why a campaign is suspended, None when it is not."""
        return self._read(lambda tx: suspension.suspended(tx, campaign))

    def suspend(self, campaign: str, *, who: str, why: str) -> None:
        """Suspend a campaign, because somebody says so; it stands on its timeline.

        Raises:
            InvalidValue: a text is empty.
        """
        says = {"who": check_name("who", who), "why": check_name("why", why)}
        check_name("campaign", campaign)
        now = micros_of(self._present(None))
        self._transact(lambda tx: suspension.suspend(tx, campaign, now, **says))

    def resume(self, campaign: str, *, who: str, why: str | None = None) -> None:
        """Let a campaign go on; only what comes from now on can suspend it again."""
        check_name("who", who)
        now = micros_of(self._present(None))
        self._transact(lambda tx: suspension.resume(tx, campaign, now, who=who, why=why))

    def to_csv(self, campaign: str, target: str | Path | TextIO) -> None:
        """Write the message log of a campaign as CSV, a row a message, as it stood at one moment.

        It is read while it is written, and never held. Beside a file, ``<name>.manifest.json`` says what
        the columns mean, and when they were true; its rows make the numbers of `summary` at that moment.

        Args:
            campaign: its id.
            target: a path; or an open text file, which has no manifest and stays open.
        """
        with self._storage.reading(self._tenant) as tx:
            about = self._definitions(tx, campaign)
            write_cells(target, LOG_COLUMNS, cells_of(tx, campaign, self._rules.profile), about)

    def to_parquet(self, campaign: str, path: str | Path) -> None:
        """Write the message log of a campaign as Parquet, typed, with a manifest as `to_csv` does.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        with self._storage.reading(self._tenant) as tx:
            about = self._definitions(tx, campaign)
            write_parquet(path, LOG_COLUMNS, rows_of(tx, campaign, self._rules.profile), about)

    def _definitions(self, tx: Transaction, campaign: str) -> dict[str, Any]:
        summary = read_tally(_tally(tx, campaign, None), profile=self._rules.profile)
        assert isinstance(summary, Summary)  # noqa: S101 - of a tally that is not grouped
        return definitions(summary)

    # --- whether it is right

    def verify_counters(self, campaign: str | None = None) -> list[Difference]:
        """Recount messages; return every counter that says otherwise. There should be none.

        Args:
            campaign: its id; None: every one.
        """
        with self._storage.reading(self._tenant) as tx:
            names = [campaign] if campaign is not None else [row["campaign_id"] for row in tx.scan(CAMPAIGNS)]
            return [each for name in names for each in self._differences(tx, name, _recount(tx, name))]

    def _differences(self, tx: Transaction, campaign: str, recounted: Numbers) -> list[Difference]:
        counters = differences(stored_counters(tx, campaign), recounted)
        return counters + miscounted(tx, campaign, recounted, self._rules.profile)

    def rebuild(self, campaign: str) -> list[Difference]:
        """Make every message of a campaign anew from what is stored of it, then its counters from the messages.

        Needed after a change of policy, profile or code table, and for nothing else, unless
        `verify_counters` finds something. Others may write meanwhile, but for the time of a recount.

        Returns:
            The counters that were wrong; the views of messages that were are not listed.
        """
        after: Key | None = None
        while True:
            after = self._transact(functools.partial(self._refold, campaign, after))
            if after is None:
                break
        now = micros_of(self._present(None))

        def repair(tx: Transaction) -> list[Difference]:
            # Writers stop here, before they add to counters.
            touch_campaigns(tx, [], [campaign], Deltas(), rules=self._rules, now=now)
            stored, recounted = stored_counters(tx, campaign), _recount(tx, campaign)
            found = self._differences(tx, campaign, recounted)
            deltas = Deltas()
            deltas.change(stored, recounted)
            set_anew(tx, campaign, recounted, self._rules, now)
            deltas.write(tx)
            return found

        found: list[Difference] = self._transact(repair)
        return found

    def _refold(self, campaign: str, start: Key | None, tx: Transaction) -> Key | None:
        """Make a page of messages anew; return where the next begins."""
        page = tx.scan(MESSAGES, index="campaign", where={"campaign_id": campaign}, after=start, limit=MOST)
        keys = [(row["message_id"],) for row in page]
        deltas, made, rows, now = Deltas(), list[Stored](), list[Row](), micros_of(self._present(None))
        for row in tx.lock(MESSAGES, keys).values():
            stored = Stored.of(row, self._rules.policy)
            stored.forget()
            for event in events_of(tx, stored.message_id):
                stored.engage(event)
            refold(tx, stored, self._rules)
            made.append(stored)
            rows.append(stored.row())
            deltas.change(counted(row), counted(rows[-1]))
        tx.put(MESSAGES, rows)
        decide_again(tx, made, self._rules, now)
        unwatched = attrs.evolve(self._rules, suspension=None)  # until all of them are made anew
        touch_campaigns(tx, rows, [campaign] if deltas.found() else [], deltas, rules=unwatched, now=now)
        deltas.write(tx)
        return (campaign, keys[-1][0]) if len(page) == MOST else None


def _check_policies(suppression: object, suspension: object, opt_out_scope: object) -> None:
    """Refuse policies that are none."""
    if not isinstance(suppression, Suppression | None):
        raise InvalidValue(f"suppression is {shown(suppression)}: give a Suppression, such as Suppression(after=3)")
    if not isinstance(suspension, Suspension | None):
        raise InvalidValue(f"suspension is {shown(suspension)}: give a Suspension, such as Suspension(opt_out=0.03)")
    if opt_out_scope not in get_args(OptOutScope):
        raise InvalidValue(f"opt_out_scope is {shown(opt_out_scope)}: give tenant or sender")


def _patiently(work: Callable[[], _Found], patience: float) -> _Found:
    """Do work, again after a while for as long as it says that trying again may help."""
    unavailable = retry_if_exception_type(StorageUnavailable)
    wait, stop = wait_random_exponential(_BACKOFF, max=_LONGEST), stop_before_delay(patience)
    return Retrying(retry=unavailable, wait=wait, stop=stop, reraise=True)(work)


def _news(told: Ingested) -> int:
    news: int = sum(attrs.astuple(told)) - told.duplicates
    return news


def _type(value: object) -> str:
    """Return all that an error may say of what could hold a person's number or a secret."""
    return type(value).__name__


def _several(given: Attempt | Iterable[Attempt]) -> tuple[Attempt, ...]:
    return (given,) if isinstance(given, Attempt) else tuple(given)


def _note(tx: Transaction, name: str) -> int:
    row = tx.get(NOTES, [(name, "")]).get((name, ""))
    return int(row["n"]) if row else 0


def _tally(tx: Transaction, campaign: str, by: By) -> Tally:
    row = tx.get(CAMPAIGNS, [(campaign,)]).get((campaign,))
    return read_counters(tx, campaign, by=by, as_of=moment_of(row["latest_at"]) if row else None)


def _recount(tx: Transaction, campaign: str) -> Numbers:
    """Return what the messages of a campaign count for."""
    return count_alike(tx.count(MESSAGES, COUNTED, index="campaign", where={"campaign_id": campaign})).found()
