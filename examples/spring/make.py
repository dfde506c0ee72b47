"""Write the example campaign: 20,000 messages of one afternoon, its audience and its clicks.

    python examples/spring/make.py [FOLDER]

The same files come out on every machine: the only randomness is ``Random.random()``, which
Python promises to keep for a given seed, and no result passes through a C library's maths.
People, texts and prices are made up; every telephone number is of the ranges kept for fiction
(+1, an area code, 555-0100 to 555-0199).
"""

from __future__ import annotations

import csv
import hashlib
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T")
Outcome = tuple[str, str]
"""A status and an error code as Twilio writes them; no code is empty."""

SEED = 2026
CAMPAIGN = "spring-2026"
ACCOUNT = "AC" + "01" * 16
PRICE = Decimal("-0.0083")  # US dollars a segment, either way

# 13:00 in New York and 10:00 in Los Angeles, a Thursday: allowed hours wherever the numbers are.
START = datetime(2026, 4, 16, 17, 0, tzinfo=UTC)
BATCH, BATCH_EVERY = 2_500, timedelta(minutes=22)
SENDERS = ("+12025550117", "+12065550142", "+12125550168")  # one message a second each
UNREGISTERED, UNREGISTERED_FOR = START + timedelta(minutes=71), timedelta(minutes=3)
UNREGISTERED_SHARE = 0.6  # not every network checks

BODIES = {
    "A": "{name}, 20% off till Sunday: ck.example/a STOP=end",
    "B": "{name} 🌱 your spring treat: 20% off till Sunday ck.example/b STOP=end",
}
REPLY_RATE = {"A": 0.029, "B": 0.033}
STOP_RATE = {"A": 0.0074, "B": 0.0098}
CLICK_RATE = {"A": 0.11, "B": 0.14}
HELP_RATE = 0.0007

SPECIAL: dict[int, Outcome] = {
    **dict.fromkeys((3_700, 9_100, 15_800), ("undelivered", "30999")),  # a code in nobody's table
    **dict.fromkeys(range(19_989, 19_995), ("queued", "")),
    **dict.fromkeys(range(19_995, 20_000), ("canceled", "")),
}
"""What became of some messages, by their place in the order of sending."""


class ContactList(NamedTuple):
    """Where people come from, and how good an origin it is.

    Attributes:
        list_id: its name.
        size: people on it.
        clicks: factor on the rate of clicks.
        stops: factor on the rate of opt-outs.
        undelivered: how many of 10,000 messages end otherwise than delivered, by outcome.
    """

    list_id: str
    size: int
    clicks: float
    stops: float
    undelivered: Mapping[Outcome, int]


LISTS = (
    ContactList(  # customers, looked up and cleaned a week before
        "shop",
        8_000,
        1.17,
        0.6,
        {
            ("undelivered", "30003"): 84,
            ("undelivered", "30005"): 14,
            ("undelivered", "30006"): 9,
            ("undelivered", "30007"): 24,
            ("undelivered", "30008"): 19,
            ("undelivered", ""): 30,
            ("undelivered", "30004"): 4,
            ("failed", "21610"): 12,
            ("sent", ""): 18,
        },
    ),
    ContactList(  # a form on the site
        "web",
        5_000,
        1.04,
        0.9,
        {
            ("undelivered", "30003"): 105,
            ("undelivered", "30005"): 48,
            ("undelivered", "30006"): 62,
            ("undelivered", "30007"): 30,
            ("undelivered", "30008"): 22,
            ("undelivered", ""): 36,
            ("undelivered", "30004"): 6,
            ("failed", "21610"): 10,
            ("failed", "21614"): 14,
            ("failed", "21635"): 8,
            ("sent", ""): 20,
        },
    ),
    ContactList(  # typed from paper at fairs
        "fair",
        3_500,
        0.93,
        1.1,
        {
            ("undelivered", "30003"): 120,
            ("undelivered", "30005"): 110,
            ("undelivered", "30006"): 150,
            ("undelivered", "30007"): 32,
            ("undelivered", "30008"): 24,
            ("undelivered", ""): 44,
            ("undelivered", "30004"): 8,
            ("failed", "21610"): 8,
            ("failed", "21614"): 46,
            ("failed", "21635"): 22,
            ("sent", ""): 22,
        },
    ),
    ContactList(  # bought years ago, never looked up: landlines above all
        "old",
        3_500,
        0.60,
        2.1,
        {
            ("undelivered", "30003"): 170,
            ("undelivered", "30005"): 330,
            ("undelivered", "30006"): 690,
            ("undelivered", "30007"): 60,
            ("undelivered", "30008"): 38,
            ("undelivered", ""): 90,
            ("undelivered", "30004"): 30,
            ("failed", "21610"): 6,
            ("failed", "21614"): 190,
            ("failed", "21635"): 110,
            ("sent", ""): 30,
        },
    ),
)

# Of the mainland of the United States; with 100 fictional numbers each they make 20,000.
AREA_CODES = """
201 203 205 207 208 209 210 214 215 216 217 218 219 224 225 228 229 231 234 239
240 248 251 252 253 254 256 260 262 267 269 270 276 281 301 302 303 304 305 307
308 309 310 312 313 314 315 316 317 318 319 320 321 323 325 330 331 334 336 337
339 347 351 352 360 361 385 386 401 402 404 405 406 407 408 409 410 412 413 414
415 417 419 423 424 425 430 432 434 435 440 443 458 469 470 475 478 479 480 484
501 502 503 504 505 507 508 509 510 512 513 515 516 517 518 520 530 531 534 539
540 541 551 559 561 562 563 567 570 571 573 574 575 580 585 586 601 602 603 605
606 607 608 609 610 612 614 615 616 617 618 619 620 623 626 630 631 636 641 646
650 651 657 660 661 662 678 682 701 702 703 704 706 707 708 712 713 714 715 716
717 718 719 720 724 727 731 732 734 737 740 754 757 760 762 763 765 769 770 772
"""

FIRST_NAMES = """
Ada Alex Alice Amir Ana Anna Ayşe Ben Björn Carla Chloé Chen Dana David Diego Elena Ella Emma Eva Farid
Grace Hana Hugo Ines Isaac Ivan Jack Jade Jana José Julia Kai Lara Lea Leo Liam Lina Luca Lucy Łukasz
Maria Marta Max Mia Nadia Nina Noah Nora Omar Oscar Paul Priya Rosa Ruth Sam Sara Søren Tara Tom Zoë
Alberto Beatrice Caroline Dominic Fernando Gabriela Jonathan Katarina Mohammed Patricia Sebastian Theodora Valentina
"""
LAST_NAMES = """
Adams Ali Bauer Bell Berg Costa Cruz Díaz Diallo Evans Fox Gray Hall Hill Ito Jones Kaya Khan Kim King
Koch Lee Lopez Meyer Mills Moore Novák Okoye Park Patel Price Reed Rossi Roy Shah Silva Singh Stone Wolf Young
"""
FORMULA_NAME = {4_711: "=Sam"}  # a spreadsheet would run it: exports must not let it

REPLIES = {
    "yes please": 60,
    "Yes": 40,
    "thanks!": 40,
    "is this still valid?": 35,
    "who is this?": 35,
    "does it work in store too?": 30,
    "do I need a code": 30,
    "what time do you close on Saturday": 25,
    "Thank you, ordered two": 25,
    "do you ship to Canada?": 20,
    "link does not open": 20,
    "wrong number": 20,
    "ok": 20,
    "No thanks": 15,
    "😀": 12,
    "Gracias!": 10,
    "merci, à bientôt": 6,
    "Is the olive tree in it? I have waited for that one since last year": 6,
    "dont stop these, I love them": 3,
    "when does the sale stop?": 3,
    "can't stop buying plants lol": 2,
}
STOPS = {"STOP": 100, "Stop": 36, "stop": 30, "Stop.": 10, "unsubscribe": 7, "Unsubscribe": 3, "ARRET": 3, "STOP!": 3}
HELPS = {"HELP": 3, "help": 2, "Help": 1}

MESSAGE_HEADER = (
    "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction,Price,PriceUnit"
)
AUDIENCE_HEADER = "to,contact_id,contact_name,campaign_id,variant,list_id"
CLICK_HEADER = "to,clicked_at,url"

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_PAIRS = frozenset("\f^{}\\[~]|€")  # these take two of the 160 places


class Person(NamedTuple):
    """Somebody on a list."""

    to: str
    contact_id: str
    name: str
    variant: str
    origin: ContactList


class Message(NamedTuple):
    """One message of the campaign, and what became of it."""

    person: Person
    sender: str
    moment: datetime
    status: str
    code: str


class Reply(NamedTuple):
    """One message from a person, to the number that had written to them."""

    message: Message
    moment: datetime
    body: str


def pick(rng: Random, weights: Mapping[T, int]) -> T:
    """Return one of the keys, as often as its weight says."""
    point = rng.random() * sum(weights.values())
    for each, weight in weights.items():
        point -= weight
        if point < 0:
            return each
    raise AssertionError(weights)


def pick_evenly(rng: Random, choices: list[T]) -> T:
    """Return one of the choices, each as often."""
    return choices[int(rng.random() * len(choices))]


def shuffled(rng: Random, things: Iterable[T]) -> list[T]:
    """Return the things in another order."""
    return sorted(things, key=lambda _: rng.random())


def seconds(rng: Random, least: int, most: int) -> timedelta:
    """Return a whole number of seconds, the short ones more often."""
    return timedelta(seconds=least + int(rng.random() * rng.random() * (most - least)))


def variant_of(contact_id: str) -> str:
    """Return a person's variant, the same whenever it is asked for."""
    return "AB"[hashlib.sha256(f"{CAMPAIGN}:{contact_id}".encode()).digest()[0] % 2]


def segments(body: str) -> int:
    """Return how many segments a text is billed as."""
    if GSM_7.union(GSM_7_PAIRS).issuperset(body):
        units, single, joined = len(body) + sum(each in GSM_7_PAIRS for each in body), 160, 153
    else:
        units, single, joined = len(body.encode("utf-16-le")) // 2, 70, 67
    return 1 if units <= single else -(-units // joined)


def make_people(rng: Random) -> Iterator[Person]:
    """Yield 20,000 people, list by list."""
    numbers = shuffled(rng, (f"+1{area}55501{last:02}" for area in AREA_CODES.split() for last in range(100)))
    first_names, last_names = FIRST_NAMES.split(), LAST_NAMES.split()
    origins = (each for each in LISTS for _ in range(each.size))
    for place, (to, origin) in enumerate(zip(numbers, origins, strict=True), 1):
        name = f"{pick_evenly(rng, first_names)} {pick_evenly(rng, last_names)}"
        contact_id = f"c{place:05}"
        yield Person(to, contact_id, FORMULA_NAME.get(place, name), variant_of(contact_id), origin)


def send(rng: Random, people: list[Person]) -> Iterator[Message]:
    """Yield one message to each person: batches through the afternoon, senders in turn."""
    for place, person in enumerate(shuffled(rng, people)):
        batch, inside = divmod(place, BATCH)
        turn = inside % len(SENDERS)
        moment = START + batch * BATCH_EVERY + timedelta(seconds=inside // len(SENDERS))
        status, code = SPECIAL.get(place) or outcome(rng, person, turn, moment)
        yield Message(person, SENDERS[turn], moment, status, code)


def outcome(rng: Random, person: Person, turn: int, moment: datetime) -> Outcome:
    """Return what becomes of a message: by its list, and by a sender that lost its registration."""
    unregistered = turn == len(SENDERS) - 1 and UNREGISTERED <= moment < UNREGISTERED + UNREGISTERED_FOR
    if unregistered and rng.random() < UNREGISTERED_SHARE:
        return "undelivered", "30034"
    bad = person.origin.undelivered
    return pick(rng, {("delivered", ""): 10_000 - sum(bad.values()), **bad})


def answer(rng: Random, message: Message) -> Iterator[Reply]:
    """Yield what a person who got the message writes back, in time order."""
    person = message.person
    texts: list[str] = []
    if rng.random() < HELP_RATE:
        texts.append(pick(rng, HELPS))
    if rng.random() < REPLY_RATE[person.variant]:
        texts.append(pick(rng, REPLIES))
        if rng.random() < 0.04:
            texts.append("ok thanks")
    if rng.random() < STOP_RATE[person.variant] * person.origin.stops:
        texts.append(pick(rng, STOPS))
    moment = message.moment
    for text in texts:
        moment += seconds(rng, 20, 5 * 3600)
        yield Reply(message, moment, text)


def make_replies(rng: Random, delivered: list[Message]) -> list[Reply]:
    """Return all replies; one person who wrote STOP thinks better of it the next day."""
    replies = [reply for message in delivered for reply in answer(rng, message)]
    regretted = next(each for each in replies if each.body == "STOP")
    return [*replies, Reply(regretted.message, regretted.moment + timedelta(hours=21), "START")]


def make_clicks(rng: Random, delivered: list[Message]) -> Iterator[tuple[str, str, str]]:
    """Yield the visits of people who followed their link, one to three each."""
    for message in delivered:
        person = message.person
        if rng.random() < CLICK_RATE[person.variant] * person.origin.clicks:
            for _ in range(pick(rng, {1: 70, 2: 22, 3: 8})):
                moment = stamp(message.moment + click_delay(rng))
                yield person.to, moment, f"https://ck.example/{person.variant.lower()}"


def click_delay(rng: Random) -> timedelta:
    """Return how long a visit lets wait: mostly minutes, at times the evening, or two days at most."""
    least, most = pick(rng, {(15, 3_600): 78, (5 * 3_600, 8 * 3_600): 14, (3_600, 48 * 3_600): 8})
    return seconds(rng, least, most)


def stamp(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC, to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def sid(*parts: str) -> str:
    """Return an id in the form of a message's; it depends on nothing but the parts."""
    return "SM" + hashlib.sha256(":".join((CAMPAIGN, *parts)).encode()).hexdigest()[:32]


def cost(count: int, *, billed: bool) -> tuple[str, str]:
    """Return price and currency of a message; both empty when it never left."""
    return (str(PRICE * count), "USD") if billed else ("", "")


def message_row(message: Message) -> list[str]:
    """Return the row of a message to a person; one that waits or was called off has no date."""
    person, _, moment, status, code = message
    body = BODIES[person.variant].format(name=person.name.split()[0])
    count = segments(body)
    date = "" if status in {"queued", "canceled"} else stamp(moment)
    price = cost(count, billed=status in {"delivered", "undelivered", "sent"})
    head = [message.sender, person.to, body, status, date, "2010-04-01", str(count), code]
    return [*head, ACCOUNT, sid(person.to), "outbound-api", *price]


def reply_row(reply: Reply) -> list[str]:
    """Return the row of a message from a person."""
    message, moment, body = reply
    to, date, count = message.person.to, stamp(moment), segments(body)
    head = [to, message.sender, body, "received", date, "2010-04-01", str(count), ""]
    return [*head, ACCOUNT, sid(to, date, body), "inbound", *cost(count, billed=True)]


def message_rows(messages: list[Message], replies: list[Reply]) -> list[list[str]]:
    """Return the log as the console exports it: both directions, newest first."""
    dated = [(each.moment, message_row(each)) for each in messages]
    dated += [(each.moment, reply_row(each)) for each in replies]
    return [row for _, row in sorted(dated, reverse=True)]


def write(path: Path, header: str, rows: Iterable[Iterable[str]]) -> None:
    """Write a CSV file with the same bytes on every system."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


def make(folder: Path) -> None:
    """Write the three files into a folder."""
    rng = Random(SEED)
    people = list(make_people(rng))
    messages = list(send(rng, people))
    delivered = [each for each in messages if each.status == "delivered"]
    replies = make_replies(rng, delivered)
    clicks = sorted(make_clicks(rng, delivered), key=lambda row: (row[1], row[0]))
    audience = ((p.to, p.contact_id, p.name, CAMPAIGN, p.variant, p.origin.list_id) for p in people)
    write(folder / "messages.csv", MESSAGE_HEADER, message_rows(messages, replies))
    write(folder / "audience.csv", AUDIENCE_HEADER, audience)
    write(folder / "clicks.csv", CLICK_HEADER, clicks)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
