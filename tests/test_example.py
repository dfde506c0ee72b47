"""The example campaign is what its README says, counted without the library."""

import csv
import functools
import itertools
import re
import runpy
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import campaignkit as ck

SPRING = Path(__file__).parent.parent / "examples" / "spring"
FILES = ("messages.csv", "audience.csv", "clicks.csv")
FICTION = re.compile(r"\+1[2-9][0-8][0-9]55501[0-9]{2}")
NEVER_LEFT = {"failed", "queued", "canceled"}
LANDLINE = {"30006", "21614", "21635"}


@functools.cache
def read(name):
    """Return the rows of a committed file."""
    with (SPRING / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def moment(text):
    """Return a time of the files; another form is an error."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


def keyword(body):
    """Return what a whole reply asks for: stop, help, start or nothing."""
    word = body.strip(" .!").lower()
    return "stop" if word in {"stop", "unsubscribe", "arret"} else word if word in {"help", "start"} else None


@functools.cache
def outbound():
    """Return the rows of messages to people."""
    return [row for row in read("messages.csv") if row["Direction"] == "outbound-api"]


@functools.cache
def inbound():
    """Return the rows of messages from people."""
    return [row for row in read("messages.csv") if row["Direction"] == "inbound"]


@functools.cache
def sent_to():
    """Return each person's message by number."""
    return {row["To"]: row for row in outbound()}


@functools.cache
def person():
    """Return each person by number."""
    return {row["to"]: row for row in read("audience.csv")}


def delivered(column):
    """Return delivered messages and all messages by a column of the audience."""
    everybody = Counter(row[column] for row in read("audience.csv"))
    reached = Counter(person()[row["To"]][column] for row in outbound() if row["Status"] == "delivered")
    return reached, everybody


@pytest.fixture(scope="module")
def made_now(tmp_path_factory):
    """A folder with what the script makes now."""
    folder = tmp_path_factory.mktemp("spring")
    runpy.run_path(str(SPRING / "make.py"))["make"](folder)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_script_writes_the_committed_file_again(made_now, name):
    """The committed files are, byte for byte, what the script makes."""
    assert (made_now / name).read_bytes() == (SPRING / name).read_bytes()


def test_columns_are_those_the_carrier_exports():
    """The log has the header of Twilio's console export; the other two are as the README says."""
    headers = [",".join(read(name)[0]) for name in FILES]

    assert headers == [
        "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction,Price,PriceUnit",
        "to,contact_id,contact_name,campaign_id,variant,list_id",
        "to,clicked_at,url",
    ]


def test_files_stay_small():
    """The three files together are under six megabytes."""
    assert sum((SPRING / name).stat().st_size for name in FILES) < 6_000_000


def test_each_person_gets_one_message():
    """Twenty thousand people, one message each, and nobody else."""
    recipients = [row["To"] for row in outbound()]

    assert len(recipients) == len(set(recipients)) == 20_000
    assert set(recipients) == set(person())
    assert len({row["contact_id"] for row in read("audience.csv")}) == 20_000
    assert len(inbound()) + len(outbound()) == len(read("messages.csv"))


def test_audience_has_one_campaign_two_variants_and_four_lists():
    """One campaign, variants of about half each, lists of the promised sizes."""
    counts = {name: Counter(row[name] for row in read("audience.csv")) for name in read("audience.csv")[0]}

    assert counts["campaign_id"] == {"spring-2026": 20_000}
    assert counts["list_id"] == {"shop": 8_000, "web": 5_000, "fair": 3_500, "old": 3_500}
    assert set(counts["variant"]) == {"A", "B"}
    assert abs(counts["variant"]["A"] - 10_000) < 200


def test_every_number_is_fictional():
    """No number in any file, sender or person, can reach anybody."""
    numbers = {row[end] for row in read("messages.csv") for end in ("From", "To")}
    numbers |= {row["to"] for name in ("audience.csv", "clicks.csv") for row in read(name)}

    assert [number for number in numbers if not FICTION.fullmatch(number)] == []
    assert len(numbers - set(person())) == len({row["From"] for row in outbound()}) == 3


def test_ids_have_the_carriers_form():
    """Message ids are distinct, and the account is plainly made up."""
    sids = [row["Sid"] for row in read("messages.csv")]

    assert len(set(sids)) == len(sids)
    assert [sid for sid in sids if not re.fullmatch(r"SM[0-9a-f]{32}", sid)] == []
    assert {row["AccountSid"] for row in read("messages.csv")} == {"AC" + "01" * 16}
    assert {row["ApiVersion"] for row in read("messages.csv")} == {"2010-04-01"}


def test_statuses_mix_as_in_real_campaigns():
    """93 to 94 in 100 are delivered; the rest ends in every way the carrier knows."""
    statuses = Counter(row["Status"] for row in outbound())

    assert 0.93 < statuses["delivered"] / 20_000 < 0.94
    assert set(statuses) == {"delivered", "undelivered", "failed", "sent", "queued", "canceled"}
    assert (statuses["queued"], statuses["canceled"]) == (6, 5)
    assert 20 <= statuses["sent"] <= 60
    assert {row["Status"] for row in inbound()} == {"received"}


def test_only_failures_have_codes():
    """A code stands at failures alone; refusals at submission are `failed`, and some failures have no code."""
    codes = defaultdict(Counter)
    for row in read("messages.csv"):
        codes[row["Status"]][row["ErrorCode"]] += 1

    assert {status for status, found in codes.items() if set(found) != {""}} == {"undelivered", "failed"}
    assert set(codes["failed"]) == {"21610", "21614", "21635"}
    assert set(codes["undelivered"]) == {
        *("30003", "30004", "30005", "30006", "30007", "30008", "30034", "30999"),
        "",
    }
    assert codes["undelivered"]["30999"] == 3
    assert codes["undelivered"][""] > 50


def test_lists_differ_in_quality():
    """The cleaned list is the best and the bought one by far the worst, because of landlines."""
    reached, everybody = delivered("list_id")
    rates = {name: reached[name] / everybody[name] for name in everybody}
    old = Counter(row["ErrorCode"] for row in outbound() if person()[row["To"]]["list_id"] == "old")
    old_failed = sum(n for code, n in old.items() if code)

    assert rates["shop"] > 0.97 > rates["web"] > 0.95 > rates["fair"] > 0.92
    assert 0.80 < rates["old"] < 0.83
    assert old["30006"] == max(n for code, n in old.items() if code)
    assert sum(old[code] for code in LANDLINE) > old_failed / 2
    assert old["30005"] > old["30003"]


def test_one_sender_is_unregistered_for_three_minutes():
    """30034 comes from one sender, within three minutes."""
    rows = [row for row in outbound() if row["ErrorCode"] == "30034"]
    moments = [moment(row["SentDate"]) for row in rows]

    assert len({row["From"] for row in rows}) == 1
    assert timedelta(minutes=2) < max(moments) - min(moments) < timedelta(minutes=3)


def test_log_is_newest_first():
    """Rows run backwards in time; what waits or was called off has no date."""
    dates = [row["SentDate"] for row in read("messages.csv") if row["SentDate"]]

    assert dates == sorted(dates, reverse=True)
    assert [date for date in dates if not re.fullmatch(r"2026-04-1[67]T\d\d:\d\d:\d\dZ", date)] == []
    assert {row["Status"] for row in read("messages.csv") if not row["SentDate"]} == {"queued", "canceled"}


def test_sending_takes_an_afternoon_in_batches():
    """Messages go out within three hours, in eight batches with pauses, three a second at most."""
    moments = sorted(moment(row["SentDate"]) for row in outbound() if row["SentDate"])
    pauses = [after - before for before, after in itertools.pairwise(moments)]

    assert timedelta(hours=2, minutes=30) < moments[-1] - moments[0] < timedelta(hours=3)
    assert sum(pause > timedelta(minutes=5) for pause in pauses) == 7
    assert max(Counter(moments).values()) == 3
    assert max(Counter((row["From"], row["SentDate"]) for row in outbound() if row["SentDate"]).values()) == 1


def test_texts_name_the_person_and_count_right():
    """A text begins with the first name; segments are those of the text that is there."""
    counts = defaultdict(Counter)
    for row in outbound():
        someone = person()[row["To"]]
        units = len(row["Body"].encode("utf-16-le")) // 2
        counts[someone["variant"]][int(row["NumSegments"])] += 1

        assert row["Body"].startswith(someone["contact_name"].split()[0])
        assert ("🌱" in row["Body"]) == (someone["variant"] == "B")
        assert int(row["NumSegments"]) == (1 if units <= 70 else -(-units // 67))

    assert set(counts["A"]) == {1}
    assert set(counts["B"]) == {1, 2}
    assert 0.1 < counts["B"][2] / counts["B"].total() < 0.3
    assert {row["NumSegments"] for row in inbound()} == {"1"}
    assert max(len(row["Body"]) for row in inbound()) <= 70


def test_prices_are_negative_for_each_segment_that_left():
    """A price is minus 0.0083 dollars a segment, both ways; nothing where the message never left."""
    for row in read("messages.csv"):
        price = "" if row["Status"] in NEVER_LEFT else str(Decimal("-0.0083") * int(row["NumSegments"]))

        assert (row["Price"], row["PriceUnit"]) == (price, "USD" if price else "")


def test_replies_come_from_people_who_got_the_message():
    """Each reply follows the message it answers, and goes to the number that sent it."""
    for row in inbound():
        message = sent_to()[row["From"]]

        assert message["Status"] == "delivered"
        assert row["To"] == message["From"]
        assert moment(row["SentDate"]) > moment(message["SentDate"])


def test_replies_are_about_three_in_a_hundred():
    """About 3 % of people answer, 0.8 % opt out, a few ask for help."""
    kinds = Counter(keyword(row["Body"]) for row in inbound())

    assert 0.028 < kinds[None] / 20_000 < 0.033
    assert 0.007 < kinds["stop"] / 20_000 < 0.009
    assert 4 <= kinds["help"] <= 20
    assert kinds["start"] == 1


def test_opt_outs_are_spelled_in_many_ways():
    """STOP in several spellings, and sentences that contain it and mean something else."""
    bodies = {row["Body"] for row in inbound()}
    spellings = {body for body in bodies if keyword(body) == "stop"}
    others = {body for body in bodies if "stop" in body.lower()} - spellings

    assert spellings >= {"STOP", "Stop.", "stop", "ARRET", "unsubscribe"}
    assert others == {"dont stop these, I love them", "when does the sale stop?", "can't stop buying plants lol"}


def test_one_person_comes_back():
    """START is written by somebody who had written STOP, many hours before."""
    (start,) = [row for row in inbound() if row["Body"] == "START"]
    (stop,) = [row for row in inbound() if row["From"] == start["From"] and keyword(row["Body"]) == "stop"]

    assert moment(start["SentDate"]) - moment(stop["SentDate"]) > timedelta(hours=12)


def test_b_is_clicked_more_and_left_slightly_more():
    """About 11 % of A and 14 % of B click; B loses slightly more people."""
    reached, everybody = delivered("variant")
    clickers = Counter(person()[to]["variant"] for to in {row["to"] for row in read("clicks.csv")})
    stops = Counter(person()[row["From"]]["variant"] for row in inbound() if keyword(row["Body"]) == "stop")
    clicked = {name: clickers[name] / reached[name] for name in everybody}
    left = {name: stops[name] / everybody[name] for name in everybody}

    assert abs(clicked["A"] - 0.11) < 0.005
    assert abs(clicked["B"] - 0.14) < 0.005
    assert left["A"] < left["B"] < 1.3 * left["A"]


def test_clicks_follow_the_message():
    """Visits are by people who got the message, one to three each, within two days of it."""
    delays = []
    for row in read("clicks.csv"):
        message = sent_to()[row["to"]]
        delays.append(moment(row["clicked_at"]) - moment(message["SentDate"]))

        assert message["Status"] == "delivered"
        assert row["url"].removeprefix("https://") in message["Body"]

    assert timedelta(0) < min(delays)
    assert max(delays) < timedelta(days=2)
    assert sum(delay < timedelta(hours=1) for delay in delays) > 0.7 * len(delays)
    assert sum(timedelta(hours=5) < delay < timedelta(hours=8) for delay in delays) > 0.1 * len(delays)
    assert set(Counter(row["to"] for row in read("clicks.csv")).values()) == {1, 2, 3}


def test_names_try_an_export():
    """Some names are not ASCII, and one would be a formula in a spreadsheet."""
    names = {row["contact_name"] for row in read("audience.csv")}

    assert sum(not name.isascii() for name in names) > 100
    assert [name for name in names if name[0] in "=+-@"] == ["=Sam"]


# --- the library against these plain counts ------------------------------------------------------


@functools.cache
def joined():
    """Return the campaign as the library reads and joins it."""
    log = ck.read_log(SPRING / "messages.csv", carrier="twilio")
    return log.attach(audience=SPRING / "audience.csv", clicks=SPRING / "clicks.csv")


def test_the_library_counts_what_is_in_the_files():
    """Totals, codes, segments and cost are those that the csv module and a Counter give."""
    summary = ck.summarize(joined())

    statuses = Counter(row["Status"] for row in outbound())
    codes = Counter(row["ErrorCode"] for row in outbound() if row["ErrorCode"])
    counts = summary.counts
    assert (counts.total, counts.delivered) == (20_000, statuses["delivered"])
    assert counts.processing == statuses["sent"] + statuses["queued"]
    assert counts.failed == statuses["undelivered"] + statuses["failed"] + statuses["canceled"]
    assert counts.segments == sum(int(row["NumSegments"]) for row in outbound())
    assert summary.cost == {"USD": -sum(Decimal(row["Price"]) for row in outbound() if row["Price"])}
    found = {each.verdict.code: each.n for each in summary.failures}
    assert found.pop(None) == sum(row["Status"] == "undelivered" and not row["ErrorCode"] for row in outbound())
    assert (found.pop("@canceled"), found) == (statuses["canceled"], dict(codes))
    assert summary.unmapped == {"twilio 30999": codes["30999"]}


@pytest.mark.parametrize("column", ["variant", "list_id"])
def test_the_library_joins_what_belongs_together(column):
    """Answers, opt-outs and clicks by variant and list are those of a join by hand."""
    groups = ck.summarize(joined(), by=column)

    def by_group(numbers):
        return Counter(person()[number][column] for number in numbers)

    answers = [row["From"] for row in inbound() if keyword(row["Body"]) != "stop"]
    stops = [row["From"] for row in inbound() if keyword(row["Body"]) == "stop"]
    clicks = [row["to"] for row in read("clicks.csv")]
    expected = {
        "replies": by_group(answers),
        "replied": by_group(set(answers)),
        "stop_replies": by_group(stops),
        "opted_out": by_group(set(stops)),
        "clicks": by_group(clicks),
        "clicked": by_group(set(clicks)),
    }
    assert {name: {key: each.count(name) for key, each in groups.items()} for name in expected} == expected
    assert (joined().unattributed, joined().unmatched, joined().duplicates, joined().errors) == (0, 0, 0, ())
