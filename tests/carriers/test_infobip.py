"""Infobip: what it is sent, what its answers mean, and which of its webhooks are believed."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from random import Random

import attrs
import pytest

from campaignkit import Attempt, InvalidValue, Keyword, Message, Outcome, Receipt, Reply, Status, WebhookRejected, fold
from campaignkit.backends.carriers import Infobip, Refusal, Request, Response
from campaignkit.backends.carriers.port import basic
from campaignkit.testing import CarrierContract
from campaignkit.testing.dialects.base import Submitted, Why
from campaignkit.testing.dialects.infobip import InfobipDialect

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HOOKS = "https://app.example/hooks"
API = "https://00000.api.infobip.com"
INFOBIP = Infobip(
    api_url=API,
    api_key="not-a-key",
    webhook_username="infobip",
    webhook_password="not-a-password",
    webhook_url=HOOKS,
)
TOKEN = Infobip(api_url=API, api_key="not-a-key", webhook_token="not-a-token", webhook_url=HOOKS)
DIALECT = InfobipDialect(INFOBIP)
SUBMITTED = Submitted(to="+12025550143", sender="+12025550100", text="Hello", attempt_id="a-1")
MESSAGE = Message(status="pending", to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off")
TAKEN = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}


def posted(*results, proof=None, **more):
    """Return a webhook with a login, or another proof."""
    headers = {"Content-Type": "application/json", "Authorization": proof or basic("infobip", "not-a-password")}
    return Request("POST", HOOKS, headers, json.dumps({"results": results, **more}).encode())


def report(group=3, number=5, name="DELIVERED_TO_HANDSET", *, error=0, **more):
    """Return one report, as version 3 writes it."""
    return {
        "bulkId": "bulk-1",
        "messageId": "m-1",
        "to": "12025550143",
        "sender": "ACME",
        "sentAt": "2026-11-22T11:59:00.000+0000",
        "doneAt": "2026-11-22T12:59:30.000+0100",
        "messageCount": 1,
        "price": {"pricePerMessage": 0.01, "currency": "EUR"},
        "status": {"groupId": group, "groupName": "GROUP", "id": number, "name": name, "description": "..."},
        "error": {"groupId": 0, "groupName": "OK", "id": error, "name": "NAME", "permanent": False},
        **more,
    }


def said(**more):
    """Return one reply."""
    return {"messageId": "r-1", "from": "12025550143", "to": "12025550100", **more}


def answered(status, **more):
    """Return the answer about one message."""
    return {
        "bulkId": "bulk-1",
        "messages": [{"messageId": "m-1", "destination": "12025550143", **more, "status": status}],
    }


def events_of(*results, **more):
    """Return what some results report."""
    return INFOBIP.events(posted(*results, **more), now=NOW)


def reason_of(carrier, request, now=NOW):
    """Return why a webhook is rejected."""
    with pytest.raises(WebhookRejected) as caught:
        carrier.events(request, now=now)
    return caught.value.reason


class TestInfobip(CarrierContract):
    """Infobip keeps what every carrier promises but for what a login cannot cover."""

    carrier = INFOBIP
    now = NOW
    receipt = DIALECT.receipt(SUBMITTED, "1" * 22, "3/5 DELIVERED_TO_HANDSET", None, NOW)
    reply = DIALECT.reply("+12025550143", "+12025550100", "Hello", "2" * 22, NOW)
    taken = DIALECT.taken(SUBMITTED, "1" * 22, NOW)
    refused = DIALECT.refused(Why.INVALID_NUMBER)
    covers_body = False
    covers_address = False


class TestInfobipToken(TestInfobip):
    """So it does with a token."""

    carrier = TOKEN
    receipt = InfobipDialect(TOKEN).receipt(SUBMITTED, "1" * 22, "3/5 DELIVERED_TO_HANDSET", None, NOW)
    reply = InfobipDialect(TOKEN).reply("+12025550143", "+12025550100", "Hello", "2" * 22, NOW)


# --- who makes a request -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "proof", "believed"),
    [
        (INFOBIP, basic("infobip", "not-a-password"), True),
        (INFOBIP, basic("other", "not-a-password"), False),
        (INFOBIP, basic("infobip", "other"), False),
        (INFOBIP, "Bearer not-a-token", False),
        (TOKEN, "Bearer not-a-token", True),
        (TOKEN, "Bearer other", False),
        (TOKEN, "not-a-token", False),
        (TOKEN, basic("infobip", "not-a-password"), False),
    ],
)
def test_a_login_or_a_token(carrier, proof, believed):
    """The header Authorization must hold the login, or the token, that the carrier was made with."""
    request = posted(report(), proof=proof)

    if believed:
        assert len(carrier.events(request, now=NOW)) == 1
    else:
        assert reason_of(carrier, request) == "signature"


def test_new_secrets_beside_the_old():
    """While a secret is replaced both verify, and the new key sends."""
    login = attrs.evolve(INFOBIP, webhook_password=["new", "old"], api_key=["newer", "older"])
    token = attrs.evolve(TOKEN, webhook_token=["new", "old"])

    for secret in ("new", "old"):
        assert len(login.events(posted(report(), proof=basic("infobip", secret)), now=NOW)) == 1
        assert len(token.events(posted(report(), proof=f"Bearer {secret}"), now=NOW)) == 1
    assert reason_of(token, posted(report(), proof="Bearer other")) == "signature"
    assert login.encode(MESSAGE, Attempt()).headers["authorization"] == "App newer"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"webhook_username": "infobip"},
        {"webhook_password": "password"},
        {"webhook_token": "token", "webhook_username": "infobip"},
        {"webhook_token": "token", "webhook_password": "password"},
        {"webhook_token": "token", "webhook_username": "infobip", "webhook_password": "password"},
    ],
)
def test_exactly_one_way(given):
    """None, half of one, or two ways to check a webhook are an error when the carrier is made."""
    with pytest.raises(InvalidValue, match="webhook_username and webhook_password, or webhook_token, must be given"):
        Infobip(api_url=API, api_key="key", **given)


def test_the_address_is_the_accounts_own():
    """There is no address for everybody, and so none to fall back on."""
    with pytest.raises(InvalidValue, match="api_url is None: each account has its own; copy it"):
        Infobip(api_key="key", webhook_token="token")
    with pytest.raises(InvalidValue, match="must be a whole address"):
        Infobip(api_url="00000.api.infobip.com", api_key="key", webhook_token="token")


def test_secrets_are_never_shown():
    """Neither key, password nor token is in what is printed."""
    for carrier in (INFOBIP, TOKEN):
        assert "not-a-" not in repr(carrier)


# --- what arrives ------------------------------------------------------------------------------


def test_a_delivered_receipt():
    """A receipt has word, id, part, price and time of the carrier, and the attempt id that came back."""
    result = report(callbackData="a-1", mccMnc="310260")

    events = events_of(result)

    assert events == [
        Receipt(
            status="3/5 DELIVERED_TO_HANDSET",
            carrier="infobip",
            carrier_id="m-1",
            received_at=NOW,
            at=dt.datetime(2026, 11, 22, 11, 59, 30, tzinfo=dt.UTC),
            attempt_id="a-1",
            segments=1,
            price=Decimal("0.01"),
            currency="EUR",
        )
    ]
    assert events[0].raw == {**result, "price": {"pricePerMessage": Decimal("0.01"), "currency": "EUR"}}
    assert fold(events).status is Status.DELIVERED


def test_reports_come_in_batches():
    """Every report of a request is a receipt, in its order; a hundred fit."""
    batch = [report(messageId=f"m-{i}", error=i % 3) for i in range(100)]

    events = events_of(*batch)

    assert [each.carrier_id for each in events] == [f"m-{i}" for i in range(100)]
    assert [each.error_code for each in events[:3]] == [None, "1", "2"]
    assert len(posted(*(batch * 4)).body) < Infobip.max_body


def test_version_2_writes_other_names():
    """What version 2 calls otherwise is read too."""
    result = report(2, 9, "UNDELIVERABLE_NOT_DELIVERED", error=1)
    result["smsCount"] = result.pop("messageCount")

    [receipt] = events_of(result)

    assert (receipt.status, receipt.error_code) == ("2/9 UNDELIVERABLE_NOT_DELIVERED", "1")
    assert (receipt.segments, receipt.price) == (1, Decimal("0.01"))
    assert (fold([receipt]).status, fold([receipt]).error_code) == (Status.UNDELIVERED, "1")


@pytest.mark.parametrize(
    ("more", "segments"),
    [
        ({"messageCount": 2}, 2),
        ({"messageCount": None}, None),
        ({"price": None}, 1),
        ({"price": {"pricePerMessage": 0.01}}, 1),
        ({"price": {"pricePerMessage": "free", "currency": "EUR"}}, 1),
    ],
)
def test_a_price_that_is_not_clear(more, segments):
    """Whether a price is of one part is not said, so it is kept for one part alone, with its currency."""
    [receipt] = events_of(report(**more))

    assert (receipt.segments, receipt.price, receipt.currency) == (segments, None, None)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({"groupId": 3, "id": 2, "name": "DELIVERED_TO_OPERATOR"}, "3/2 DELIVERED_TO_OPERATOR"),
        ({"groupId": "3", "id": "2", "name": "DELIVERED_TO_OPERATOR"}, "3/2 DELIVERED_TO_OPERATOR"),
        ({"groupId": 9, "id": 999, "name": "TELEPORTED"}, "9/999 TELEPORTED"),
        ({"groupName": "REJECTED"}, "REJECTED"),
        ({"id": 5, "name": "DELIVERED_TO_HANDSET"}, "DELIVERED_TO_HANDSET"),
    ],
)
def test_words(status, word):
    """A word is group, id and name together; one that is in no table, or in pieces, is kept as it came."""
    [receipt] = events_of({"messageId": "m-1", "status": status})

    assert receipt == Receipt(status=word, carrier="infobip", carrier_id="m-1", received_at=NOW)
    assert (word == "9/999 TELEPORTED") is bool(fold([receipt]).unknown_words)


@pytest.mark.parametrize(
    ("number", "code"),
    [(0, None), ("0", None), (27, "27"), (15017, "mms:15017"), (4107, "dlt:4107"), (4711, "4711"), (None, None)],
)
def test_codes(number, code):
    """A code is written as the tables have it; 0 is none, and one that is in no table is kept."""
    [receipt] = events_of(report(2, 9, "UNDELIVERABLE_NOT_DELIVERED", error=number))

    assert receipt.error_code == code


def test_a_word_may_tell_why():
    """Where only the word says why, fold makes it the code."""
    [receipt] = events_of(report(5, 12, "REJECTED_NOT_ENOUGH_CREDITS"))

    state = fold([receipt])

    assert (state.status, state.error_code) == (Status.REJECTED, "@5/12 REJECTED_NOT_ENOUGH_CREDITS")


def test_callback_data_of_somebody_else():
    """What came along and is no id of ours is nobody's attempt."""
    [receipt] = events_of(report(callbackData="{order: 7}"))

    assert receipt.attempt_id is None


@pytest.mark.parametrize("at", ["", "soon", "2026-11-22T11:59:30", "2027-01-01T00:00:00.000+0000", None])
def test_a_time_that_cannot_be_believed(at):
    """A time without a zone, ahead of ours, or that is none costs no receipt."""
    [receipt] = events_of(report(doneAt=at))

    assert receipt.at is None


@pytest.mark.parametrize(
    "body",
    [
        {"notificationType": "CLICKED", "recipient": "12025550143", "url": "https://a.example", "messageId": "m-1"},
        {"results": []},
        {"results": ["text", 5, None]},
        {"results": [{"messageId": "m-1", "from": "1", "to": "2", "seenAt": "2026-11-22T11:59:00.000+0000"}]},
        {
            "results": [
                {"messageId": "m-1", "from": "1", "to": "2", "message": {"type": "TEXT", "text": "other channel"}}
            ]
        },
        {},
    ],
)
def test_what_is_about_no_message_of_ours(body):
    """Clicks, and what other channels report, are genuine and ignored."""
    request = attrs.evolve(posted(), body=json.dumps(body).encode())

    assert INFOBIP.events(request, now=NOW) == []


@pytest.mark.parametrize(("text", "keyword"), [("Hello", None), ("Stop.", Keyword.OPT_OUT), ("", None)])
def test_a_reply(text, keyword):
    """A reply says who wrote what to whom and when; Infobip's own keyword is the account's, and no wish of theirs."""
    result = said(
        text=text, cleanText="", keyword="QUIZ", receivedAt="2026-11-22T11:58:00.000+0000", smsCount=1, callbackData="x"
    )

    assert events_of(result, messageCount=1, pendingMessageCount=0) == [
        Reply(
            received_at=dt.datetime(2026, 11, 22, 11, 58, tzinfo=dt.UTC),
            dated=True,
            reply_id="r-1",
            to="+12025550143",
            sender="+12025550100",
            text=text,
            keyword=keyword,
            carrier="infobip",
        )
    ]


def test_a_reply_with_pictures():
    """An MMS comes in pieces: its texts are joined, its addresses kept."""
    pieces = [
        {"contentType": "text/plain", "value": "Look"},
        {"contentType": "image/jpeg", "url": "https://media.infobip.example/1"},
        {"contentType": "text/plain", "value": "here"},
    ]

    [reply] = events_of(said(message=pieces))

    assert (reply.text, reply.media) == ("Look\nhere", ("https://media.infobip.example/1",))


@pytest.mark.parametrize(
    "result",
    [
        report(messageId=None),
        report(messageId=" "),
        report(status={}),
        report(status="DELIVERED"),
        said(text="Hello", messageId=None),
        said(text="Hello", **{"from": None}),
    ],
)
def test_what_must_be_there(result):
    """A receipt without its message or word, and a reply without its writer, are malformed."""
    assert reason_of(INFOBIP, posted(report(), result)) == "malformed"


# --- sending -----------------------------------------------------------------------------------


@pytest.mark.parametrize("api_url", [API, f"{API}/"])
def test_a_message_is_handed_over(api_url):
    """Method, address, credentials, type and every field are those of Infobip's description."""
    request = attrs.evolve(INFOBIP, api_url=api_url).encode(MESSAGE, Attempt(attempt_id="a-1"))

    assert request.method == "POST"
    assert request.url == "https://00000.api.infobip.com/sms/3/messages"
    assert dict(request.headers) == {
        "authorization": "App not-a-key",
        "content-type": "application/json",
        "accept": "application/json",
    }
    assert json.loads(request.body) == {
        "messages": [
            {
                "sender": "12025550100",
                "destinations": [{"to": "12025550143", "messageId": "a-1"}],
                "content": {"text": "Spring sale: 20 % off"},
                "webhooks": {"callbackData": "a-1"},
            }
        ]
    }


def test_without_an_attempt_id():
    """Without an id of ours Infobip makes one; a name is a sender too."""
    request = INFOBIP.encode(attrs.evolve(MESSAGE, sender="ACME"), Attempt())

    assert json.loads(request.body)["messages"] == [
        {"sender": "ACME", "destinations": [{"to": "12025550143"}], "content": {"text": "Spring sale: 20 % off"}}
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sender": None}, "sender is None: infobip needs a number"),
        ({"text": None}, "text is None: there is nothing to send"),
        ({"text": "a" * 4001}, "text has 4,001 characters: infobip takes 4,000; shorten it"),
        ({"media": ["https://a.example/1"]}, "media is 1 file(s): infobip takes text only here"),
    ],
)
def test_what_cannot_be_sent(change, sentence):
    """What breaks a limit is refused before it is sent, in one sentence."""
    with pytest.raises(InvalidValue) as caught:
        INFOBIP.encode(attrs.evolve(MESSAGE, **change), Attempt())

    assert str(caught.value).startswith(sentence)


def rejected(number, name):
    """Return a rejection within a success."""
    return answered({"groupId": 5, "groupName": "REJECTED", "id": number, "name": name, "description": "why"})


@pytest.mark.parametrize(
    ("status_", "answer", "outcome", "refusal", "code"),
    [
        (200, answered(TAKEN, details={"messageCount": 2}), Outcome.TAKEN, None, None),
        (200, answered(TAKEN), Outcome.TAKEN, None, None),
        (200, rejected(23, "REJECTED_DUPLICATE_MESSAGE_ID"), Outcome.TAKEN, None, None),
        (200, rejected(52, "REJECTED_DESTINATION"), Outcome.REFUSED, Refusal.FINAL, "@5/52 REJECTED_DESTINATION"),
        (
            200,
            rejected(12, "REJECTED_NOT_ENOUGH_CREDITS"),
            Outcome.REFUSED,
            Refusal.ACCOUNT,
            "@5/12 REJECTED_NOT_ENOUGH_CREDITS",
        ),
        (
            200,
            rejected(20, "REJECTED_FLOODING_FILTER"),
            Outcome.REFUSED,
            Refusal.TEMPORARY,
            "@5/20 REJECTED_FLOODING_FILTER",
        ),
        (200, rejected(999, "REJECTED_NEW"), Outcome.REFUSED, Refusal.FINAL, "@5/999 REJECTED_NEW"),
        (200, {"messages": []}, Outcome.UNKNOWN, None, None),
        (200, {"messages": [{"messageId": "m-1"}]}, Outcome.UNKNOWN, None, None),
        (200, {"messages": [{"status": TAKEN}]}, Outcome.UNKNOWN, None, None),
        (
            400,
            {"requestError": {"serviceException": {"messageId": "BAD_REQUEST", "text": "no"}}},
            Outcome.REFUSED,
            Refusal.FINAL,
            "BAD_REQUEST",
        ),
        (400, {"errorCode": "E400", "description": "no"}, Outcome.REFUSED, Refusal.FINAL, "E400"),
        (401, {"errorCode": "E401", "description": "who?"}, Outcome.REFUSED, Refusal.ACCOUNT, "E401"),
        (403, {"errorCode": "E403", "description": "no"}, Outcome.REFUSED, Refusal.ACCOUNT, "E403"),
        (429, {"errorCode": "E429", "description": "slow"}, Outcome.REFUSED, Refusal.TEMPORARY, "E429"),
        (404, {"error": "from a proxy"}, Outcome.UNKNOWN, None, None),
        (408, {"errorCode": "E408", "description": "slow"}, Outcome.UNKNOWN, None, "E408"),
        (500, {"errorCode": "E500", "description": "down"}, Outcome.UNKNOWN, None, "E500"),
        (503, {}, Outcome.UNKNOWN, None, None),
    ],
)
def test_what_an_answer_means(status_, answer, outcome, refusal, code):
    """Each answer falls into its class: a rejection within a success is seen, an id taken before is taken."""
    made = INFOBIP.decode(Response(status_, {}, json.dumps(answer).encode()))

    assert (made.outcome, made.refusal, made.error_code, made.carrier) == (outcome, refusal, code, "infobip")
    assert made.carrier_id == ("m-1" if outcome is Outcome.TAKEN else None)
    assert made.segments == (2 if "messageCount" in json.dumps(answer) else None)


def test_a_rejection_uses_up_the_id():
    """What is rejected for now waits for an attempt with another id: at once, the same id would be a duplicate."""
    flooded = INFOBIP.decode(Response(200, {}, json.dumps(rejected(20, "REJECTED_FLOODING_FILTER")).encode()))
    nowhere = INFOBIP.decode(Response(200, {}, json.dumps(rejected(52, "REJECTED_DESTINATION")).encode()))

    assert (flooded.retryable, flooded.retry_after) == (True, 3600)
    assert (nowhere.retryable, nowhere.retry_after) == (False, None)


# --- the other side ----------------------------------------------------------------------------


def test_the_dialect_reads_what_we_send():
    """What the simulator reads is what was sent, attempt id included."""
    submitted = DIALECT.read(INFOBIP.encode(MESSAGE, Attempt(attempt_id="a-1")))

    assert submitted == Submitted(
        to="+12025550143", sender="+12025550100", text="Spring sale: 20 % off", attempt_id="a-1"
    )


def test_the_dialect_answers():
    """What the simulator answers is read as meant: taken, taken before, and a report without an attempt id."""
    bare = attrs.evolve(SUBMITTED, attempt_id=None)

    assert INFOBIP.decode(DIALECT.taken(SUBMITTED, "1" * 22, NOW)).carrier_id == "1" * 22
    assert INFOBIP.decode(DIALECT.duplicate(SUBMITTED, "1" * 22)).outcome is Outcome.TAKEN
    [receipt] = INFOBIP.events(DIALECT.receipt(bare, "1" * 22, "teleported", "mms:15017", NOW), now=NOW)
    assert (receipt.carrier_id, receipt.attempt_id) == ("1" * 22, None)
    assert (receipt.status, receipt.error_code) == ("teleported", "mms:15017")


@pytest.mark.parametrize(
    ("why", "refusal"),
    [
        (Why.BUSY, Refusal.TEMPORARY),
        (Why.INVALID_NUMBER, Refusal.FINAL),
        (Why.OPTED_OUT, Refusal.FINAL),
        (Why.ACCOUNT, Refusal.ACCOUNT),
        (Why.REQUEST, Refusal.FINAL),
    ],
)
def test_the_dialect_refuses(why, refusal):
    """Each reason to refuse is read as what it is."""
    assert INFOBIP.decode(DIALECT.refused(why)).refusal is refusal


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"method": "GET"}, InvalidValue),
        ({"url": f"{API}/sms/2/text/advanced"}, InvalidValue),
        ({"headers": {}}, PermissionError),
        ({"headers": {"Authorization": "App not-a-key"}}, InvalidValue),
        ({"body": b"{}"}, InvalidValue),
        ({"body": b'{"messages": [{"sender": "1", "destinations": [], "content": {"text": "Hi"}}]}'}, InvalidValue),
        ({"body": b'{"messages": [{"sender": "1", "destinations": [{}], "content": {"text": "Hi"}}]}'}, InvalidValue),
        ({"body": b'{"messages": [{"sender": "1", "destinations": [{"to": "1"}], "content": {}}]}'}, InvalidValue),
        ({"body": b'{"messages": [{"destinations": [{"to": "1"}], "content": {"text": "Hi"}}]}'}, InvalidValue),
        (
            {"body": b'{"messages": [{"destinations": [{"to": "1"}], "content": {"text": "%s"}}]}' % (b"a" * 4001)},
            InvalidValue,
        ),
    ],
)
def test_the_dialect_is_as_strict_as_infobip(change, error):
    """A request that Infobip would refuse, the simulator refuses."""
    request = INFOBIP.encode(MESSAGE, Attempt())
    given = {"method": request.method, "url": request.url, "headers": request.headers, "body": request.body}

    with pytest.raises(error):
        DIALECT.read(Request(**{**given, **change}))


def test_the_dialect_makes_up_an_account():
    """Without a host's carrier the simulator invents one; its ids are digits and its failures parts of a hundred."""
    dialect = InfobipDialect()
    ids = [dialect.new_id(Random(seed)) for seed in (1, 1, 2)]  # noqa: S311 - the same in every run

    assert dialect.carrier.api_url == API
    assert ids[0] == ids[1] != ids[2]
    assert sum(dialect.failures.values()) == 100
    [odd] = dialect.carrier.events(dialect.receipt(SUBMITTED, "m-1", "5/1", "odd", NOW), now=NOW)
    assert (odd.status, odd.error_code) == ("5/1", "odd")
