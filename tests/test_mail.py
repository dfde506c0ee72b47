"""The report as an e-mail message: what is read back is what was said, and no name adds a header or an element."""

from __future__ import annotations

import collections
import csv
import datetime as dt
import email
import email.policy
import hashlib
import html.parser
import io
import json
import re
import smtplib
from email.headerregistry import Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignkit import mail
from campaignkit.ab import compare
from campaignkit.display import Section, Table
from campaignkit.errors import InvalidValue
from campaignkit.exports import LOG_COLUMNS
from campaignkit.logs import Log
from campaignkit.mail import MOST_HTML
from campaignkit.models import Message, Reply
from campaignkit.profiles import PROFILES
from campaignkit.report import Report
from strategies import NOON, campaigns

MESSAGES = [
    *[Message(status="delivered", campaign_id="spring", variant="a", list_id="shop", sent_at=NOON) for _ in range(3)],
    Message(status="failed", campaign_id="spring", variant="b", list_id="web", carrier="twilio", error_code="30003"),
]
ANYTHING = st.text(st.characters(exclude_categories=()), min_size=1, max_size=40)


def read_back(report, **headers):
    """Return a report's message as a mail program reads it from the bytes that go over the wire."""
    return email.message_from_bytes(report.to_email(**headers).as_bytes(), policy=email.policy.default)


def page_of(message):
    """Return the HTML of a message."""
    return message.get_body(("html",)).get_content()


class Elements(html.parser.HTMLParser):
    """How often each element stands in a page, its text, and what is never closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = collections.Counter(), "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Count an element; what is not void must be closed."""
        self.tags[tag] += 1
        assert {name for name, _ in attributes} <= {
            *("style", "align", "cellspacing", "cellpadding", "lang", "charset", "name", "content")
        }
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close the last element."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Take the text."""
        self.text += data


# --- the whole message -------------------------------------------------------------------------


def test_a_message_by_hand():
    """Text and HTML are alternatives, the log and its manifest are attached, the headers say what and from whom."""
    report = Report.of(MESSAGES, profile="brevo")

    message = read_back(report, sender="Ann <ann@example.com>", to=["bob@example.com", "Cy <cy@example.com>"])

    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "text/csv",
        "application/json",
    ]
    assert [part.get_filename() for part in message.iter_attachments()] == [
        "messages.csv",
        "messages.csv.manifest.json",
    ]
    assert message["Subject"] == "spring: 75.0 % of 4 messages delivered, as of 2026-11-21 12:00 UTC"
    assert (message["From"], message["To"]) == (
        "Ann <ann@example.com>",
        "bob@example.com, Cy <cy@example.com>",
    )
    assert [part.defects for part in message.walk()] == [[]] * 6


def test_the_text_is_the_report():
    """The plain text is the report's own, with a line about what is attached."""
    report = Report.of(MESSAGES)

    text = read_back(report).get_body(("plain",)).get_content()

    assert text.replace("\r\n", "\n") == f"{report.to_text()}\nAttached: messages.csv, messages.csv.manifest.json.\n"


def test_the_attached_log_is_the_file(tmp_path):
    """The attached files are those that `to_csv` writes, byte by byte."""
    report = Report.of(MESSAGES, profile="dotdigital")
    report.to_csv(tmp_path / "messages.csv")

    attached = {part.get_filename(): part.get_payload(decode=True) for part in read_back(report).iter_attachments()}

    assert attached == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    manifest = json.loads(attached["messages.csv.manifest.json"])
    assert manifest["sha256"] == hashlib.sha256(attached["messages.csv"]).hexdigest()
    rows = list(csv.reader(io.StringIO(attached["messages.csv"].decode(), newline="")))
    assert (rows[0], len(rows)) == (list(LOG_COLUMNS), 5)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_html_has_numbers_and_definitions(profile):
    """Every tile, failure, group and formula of the report stands in the HTML; messages do not."""
    report = Report.of(MESSAGES, profile=profile)

    found = Elements(page_of(read_back(report)))

    assert found.open == []
    for text in ("spring", "75.0 %", "30003", "phone off or out of coverage", "By variant", "By list", profile):
        assert text in found.text
    assert all(str(formula) in found.text for formula in PROFILES[profile].rates.values())
    assert "First messages" not in found.text


def test_the_html_needs_no_style_sheet_and_nothing_from_elsewhere():
    """A program that drops style sheets still has tables, sizes and borders; nothing is loaded, nothing runs."""
    text = page_of(read_back(Report.of(MESSAGES)))

    assert not re.search(r"<style|<script|<link|<img|class=|(src|href)=|url\(|@import|https?:|var\(", text)
    assert text.count("<table") > 4


def test_the_same_report_is_the_same_message():
    """Nothing is drawn at random or read from a clock, boundaries included; what changes the report changes them."""
    one, two = (Report.of(MESSAGES).to_email(to="a@example.com").as_bytes() for _ in range(2))
    other = Report.of(MESSAGES[1:]).to_email(to="a@example.com").as_bytes()

    assert one == two
    assert not {b"date", b"message-id"} & {line.split(b":")[0].lower() for line in one.split(b"\r\n\r\n")[0].split()}
    assert email.message_from_bytes(one).get_boundary() != email.message_from_bytes(other).get_boundary()


def test_lines_are_what_servers_take():
    """Lines end in CR LF, and none is longer than the 998 signs that servers must take."""
    rows = [Message(status="sent", campaign_id="x" * 5_000, contact_name="ü" * 5_000)]

    data = Report.of(rows).to_email(sender="ann@example.com", to=["bob@example.com"] * 200).as_bytes()

    assert data.count(b"\r\n") == data.count(b"\n")
    assert max(map(len, data.split(b"\r\n"))) <= 998


def test_smtplib_sends_it():
    """The standard library's client takes sender and recipients from the message."""
    sent = []

    class Server(smtplib.SMTP):
        """A client whose server accepts everything."""

        def ehlo_or_helo_if_needed(self):
            """There is nobody to greet."""

        def sendmail(self, sender, recipients, data, *_):
            """Keep what would go over the wire."""
            sent.append((sender, recipients, data))

    Server().send_message(Report.of(MESSAGES).to_email(sender="Änn <ann@example.com>", to="bob@example.com"))

    ((sender, recipients, data),) = sent
    assert (sender, recipients) == ("ann@example.com", ["bob@example.com"])
    assert b"75.0 % of 4 messages" in data


# --- headers -----------------------------------------------------------------------------------


def test_a_draft_has_no_addresses():
    """Without a sender or recipients there are no such headers; whoever sends it adds them."""
    message = read_back(Report.of(MESSAGES))

    assert (message["From"], message["To"]) == (None, None)


def test_the_subject_may_be_given():
    """A subject of one's own replaces ours, in any script."""
    assert read_back(Report.of(MESSAGES), subject="Größe 春")["Subject"] == "Größe 春"


def test_the_subject_of_nothing():
    """Where nothing was sent the subject has no rate and no time."""
    assert read_back(Report.of([]))["Subject"] == "messages: 0 messages"


def test_the_subject_has_the_clock_of_the_report():
    """The time in the subject is that of the zone the report shows."""
    report = Report.of(MESSAGES, zone="Asia/Tokyo")

    assert read_back(report)["Subject"].endswith("as of 2026-11-21 21:00 JST")


@given(ANYTHING)
def test_no_title_adds_a_header(title):
    """Whatever a campaign is called, the message has the same headers and its subject is one line."""
    message = read_back(Report.of(MESSAGES, title=title), sender="ann@example.com")

    assert message.keys() == ["Subject", "From", "MIME-Version", "Content-Type"]
    assert len(message["Subject"].splitlines()) == 1
    assert message["Subject"].endswith(": 75.0 % of 4 messages delivered, as of 2026-11-21 12:00 UTC")


@pytest.mark.parametrize("title", ["x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "\u202eexe", "a" * 1_000])
def test_titles_by_hand(title):
    """A title with line breaks, direction marks or a thousand signs is a subject of one line."""
    message = read_back(Report.of(MESSAGES, title=title))

    assert message["Bcc"] is None
    assert len(message["Subject"]) < 160
    assert "\u202e" not in message["Subject"]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("ann@example.com", ""),
        ("Änn Müller <ann@example.com>", "Änn Müller"),
        ('"Müller, Ann" <ann@example.com>', "Müller, Ann"),
        ("春 <ann@example.com>", "春"),
        ("שלום <ann@example.com>", "שלום"),
        (Address("Müller, Änn", "ann", "example.com"), "Müller, Änn"),
    ],
)
def test_names_in_any_script(address, name):
    """Names in any script, with commas in quotes, come back as they were, as sender and as recipient."""
    message = read_back(Report.of(MESSAGES), sender=address, to=[address, "bob@example.com"])

    assert [(each.display_name, each.addr_spec) for each in message["From"].addresses] == [(name, "ann@example.com")]
    assert [each.addr_spec for each in message["To"].addresses] == ["ann@example.com", "bob@example.com"]


BAD = [
    "ann",
    "",
    " ",
    "<>",
    "ann@",
    "@example.com",
    "ann bob@example.com",
    "ann..bob@example.com",
    "ann@example.com, eve@example.com",
    "Müller, Ann <ann@example.com>",
    "ann@example.com <eve@example.com>",
    "ann@example.com)eve@example.org",
    "everybody: ann@example.com, eve@example.com;",
    "one: ann@example.com;",
    "=?utf-8?q?x=0d=0aBcc=3a_eve?= <ann@example.com>",
    "änn@example.com",
    "ann@exämple.com",
    f"{'x' * 300}@example.com",
    "((((" * 5_000,
]


@pytest.mark.parametrize("address", BAD)
@pytest.mark.parametrize("field", ["sender", "to"])
def test_what_is_not_one_address(field, address):
    """What is no address, or more than one, is one sentence with the value, the rule and the remedy."""
    with pytest.raises(InvalidValue) as error:
        Report.of(MESSAGES).to_email(**{field: address})

    assert str(error.value).startswith(f"{field} is ")
    assert str(error.value).endswith(
        'must be one e-mail address; give one, like "Ann <ann@example.com>", several as a list,'
        " names with commas in quotes"
    )


@pytest.mark.parametrize(
    "text", ["a\r\nBcc: eve@example.com", "a\nb", "a\rb", "a\0", "a\u2028b", "\ud800", "\u202ea", 7]
)
@pytest.mark.parametrize("field", ["sender", "to", "subject"])
def test_no_address_or_subject_adds_a_header(field, text):
    """Line breaks and control signs in what the caller gives are refused, not repaired."""
    given = [text] if field == "to" else text

    with pytest.raises(InvalidValue, match=f"^{field} is .*: must be one line of text; take out line breaks"):
        Report.of(MESSAGES).to_email(**{field: given})


@given(ANYTHING)
def test_any_text_is_one_address_or_an_error(text):
    """Whatever is given as an address, there is one recipient or an error, and no other header."""
    try:
        message = read_back(Report.of(MESSAGES[:1]), to=[text])
    except InvalidValue:
        return

    assert message.keys() == ["Subject", "To", "MIME-Version", "Content-Type"]
    assert len(message["To"].addresses) == 1


# --- what the HTML holds -----------------------------------------------------------------------


@given(ANYTHING)
def test_no_name_makes_an_element(name):
    """Whatever campaigns, variants, senders and codes are called, the HTML has the same elements."""

    def elements(called):
        fields = dict.fromkeys(("campaign_id", "variant", "list_id", "sender", "error_code"), f"x{called}"[:12])
        rows = [Message(status="failed", **fields), Message(status="failed", variant="b", list_id="c")]
        return Elements(page_of(read_back(Report.of(rows))))

    found, plain = elements(name), elements("y")

    assert found.tags == plain.tags
    assert found.open == []


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202eexe.gpj"])
def test_hostile_names_by_hand(name):
    """Markup in names is text, and what turns the reading direction is shown escaped."""
    text = page_of(read_back(Report.of([Message(status="sent", campaign_id=name)])))

    assert "<script" not in text
    assert "<img" not in text
    assert "\u202e" not in text


@given(campaigns(least=0))
def test_any_campaign_makes_a_message(rows):
    """Whatever was sent, the message reads back without a defect and its HTML is whole and small."""
    message = read_back(Report.of(rows, by=["variant", "campaign_id"]))

    assert [part.defects for part in message.walk() if part.defects] == []
    assert Elements(page_of(message)).open == []
    assert len(page_of(message).encode()) < MOST_HTML


@pytest.mark.parametrize("sign", ["x", "<", "\u202e", "春"])
def test_the_html_stays_below_what_programs_cut(sign):
    """With thousands of groups and codes of hundreds of signs the HTML is short, and says what it leaves out."""
    rows = [
        Message(
            status="failed",
            carrier="acme",
            **dict.fromkeys(("campaign_id", "variant", "list_id", "sender", "error_code"), f"{n}{sign * 400}"),
        )
        for n in range(3_000)
    ]

    message = read_back(Report.of(rows, title=sign * 10_000))

    text = page_of(message)
    assert len(text.encode()) < MOST_HTML
    assert Elements(text).open == []
    assert "… and more: here are the first 20." in text
    assert "What the numbers mean" in text


def test_sections_that_do_not_fit_are_named(monkeypatch):
    """A break-down that would make the mail too long is left out whole, and named."""
    report = Report.of([Message(status="sent", variant=str(n), list_id=str(n)) for n in range(40)])
    whole = page_of(read_back(report))
    monkeypatch.setattr(mail, "MOST_HTML", len(whole.encode()))

    text = page_of(read_back(report))

    assert "Left out because mail programs cut long mails: <bdi>By list</bdi>." in text
    assert "By variant" in text


def test_parts_a_mail_cannot_show_are_left_out():
    """A picture is left out; a table without a head or of long texts is still readable."""
    sections = [
        Section("tiles", "", [object()]),
        Section("failures", "Why", [Table(head=("n", "reason"), rows=[("1", "because " * 3)], stacked=True)]),
        Section("definitions", "", [Table(rows=[("a", "b")], title="Named", rest="… and 3 more.")]),
    ]
    report = Report.of(MESSAGES)

    text = Elements(
        page_of(mail.make_email(title="x", summary=report.summary, sections=sections, text="", files={}, zone=dt.UTC))
    ).text

    assert "n 1reason because because because" in text
    assert "Named" in text
    assert "… and 3 more." in text


def test_a_test_of_texts_is_its_tables():
    """Of a comparison the mail has sentences and tables, each row below what it is of; no picture."""
    counts = {"a": {"sent": 900, "clicked": 50, "hard": 9}, "b": {"sent": 900, "clicked": 70, "hard": 9}}
    test = compare(counts, metrics=["click_rate", "hard_bounce_rate"])

    found = Elements(page_of(read_back(Report.of(MESSAGES, ab=test))))

    assert found.open == []
    for text in ("A/B test", "5.6 %4.2 to 7.2 %", "b against a", "Metric Click rateLift +40.0 % -1.4 to +98.9 %"):
        assert text in found.text
    assert "Lift against a" not in found.text


# --- large logs --------------------------------------------------------------------------------


def test_a_log_too_large_for_mail_is_not_attached(monkeypatch):
    """A message log that servers would refuse is left out, and text and HTML say so."""
    monkeypatch.setattr("campaignkit.report.MOST_ATTACHED", 500)

    message = read_back(Report.of(MESSAGES))

    assert list(message.iter_attachments()) == []
    for part in ("plain", "html"):
        text = message.get_body((part,)).get_content()
        assert "The message log is not attached: it is larger than 10 MB." in text
    assert message.get_content_type() == "multipart/alternative"


def test_what_people_wrote_is_not_in_the_html():
    """Replies are in the text, not in the HTML that is passed on."""
    reply = Reply(received_at=NOON, text="call me")

    message = read_back(Report.of(Log(messages=tuple(MESSAGES), replies=(reply,))))

    assert "call me" in message.get_body(("plain",)).get_content()
    assert "call me" not in page_of(message)
