"""The port: requests, answers, submissions, and what every carrier has from its base."""

from __future__ import annotations

import datetime as dt
import pickle

import attrs
import pytest

from campaignkit import Attempt, InvalidValue, Message, Outcome
from campaignkit.backends import carriers
from campaignkit.backends.carriers import Headers, Refusal, Request, Response, Submission, Twilio
from campaignkit.backends.carriers.port import post_json
from campaignkit.backends.carriers.signing import any_same, is_fresh, read_jwt, same

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def twilio(**more):
    """Return some carrier."""
    return Twilio(account_sid="AC0", auth_token="token", **more)


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", carriers.__all__)
def test_every_name_loads(name):
    """Each public name is the object of its module, and is found by completion."""
    assert getattr(carriers, name).__module__.startswith("campaignkit.backends.carriers.")
    assert name in dir(carriers)


def test_an_unknown_name_is_an_attribute_error():
    """A carrier there is not is Python's own error."""
    with pytest.raises(AttributeError, match="has no attribute 'Carrierpigeon'"):
        carriers.Carrierpigeon  # noqa: B018 - looking it up is the point


def test_the_names_are_sorted_and_whole():
    """The list of names is that of what can be loaded."""
    assert sorted(carriers.__all__) == sorted(carriers._MODULE_OF)
    assert [*carriers._MODULE_OF] == sorted(carriers._MODULE_OF)


# --- what goes over the wire -------------------------------------------------------------------


def test_headers_in_any_case():
    """Headers are found in any case, repeated ones joined, and never shown with their values."""
    headers = Headers([("X-A", "1"), ("x-a", "2"), ("Authorization", "Basic secret")])

    assert (headers["x-A"], len(headers), [*headers]) == ("1, 2", 2, ["x-a", "authorization"])
    assert repr(headers) == "Headers(x-a, authorization)"
    assert headers == {"x-a": "1, 2", "authorization": "Basic secret"}


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"X-A": "1\r\nX-B: 2"}, "header X-A holds a line break"),
        ({"X-A": "\0"}, "header X-A holds a line break"),
        ({"X-A": 1}, "header X-A holds a line break or is no text"),
        ({"X A": "1"}, "header is 'X A': not a name of a header"),
        ({"": "1"}, "header is '': not a name of a header"),
        ({1: "1"}, "header is 1: not a name of a header"),
    ],
)
def test_headers_that_http_forbids(headers, sentence):
    """What would smuggle another header in is refused when the request is made."""
    with pytest.raises(InvalidValue, match=sentence):
        Request("GET", "https://app.example", headers)


def test_a_body_is_bytes():
    """Signatures are about bytes, so text is refused; other kinds of bytes are taken."""
    assert Request("POST", "https://a.example", {}, bytearray(b"a")).body == b"a"
    with pytest.raises(InvalidValue, match="body is str: must be bytes, as they came"):
        Request("POST", "https://a.example", {}, "a")


def test_requests_show_no_secrets():
    """Neither query nor headers nor body of a request are shown."""
    request = Request("post", "https://a.example/x?key=secret", {"Authorization": "secret"}, b"secret")

    assert repr(request) == "<Request POST https://a.example/x, 1 header, 6 bytes>"
    assert repr(Response(200, {"Set-Cookie": "secret"}, b"secret")) == "<Response 200, 6 bytes>"


# --- submissions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"outcome": "planned"}, "a submission was taken, refused, or nobody knows"),
        ({"outcome": "refused"}, "give it if and only if the outcome is refused"),
        ({"outcome": "taken", "refusal": "final"}, "give it if and only if the outcome is refused"),
    ],
)
def test_submissions_do_not_contradict_themselves(given, sentence):
    """A submission has a kind of refusal if and only if it was refused."""
    with pytest.raises(InvalidValue, match=sentence):
        Submission(carrier="twilio", **given)


def test_what_may_be_offered_again():
    """Only what was certainly not taken, and may be later."""
    assert Submission(outcome="refused", refusal="temporary", carrier="x").retryable
    for outcome, refusal in (("refused", "final"), ("refused", "account"), ("taken", None), ("unknown", None)):
        assert not Submission(outcome=outcome, refusal=refusal, carrier="x").retryable


def test_a_submission_shows_what_is_known():
    """Only what is known is shown, and never the words, which may hold the number."""
    made = Submission(outcome=Outcome.REFUSED, refusal=Refusal.FINAL, carrier="x", detail="+12025550143 is no number")

    assert "2025550143" not in repr(made)
    assert repr(made).count("=") == 3


# --- constructing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"webhook_url": "app.example/hooks"}, "webhook_url is 'app.example/hooks': must be a whole address"),
        ({"webhook_url": "https://app.example/#a"}, "must be a whole address"),
        ({"webhook_url": "https://user@app.example/"}, "must be a whole address"),
        ({"webhook_url": "https://app.example/ a"}, "must be a whole address"),
        ({"webhook_url": "http://app.example/"}, "it would go over the network in clear; use https"),
        ({"api_url": "http://api.example"}, "api_url is 'http://api.example': it would go over the network in clear"),
        ({"api_url": "ftp://api.example"}, "must be a whole address"),
        ({"api_url": 5}, "must be a whole address"),
        ({"account_sid": ""}, "account_sid is '': must be text without spaces"),
        ({"account_sid": "AC 0"}, "must be text without spaces"),
        ({"auth_token": "to ken"}, "auth_token is empty or holds spaces or line breaks"),
        ({"auth_token": "a\r\nX: y"}, "auth_token is empty or holds spaces or line breaks"),
        ({"auth_token": ["a"] * 11}, "auth_token holds 11 secrets: give 1 to 10"),
        ({"auth_token": []}, "auth_token holds 0 secrets: give 1 to 10"),
    ],
)
def test_a_carrier_is_made_right_or_not_at_all(given, sentence):
    """Addresses are whole and encrypted, names are names, and secrets are there; the sentence holds no secret."""
    with pytest.raises(InvalidValue, match=sentence) as caught:
        Twilio(**{"account_sid": "AC0", "auth_token": "token", **given})

    assert "X: y" not in str(caught.value)


def test_this_machine_needs_no_encryption():
    """A server on this machine, such as the simulator, may be plain."""
    for host in ("127.0.0.1:8025", "localhost:8025", "[::1]:8025"):
        assert twilio(api_url=f"http://{host}").api_url == f"http://{host}"


def test_a_carrier_is_a_value():
    """Carriers are equal by what they are made of, can be pickled and changed in a copy, and show no secret."""
    one = twilio(webhook_url="https://app.example/hooks")

    assert one == pickle.loads(pickle.dumps(one))  # noqa: S301 - our own bytes
    assert attrs.evolve(one, languages=["de"]).languages == ("de",)
    assert "token'" not in repr(one)
    assert "***" in repr(one)


# --- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("webhook_url", "attempt_id", "callback"),
    [
        (None, "a1", None),
        ("https://app.example/hooks", None, "https://app.example/hooks"),
        ("https://app.example/hooks", "a1", "https://app.example/hooks?attempt=a1"),
        ("https://app.example/hooks?tenant=x", "a1", "https://app.example/hooks?tenant=x&attempt=a1"),
    ],
)
def test_the_attempt_travels_in_the_address(webhook_url, attempt_id, callback):
    """The address for receipts names the attempt, and is recognised when it is called."""
    carrier = twilio(webhook_url=webhook_url)

    assert carrier.callback(Attempt(attempt_id=attempt_id)) == callback
    if callback is not None:
        called = Request("POST", callback.replace("https://app.example", "http://127.0.0.1:8000"))
        assert carrier.attempt_of(called) == attempt_id
        assert carrier.called_url(called) == callback


@pytest.mark.parametrize(
    "query", ["", "?attempt=", "?attempt=a%20b", "?attempt=" + "a" * 37, "?xattempt=a1", "?attempt=a1%00", "?attempt"]
)
def test_no_attempt_in_the_address(query):
    """What is no attempt id of ours is none."""
    assert twilio().attempt_of(Request("POST", f"https://app.example/hooks{query}")) is None


def test_of_several_attempts_the_last_is_ours():
    """A host's own address may have such a parameter; ours is added behind it."""
    carrier = twilio(webhook_url="https://app.example/hooks?attempt=theirs")
    called = carrier.callback(Attempt(attempt_id="a1"))

    assert called == "https://app.example/hooks?attempt=theirs&attempt=a1"
    assert carrier.attempt_of(Request("POST", called)) == "a1"


def test_json_is_posted_and_asked_for():
    """Type, language of the answer and credentials are set, further headers with dashes."""
    request = post_json("https://a.example", "Bearer x", {"to": "é"}, Idempotency_Key="a1")

    assert dict(request.headers) == {
        "authorization": "Bearer x",
        "content-type": "application/json",
        "accept": "application/json",
        "idempotency-key": "a1",
    }
    assert request.body == '{"to":"é"}'.encode()


# --- sending -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to", [None, "12025550143", "+1 202 555 0143", "+02025550143", "+1", "+" + "1" * 16, "+1202555014\n"]
)
def test_a_number_is_in_international_form(to):
    """Nothing else is handed to a carrier."""
    with pytest.raises(InvalidValue, match=r"must be E\.164, like"):
        twilio().encode(Message(status="pending", to=to, sender="ACME", text="Hi"), Attempt())


# --- signatures --------------------------------------------------------------------------------


def test_signatures_are_compared_as_bytes():
    """Text of any kind can be compared, and is equal only to itself."""
    assert same("é", "é".encode())
    assert not same("\ud800", "a")
    assert any_same(["a", "b"], ["c", "b"])
    assert not any_same([], ["c"])


@pytest.mark.parametrize("stamp", [None, "", "soon", "-5", "1.5", "9" * 12, "١٧"])
def test_a_time_that_is_none_is_not_fresh(stamp):
    """A signed time that cannot be read is as bad as an old one."""
    assert not is_fresh(stamp, NOW)
    assert is_fresh(str(int(NOW.timestamp())), NOW)


@pytest.mark.parametrize(("secret", "valid"), [("qwertyuiopasdfghjklzxcvbnm123456", True), ("asdf", False)])
def test_a_published_token(secret, valid):
    """The published JSON Web Token is read with its secret, and with no other."""
    token = (
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJPbmxpbmUgSldUIEJ1aWxkZXIiLCJpYXQiOjE2OTc2MzQ2ODAs"
        "ImV4cCI6MzMyNTQ1NDA4MjgsImF1ZCI6IiIsInN1YiI6IiJ9.88vJc3I2HhuqEDixHXVhc9R30tA6U_HQHZTC29y6CGM"
    )

    claims = read_jwt(token, [secret], ["HS256"])

    assert (claims is not None) is valid
    assert read_jwt(token, ["other", secret], ["HS256"]) == claims or not valid
    assert read_jwt(token, [secret], ["HS512"]) is None
    assert read_jwt("\ud800", [secret], ["HS256"]) is None
