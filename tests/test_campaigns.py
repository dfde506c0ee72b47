"""Campaigns side by side: every number a summary has, places by one rate, and what is known of each."""

from __future__ import annotations

import collections
import csv
import datetime as dt
import html.parser
import io
import json
import re
import zoneinfo
from decimal import Decimal
from types import SimpleNamespace

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import campaignkit as ck
from campaignkit.errors import InvalidColumn, InvalidValue, UnknownStatus
from campaignkit.models import Campaign, Message
from campaignkit.profiles import PROFILES
from campaignkit.review import health, progress, rank
from campaignkit.summary import summarize
from strategies import NOON
from strategies import campaigns as drawn


def after(seconds):
    """Return the moment some seconds after noon."""
    return NOON + dt.timedelta(seconds=seconds)


def sent(campaign, delivered, failed, **more):
    """Return so many messages of a campaign, delivered and failed, as mappings."""
    statuses = ["delivered"] * delivered + ["failed"] * failed
    return [{"campaign_id": campaign, "status": status, **more} for status in statuses]


ROWS = [
    *sent("spring", 8, 2, sent_at=after(10)),
    *sent("summer", 9, 1, sent_at=after(30)),
    *sent("autumn", 1, 0, sent_at=after(20)),
    *sent(None, 1, 1, sent_at=after(40)),
]
KNOWN = [
    Campaign(campaign_id="spring", name="Spring sale", type="mms", last_modified_by="Ann", last_modified_at=after(-60)),
    Campaign(campaign_id="winter", name="Winter sale", type="sms"),
]

FORMS = {
    "mappings": list,
    "generator": iter,
    "objects": lambda rows: [SimpleNamespace(**row) for row in rows],
    "messages": lambda rows: [Message(**row) for row in rows],
    "pandas": pd.DataFrame,
    "polars": lambda rows: pl.DataFrame(rows, infer_schema_length=None),
    "lazy": lambda rows: pl.LazyFrame(rows, infer_schema_length=None),
}
"""The forms in which the same rows may come; each a function of a list of mappings."""


# --- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_campaigns_by_hand(form):
    """The last sent comes first, each with its place, its time, what is known of it and its numbers; from any rows."""
    table = ck.campaigns(FORMS[form](ROWS), campaigns=KNOWN, min_sent=2)

    assert [(row.place, row.name, row.last_sent, row.summary.counts.delivered) for row in table] == [
        (None, "(no campaign)", after(40), 1),
        (1, "summer", after(30), 9),
        (None, "autumn", after(20), 1),
        (2, "Spring sale", after(10), 8),
        (None, "Winter sale", None, 0),
    ]
    assert [row.campaign for row in table][-2:] == KNOWN
    assert table.winner.name == "summer"
    assert table.total.counts.total == 23


@given(drawn(least=0), st.sampled_from(list(PROFILES)))
def test_each_row_is_the_summary_of_its_messages(rows, profile):
    """Every number of a row is that of its group, whose latest sending it names."""
    messages = [Message(**row) for row in rows]

    table = ck.campaigns(messages, profile=profile, people="contact_id", min_sent=1)

    groups = summarize(messages, by="campaign_id", profile=profile, people="contact_id")
    assert {row.campaign.campaign_id for row in table} == set(groups)
    for row in table:
        alone = groups[row.campaign.campaign_id]
        moments = [each.sent_at for each in messages if each.campaign_id == row.campaign.campaign_id]
        assert row.summary.to_dict() == alone.to_dict()
        assert row.last_sent == max(filter(None, moments), default=None)
        assert row.by_column["click_rate"] == alone.click_rate.value
        assert (row.progress, row.health) == (progress(alone), health(alone))


@given(drawn(least=1), st.sampled_from(["delivery_rate", "click_rate", "failure_rate"]))
def test_places_are_those_of_rank(rows, metric):
    """Places, ties and the winner are what `rank` says of the same groups."""
    table = ck.campaigns(rows, rank_by=metric, min_sent=1)

    ranking = rank(summarize(rows, by="campaign_id"), metric, min_sent=1)
    places = {row.campaign.campaign_id: row.place for row in table if row.place}
    assert places == {each.key: each.place for each in ranking.ranked}
    assert (table.winner and table.winner.campaign.campaign_id) == ranking.winner


def test_seed_table_of_dotdigital():
    """Under Dotdigital's definitions the table has every column that Dotdigital's has, revenue and people included."""
    orders = [
        {"message_id": "m1", "ordered_at": after(5), "revenue": Decimal(20)},
        {"message_id": "m2", "ordered_at": after(6), "revenue": Decimal(5), "assisted": True},
    ]
    orders = [{"campaign_id": "may", "contact_id": "c1", "currency": "EUR", **each} for each in orders]
    rows = [
        {
            "campaign_id": "may",
            "message_id": f"m{n}",
            "contact_id": f"c{n % 3}",
            "status": "delivered",
            "segments": 2,
            "clicks": n,
            "opted_out": n == 3,
            "sent_at": after(n),
        }
        for n in range(4)
    ]
    known = Campaign(campaign_id="may", name="Mayday", type="SMS", last_modified_by="Bob")

    table = ck.campaigns(
        rows, campaigns=[known], profile="dotdigital", people="contact_id", orders=orders, rank_by="conversion_rate"
    )

    shown = table._table()
    assert dict(zip(shown.head, map(str, shown.rows[0]), strict=True)) == {
        "Campaign": "Mayday",
        "Place": "–",
        "Last sent": "2026-11-21 12:00",
        "Type": "sms",
        "Last modified by": "Bob",
        "Health": "high",
        "Total sent": "4",
        "Total delivered": "4",
        "Unique sends": "3",
        "Unique deliveries": "3",
        "Unsubscribes": "1",
        "Total clicks": "6",
        "Unique clickers": "3",
        "Click-to-delivered rate": "75.0 %",
        "Conversion rate": "25.0 %",
        "Direct orders": "1",
        "Assisted orders": "1",
        "Total segments": "8",
        "Revenue": "20.00 EUR",
        "Assisted revenue": "5.00 EUR",
    }


def test_seed_table_of_messengerflow():
    """Under MessengerFlow's definitions there are delivery, response, conversion, failed, pending and progress."""
    rows = [{**row, "replies": 0, "orders": 0} for row in ROWS]
    shown = ck.campaigns(rows, profile="messengerflow", min_sent=1)._table()

    assert dict(zip(shown.head, map(str, shown.rows[1]), strict=True)) == {
        "Campaign": "summer",
        "Place": "2",
        "Last sent": "2026-11-21 12:00",
        "Health": "moderate",
        "Sent": "9",
        "Failed": "1",
        "Total": "10",
        "Progress": "100.0 %",
        "Delivery success": "90.0 %",
        "Response rate": "0.0 %",
        "Conversion rate": "0.0 %",
    }


def test_no_campaign_is_not_a_campaign():
    """Messages that name no campaign are listed, so that nothing is lost, and are in no ranking."""
    table = ck.campaigns([{"status": "delivered", "campaign_id": None}], min_sent=1)

    assert [(row.campaign, row.place, row.name) for row in table] == [(None, None, "(no campaign)")]
    assert table.winner is None


def test_the_best_may_be_equal():
    """Where two are equally good both are first and none wins."""
    table = ck.campaigns([*sent("a", 1, 1), *sent("b", 1, 1), *sent("c", 0, 1)], min_sent=1)

    assert [(row.name, row.place) for row in table] == [("a", 1), ("b", 1), ("c", 3)]
    assert (table.winner, table[:1].winner) == (None, None)


def test_nothing_is_a_table_too():
    """Without messages there is an empty table with all its columns."""
    table = ck.campaigns([])

    assert (len(table), table.winner, table.rows()) == (0, None, [])
    assert {"campaign_id", "delivery_rate", "clickers", "last_sent"} <= set(table.columns)
    assert str(table).splitlines()[0].split() == ["Campaign"]
    assert "<h1><bdi>Campaigns</bdi></h1>" in table.to_html()


def test_what_is_known_decides_when_it_was_sent():
    """A time of sending that is given wins over that of the messages."""
    known = Campaign(campaign_id="spring", sent_at=after(99))

    assert [row.last_sent for row in ck.campaigns(sent("spring", 1, 0, sent_at=NOON), campaigns=[known])] == [after(99)]


def test_a_slice_is_a_table():
    """Part of the table is a table, and one row is a row."""
    table = ck.campaigns(ROWS, min_sent=1)

    assert isinstance(table[:2], ck.Campaigns)
    assert [row.name for row in table[:2]] == [table[0].name, table[1].name]
    assert len(str(table[:2]).splitlines()) == 4


# --- what is known of campaigns ----------------------------------------------------------------

DETAILS = [
    {"campaign_id": 7, "name": "Seven", "type": "MMS", "last_modified_at": NOON, "sent_at": None},
    {"campaign_id": 8, "name": "Eight", "type": "sms", "last_modified_at": NOON, "sent_at": None},
]


@pytest.mark.parametrize(
    "form",
    [
        list,
        pd.DataFrame,
        pl.DataFrame,
        lambda rows: (SimpleNamespace(**row) for row in rows),
        lambda rows: [Campaign(**{**row, "campaign_id": str(row["campaign_id"])}) for row in rows],
    ],
)
@pytest.mark.parametrize("key", [7, 7.0, "7"])
def test_details_come_as_any_table(form, key):
    """What is known may be Campaigns, mappings, objects or a frame; an id may be a number on either side."""
    table = ck.campaigns([{"campaign_id": key, "status": "sent"}], campaigns=form(DETAILS))

    assert {row.name: row.summary.counts.sent for row in table} == {"Seven": 1, "Eight": 0}
    assert {row.by_column["type"] for row in table} == {"mms", "sms"}
    assert {row.by_column["last_modified_at"] for row in table} == {NOON}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("spring", "campaigns is 'spring': give Campaigns, mappings with their fields, or a frame"),
        ({"campaign_id": "a"}, "campaigns is {'campaign_id': 'a'}: give Campaigns, mappings"),
        (7, "campaigns is 7: give"),
        ([Campaign(campaign_id="a")] * 2, "campaigns, row 1: 'a' is given twice; give it once"),
        ([{"name": "x"}], "campaigns, row 0: campaign_id is None: must be text"),
        ([{"campaign_id": "a", "type": "fax"}], "campaigns, row 0: type is 'fax': must be sms or mms; leave it out"),
        (
            [{"campaign_id": "a", "sent_at": NOON.replace(tzinfo=None)}],
            "campaigns, row 0: sent_at is datetime.datetime(2026, 11, 21, 12, 0): has no time zone: give timezone=",
        ),
    ],
)
def test_details_that_break_a_rule(given, sentence):
    """What cannot be known of a campaign is one sentence with its row, value and rule."""
    with pytest.raises(InvalidValue) as error:
        ck.campaigns(ROWS, campaigns=given)

    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        ({"rank_by": "click_rat"}, InvalidValue, "rate is 'click_rat': not one we know; nearest: click_rate"),
        ({"profile": "brewo"}, InvalidValue, "profile is 'brewo': not one we know; nearest: brevo"),
        ({"carrier": "twillio"}, InvalidValue, "carrier is 'twillio': no table of codes for it"),
        ({"people": "contact"}, InvalidColumn, "people= names 'contact', which no row has"),
        ({"rows": [{"status": "sent"}]}, InvalidColumn, "by= names 'campaign_id', which no row has"),
        ({"rows": [{"campaign_id": "a", "status": "snet"}]}, UnknownStatus, "row 0: status is 'snet'"),
        ({"rows": "spring"}, InvalidValue, "rows is 'spring': give a frame, or an iterable"),
    ],
)
def test_what_summarize_refuses_is_refused(asked, error, sentence):
    """Bad input is the sentence that `summarize` and `rank` have for it."""
    with pytest.raises(error) as raised:
        ck.campaigns(**{"rows": ROWS, **asked})

    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize("form", ["mappings", "pandas", "polars"])
def test_columns_of_their_own_names(form):
    """Columns called otherwise, a carrier's words and naive times are read as `summarize` reads them."""
    rows = [{"utm": "a", "State": "undelivered", "at": NOON.replace(tzinfo=None)}]
    columns = {"campaign_id": "utm", "status": "State", "sent_at": "at"}

    (row,) = ck.campaigns(FORMS[form](rows), columns=columns, carrier="twilio", timezone="Asia/Tokyo")

    assert (row.name, row.summary.counts.failed, row.last_sent) == ("a", 1, NOON - dt.timedelta(hours=9))


@pytest.mark.parametrize("form", FORMS)
def test_without_times_nobody_knows_when_it_was_sent(form):
    """Rows without times of sending make a table all the same."""
    (row,) = ck.campaigns(FORMS[form](sent("a", 1, 0)))

    assert row.last_sent is None


def test_a_log_knows_its_moments():
    """A log's own latest moment, replies included, is when the table is true."""
    log = ck.read_log([{"status": "sent", "campaign_id": "a", "sent_at": NOON}])

    assert ck.campaigns(log).total.as_of == NOON


# --- order -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("last_sent", ["(no campaign)", "summer", "autumn", "Spring sale", "Winter sale"]),
        ("place", ["summer", "Spring sale", "(no campaign)", "autumn", "Winter sale"]),
        ("name", ["Spring sale", "Winter sale", "(no campaign)", "summer", "autumn"]),
        ("delivered", ["summer", "Spring sale", "(no campaign)", "autumn", "Winter sale"]),
        ("failure_rate", ["(no campaign)", "Spring sale", "summer", "autumn", "Winter sale"]),
        ("health", ["autumn", "summer", "Spring sale", "(no campaign)", "Winter sale"]),
        ("revenue", ["summer", "Spring sale", "(no campaign)", "autumn", "Winter sale"]),
        ("revenue_EUR", ["summer", "Spring sale", "(no campaign)", "autumn", "Winter sale"]),
    ],
)
def test_sorted_by_any_column(column, names):
    """Numbers and moments come largest first, texts from A to Z, places from 1; what is not known comes last."""
    brought = {"spring": Decimal(5), "summer": Decimal(9)}
    rows = [{**row, "orders": 0, "revenue": brought.get(row["campaign_id"]), "currency": "EUR"} for row in ROWS]

    table = ck.campaigns(rows, campaigns=KNOWN, min_sent=2)

    assert [row.name for row in table.sorted(column)] == names
    assert [row.by_column for row in table.sorted(column).sorted("last_sent")] == [row.by_column for row in table]


@given(drawn(least=1), st.sampled_from(["delivered", "click_rate", "last_sent", "campaign_id", "health", "progress"]))
def test_an_order_and_its_reverse(rows, column):
    """Sorting loses nobody; reversed, what is known is the other way round and what is not is still last."""
    table = ck.campaigns(rows, min_sent=1)

    one, other = table.sorted(column), table.sorted(column, reverse=True)

    values, reverse = ([row[column] for row in each.rows() if row[column] is not None] for each in (one, other))
    assert sorted(map(str, values)) == sorted(map(str, reverse))
    assert values == reverse[::-1]
    assert {row.name for row in one} == {row.name for row in other} == {row.name for row in table}


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("click_rat", "no column 'click_rat'; nearest: click_rate"),
        ("revenue", "revenue is in several currencies: give one of revenue_EUR, revenue_USD"),
        ("cost", "no column 'cost'; nearest:"),
    ],
)
def test_a_column_that_is_not_there(column, sentence):
    """An unknown column names the nearest; amounts in several currencies have no one order."""
    rows = [
        {"campaign_id": "a", "status": "sent", "orders": 1, "revenue": Decimal(1), "currency": currency}
        for currency in ("EUR", "USD")
    ]

    with pytest.raises(InvalidColumn) as error:
        ck.campaigns(rows).sorted(column)

    assert str(error.value).startswith(sentence)


# --- out ---------------------------------------------------------------------------------------


def test_text_names_its_definitions():
    """Below the table stand the profile, when it was true, and what places are by."""
    text = str(ck.campaigns(ROWS, profile="brevo", rank_by="opt_out_rate", min_sent=1_000))

    assert text.splitlines()[-1] == (
        "brevo, as of 2026-11-21 12:00 UTC; placed by opt out rate = opted out ÷ delivered, from 1,000 sent"
    )


HOSTILE = "<script>\x1b[2J\n\u202eexe"


def test_no_name_breaks_a_line_or_makes_an_element():
    """Names of campaigns and of people are data, in text and in HTML."""
    known = Campaign(campaign_id="a", name=HOSTILE, last_modified_by=HOSTILE)
    table = ck.campaigns([{"campaign_id": "a", "status": "sent"}], campaigns=[known])

    assert len(str(table).splitlines()) == 3
    assert "<script" not in table._repr_html_()
    assert {"\x1b", "\u202e"}.isdisjoint(str(table) + table._repr_html_())


class Page(html.parser.HTMLParser):
    """The tables of a page as rows of cells, and how often each element stands in it."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags, self._cell = [], collections.Counter(), False
        self.feed(text)

    def handle_starttag(self, tag, _):
        """Count an element; open a row or a cell."""
        self.tags[tag] += 1
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self._cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        """Close a cell."""
        self._cell = self._cell and tag not in {"td", "th"}

    def handle_data(self, data):
        """Take what a cell says."""
        if self._cell:
            self.rows[-1][-1] += data.strip()


def test_a_page_has_the_table_and_its_definitions(tmp_path):
    """The page is one file with a sortable row for each campaign, who is first, and every formula."""
    table = ck.campaigns(ROWS, campaigns=KNOWN, profile="brevo", min_sent=2)

    text = table.to_html(tmp_path / "campaigns.html", title="This year")

    page = Page(text)
    assert (tmp_path / "campaigns.html").read_text("utf-8") == text
    assert [row[0] for row in page.rows if row[0] in {each.name for each in table}] == [each.name for each in table]
    assert "data-sortable" in text
    assert "summer: 90.0 % (9/10)" in text
    assert all(str(formula) in text for formula in PROFILES["brevo"].rates.values())
    assert not re.search(r"""(src|href)=|url\(|@import|https?:""", text)


def test_a_page_of_many_campaigns_is_not_too_large():
    """Of thousands of campaigns with long names the page shows the first and says how many more there are."""
    rows = ({"campaign_id": f"{place:04}" + "<x>" * 200, "status": "sent"} for place in range(3_000))

    text = ck.campaigns(rows, min_sent=1).to_html()

    assert "… and 2,800 more; the CSV has all." in text
    assert len(text.encode()) < 1_000_000


def test_names_make_no_elements_of_a_page():
    """Whatever campaigns are called, the page has the same elements."""
    pages = [
        ck.campaigns([{"campaign_id": name, "status": "sent"}], campaigns=[{"campaign_id": name, "name": name}])
        for name in ("plain", HOSTILE, '"><img src=x onerror=alert(1)>', "</script><svg onload=alert(1)>")
    ]

    assert len({tuple(sorted(Page(each.to_html(title=each[0].name)).tags.items())) for each in pages}) == 1


def test_json_ready_values():
    """The dictionary has the definitions, the ranking, and of each campaign what is known and every number."""
    table = ck.campaigns(ROWS, campaigns=KNOWN, min_sent=2)

    read = json.loads(json.dumps(table.to_dict()))

    assert read == table.to_dict()
    assert (read["profile"], read["rank_by"], read["min_sent"], read["winner"]) == (
        "campaignkit",
        "delivery_rate",
        2,
        "summer",
    )
    spring = read["campaigns"][3]
    assert (spring["name"], spring["last_sent"], spring["last_modified_at"], spring["place"]) == (
        "Spring sale",
        "2026-11-21T12:00:10+00:00",
        "2026-11-21T11:59:00+00:00",
        2,
    )
    assert spring["rates"]["delivery_rate"]["value"] == 0.8
    assert spring["progress"]["processed"]["value"] == 1.0


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_a_frame_has_a_row_for_each_campaign(backend):
    """As a frame of any kind, the table has the same columns and values."""
    table = ck.campaigns(ROWS, campaigns=KNOWN, min_sent=2)

    frame = table.to_frame(backend)

    columns = frame.column_names if backend == "pyarrow" else list(frame.columns)
    assert columns == list(table.columns)
    assert list(map(int, frame["delivered"].to_pylist() if backend == "pyarrow" else frame["delivered"])) == [
        *(1, 9, 1, 8, 0)
    ]


def test_csv_has_every_column_and_is_safe():
    """A spreadsheet gets every column, runs no name, and reads whose definitions these are in each row."""
    known = Campaign(campaign_id="spring", name="=1+1")
    file = io.StringIO(newline="")

    ck.campaigns(ROWS, campaigns=[known], profile="dotdigital", min_sent=2).to_csv(file)

    file.seek(0)
    rows = {row["campaign_id"]: row for row in csv.DictReader(file)}
    assert rows["spring"]["name"] == "'=1+1"
    assert (rows["spring"]["delivery_rate"], rows["spring"]["place"], rows["spring"]["clicks"]) == ("0.8", "2", "")
    assert (rows["summer"]["last_sent"], rows["summer"]["profile"]) == ("2026-11-21T12:00:30+00:00", "dotdigital")


def test_a_manifest_stands_beside_the_csv(tmp_path):
    """Beside the file stands what its numbers mean and what places are by."""
    table = ck.campaigns(ROWS, profile="brevo", rank_by="click_rate", min_sent=2)

    table.to_csv(tmp_path / "campaigns.csv")

    manifest = json.loads((tmp_path / "campaigns.csv.manifest.json").read_text("utf-8"))
    assert (manifest["profile"], manifest["rows"], manifest["columns"]) == ("brevo", 4, list(table.columns))
    assert manifest["place"] == "by click_rate, of campaigns that sent at least 2"
    assert manifest["formulas"]["reply_rate"] == "replied ÷ delivered"


# --- the noun ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "missing 1 required keyword-only argument: 'campaign_id'"),
        ({"campaign_id": " "}, "campaign_id is ' ': must not be empty"),
        ({"campaign_id": "a", "type": "email"}, "type is 'email': must be sms or mms; leave it out when it is not"),
        ({"campaign_id": "a", "type": 5}, "type is 5: must be sms or mms"),
        ({"campaign_id": "a", "sent_at": NOON.replace(tzinfo=None)}, "has no time zone"),
        ({"campaign_id": "a", "name": 5}, "name is 5: must be text"),
    ],
)
def test_a_campaign_is_valid_or_an_error(fields, sentence):
    """What breaks a rule of a campaign is one sentence with field, value, rule and remedy."""
    with pytest.raises((InvalidValue, TypeError)) as error:
        Campaign(**fields)

    assert sentence in str(error.value)


def test_a_page_has_every_count_that_was_made():
    """On the page, which can be scrolled, total clicks, segments and unique clickers stand beside the rates."""
    rows = [{"campaign_id": "spring", "contact_id": "ana", "status": "sent", "clicks": 3, "segments": 2}] * 2

    page = ck.campaigns(rows, people="contact_id").to_html()

    for heading, value in (("Clicks", 6), ("Segments", 4), ("Clickers", 1)):
        assert f"<bdi>{heading}</bdi></th>" in page
        assert f'data-value="{value}"' in page


def test_the_last_sending_is_the_last_though_the_clock_was_put_back():
    """Of two moments in the hour that a clock shows twice, the later one is last."""
    paris = zoneinfo.ZoneInfo("Europe/Paris")
    first = dt.datetime(2026, 10, 25, 2, 30, tzinfo=paris)
    last = dt.datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=paris)
    rows = [{"campaign_id": "spring", "status": "sent", "sent_at": at} for at in (first, last)]

    (row,) = ck.campaigns(rows)

    assert row.last_sent.timestamp() == last.timestamp()
