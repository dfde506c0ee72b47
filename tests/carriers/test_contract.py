"""The contract of carriers: the docs' own carrier holds it, and carriers that are broken do not."""

from __future__ import annotations

import inspect

import pytest

from campaignkit.testing import CarrierContract
from examples_of_docs import changed, code_blocks

ACME, TEST_ACME = code_blocks("carriers.md")
PROMISES = [name for name in vars(CarrierContract) if name.startswith("test_")]


@pytest.fixture
def acme(load_module):
    """Return what makes a test class of the docs' carrier, its file and its tests changed in places."""

    def made(*changes, tests=()):
        load_module("acme", changed(ACME, changes))
        return load_module("test_acme", changed(TEST_ACME, tests)).TestAcme

    return made


def broken(contract):
    """Return which promises a carrier breaks, and what is said about each."""
    found = {}
    for name in PROMISES:
        try:
            getattr(contract(), name)()
        except Exception as error:  # noqa: BLE001 - whatever it is, pytest would call the test failed
            found[name] = str(error)
    return found


def test_the_docs_carrier_holds_the_contract(acme):
    """The carrier of the docs, as it stands there, breaks no promise."""
    assert broken(acme()) == {}


def test_a_carrier_without_replies_gives_none(acme):
    """A carrier that brings no replies leaves ``reply`` out, and one that sends must say what it accepts with."""
    contract = acme()
    contract.reply = None

    assert broken(contract) == {}

    contract.taken = None
    assert set(broken(contract).values()) == {
        "taken is missing: give the answer with which this carrier accepts a message"
    }


def test_every_promise_is_a_sentence():
    """Each test of the contract has a docstring of one line, because together they are the specification."""
    for name in PROMISES:
        (line,) = inspect.getdoc(vars(CarrierContract)[name]).splitlines()
        assert line.endswith(".")
        assert line[0].isupper() or line[0].isdigit()


REJECTS = 'raise self.rejected("signature", "Acme-Signature does not match time and body")'
NEVER_FRESH = ("if not is_fresh(time, now):", "if False:")
DECODE = """    def decode(self, response):
        from campaignkit.models import Outcome
        {body}
        return super().decode(response)

    def _accepted(self"""

BROKEN = {
    "believes anybody": ([(REJECTS, "pass")], "test_no_byte_of_the_body_can_be_changed"),
    "checks nothing": ([(REJECTS, "pass"), NEVER_FRESH], "test_a_stranger_is_rejected"),
    "signs the time alone": (
        [('b"." + request.body', "b'.'")],
        "test_no_byte_of_the_body_can_be_changed",
        [('f"{time}.".encode() + body', 'f"{time}.".encode()')],
    ),
    "signs the body alone": (
        [('time.encode() + b"." + request.body', "request.body")],
        "test_a_wrong_signature_is_rejected",
        [('f"{time}.".encode() + body', "body")],
    ),
    "signs otherwise than the carrier": ([('b"." + request.body', "request.body")], "test_a_genuine_receipt_is_read"),
    "believes what is unsigned": (
        [("if not any_same", 'if "acme-signature" in request.headers and not any_same')],
        "test_a_wrong_signature_is_rejected",
    ),
    "repeats what it was sent": (
        [("        return []", "        raise self.rejected('malformed', request.body.decode('latin-1'))")],
        "test_signed_junk_is_rejected_and_nothing_else",
    ),
    "tells its secret": (
        [('does not match time and body")', 'is not" + expected[0] + self.webhook_secret[0])')],
        "test_it_keeps_its_secrets",
    ),
    "needs an attempt": (
        [("if attempt.attempt_id is not None:", "if attempt.attempt_id + '':")],
        "test_the_attempt_id_travels",
    ),
    "believes the address": (
        [('attempt_id=said.attempt_id("reference")', "attempt_id=self.attempt_of(request)")],
        "test_no_byte_of_the_query_can_be_changed",
        [("https://app.example/hooks", "https://app.example/hooks?attempt=a-1")],
    ),
    "compares prefixes": (
        [("any_same([given], expected)", "any(each.startswith(given[:32]) for each in expected)")],
        "test_a_wrong_signature_is_rejected",
    ),
    "fails on junk": (
        [("said = Fields(read_json(request.body))", "said = Fields(json.loads(request.body))")],
        "test_signed_junk_is_rejected_and_nothing_else",
    ),
    "fails on what is missing": ([('said.need("id")', 'said["id"]')], "test_signed_junk_is_rejected_and_nothing_else"),
    "treats 500 as refused": (
        [("    def _accepted(self", DECODE.format(body="if response.status >= 500: return self._refused(None, '')"))],
        "test_what_may_have_been_taken_is_unknown",
    ),
    "treats any 2xx as taken": (
        [('self._taken(answer.need("id")', 'self._taken(answer.text("id") or "?"')],
        "test_a_success_nobody_can_read_is_unknown",
    ),
    "treats 429 as final": (
        [("    def _accepted(self", DECODE.format(body="if response.status == 429: return self._refused('x', '')"))],
        "test_too_many_requests_is_refused_for_now",
    ),
    "treats a proxy's page as refused": (
        [("    def _accepted(self", DECODE.format(body="if response.status == 404: return self._refused('x', '')"))],
        "test_an_error_page_of_somebody_else_is_unknown",
    ),
    "treats 401 as final": (
        [("    def _accepted(self", DECODE.format(body="if response.status == 401: return self._refused('x', '')"))],
        "test_wrong_credentials_are_about_the_account",
    ),
    "cannot read its own refusal": (
        [('error.text("code")', 'error.text("kode")')],
        "test_a_refusing_answer_is_refused",
    ),
    "cannot read its own yes": ([('answer.need("id")', 'answer.need("uuid")')], "test_an_accepting_answer_is_taken"),
    "fails on an answer": (
        [('error = answer.inner("error")', 'error = Fields(answer["error"])')],
        "test_any_answer_can_be_read",
    ),
    "shows its key": (
        [
            (
                "    def _accepted(self",
                "    def __repr__(self):\n        return self.api_key[0]\n\n    def _accepted(self",
            )
        ],
        "test_it_keeps_its_secrets",
    ),
    "uses the clock": (
        [("is_fresh(time, now)", "is_fresh(time, datetime.now(now.tzinfo))")],
        "test_it_only_computes",
    ),
    "opens connections": ([("import attrs\n", "import attrs\nimport httpx\n")], "test_it_only_computes"),
    "draws lots": ([("import attrs\n", "import attrs\nfrom random import random\n")], "test_it_only_computes"),
    "opens addresses": ([("import attrs\n", "import attrs\nfrom urllib import request\n")], "test_it_only_computes"),
    "drops the text": (
        [('"text": self.text(message, 1000)', '"text": self.text(message, 1000)[:3]')],
        "test_a_message_becomes_a_request",
    ),
    "writes ASCII": (
        [('"text": self.text(message, 1000)', '"text": self.text(message, 1000).encode("ascii", "replace").decode()')],
        "test_any_text_arrives_as_it_is",
    ),
    "sends in clear": (
        [('f"{self.api_url}/v1/messages"', '"http://api.acme.example/v1/messages"')],
        "test_a_message_becomes_a_request",
    ),
    "differs from call to call": (
        [
            (
                'f"{self.api_url}/v1/messages"',
                'f"{self.api_url}/v1/messages?{id(object())}{len(CALLS.append(1) or CALLS)}"',
            ),
            ("import attrs\n", "import attrs\n\nCALLS = []\n"),
        ],
        "test_a_message_becomes_a_request",
    ),
    "forgets the attempt": ([("attempt.attempt_id is not None", "False")], "test_the_attempt_id_travels"),
    "drops pictures": (
        [("self.recipient(message)", 'message.to if message.to == "+12025550143" else self.recipient(message)')],
        "test_media_is_sent_or_refused_in_a_sentence",
    ),
    "promises pictures": (
        [('name: ClassVar[str] = "acme"', 'name: ClassVar[str] = "acme"\n    mms: ClassVar[bool] = True')],
        "test_media_is_sent_or_refused_in_a_sentence",
    ),
    "sends to anything": (
        [("self.recipient(message)", "message.to")],
        "test_what_cannot_be_sent_is_refused_in_a_sentence",
    ),
    "sends anything": (
        [("self.text(message, 1000)", "message.text")],
        "test_what_cannot_be_sent_is_refused_in_a_sentence",
    ),
    "loses the reply": ([('said.text("type") == "reply"', "False")], "test_a_genuine_reply_is_read"),
    "names somebody else": (
        [
            ("return [self._reply(", "return [attrs.evolve(self._reply("),
            ('sender=said.text("to"))]', 'sender=said.text("to")), carrier="twilio")]'),
        ],
        "test_a_genuine_reply_is_read",
    ),
    "loses the receipt": ([('said.text("type") == "receipt"', "False")], "test_a_genuine_receipt_is_read"),
    "makes up the time": (
        [("                    now,\n", "                    now.replace(year=2000),\n")],
        "test_a_genuine_receipt_is_read",
    ),
    "takes any method": (
        [("    def _accepted(self", "    def _at_the_door(self, request):\n        pass\n\n    def _accepted(self")],
        "test_a_wrong_method_is_405",
    ),
    "takes any type": (
        [("    def _accepted(self", "    def _at_the_door(self, request):\n        pass\n\n    def _accepted(self")],
        "test_a_wrong_content_type_is_415",
    ),
    "takes any size": (
        [("    def _accepted(self", "    def _at_the_door(self, request):\n        pass\n\n    def _accepted(self")],
        "test_a_large_body_is_413",
    ),
    "takes any account": (
        [("in each_secret(self.webhook_secret)]", "in ('not-a-secret',)]")],
        "test_another_account_is_rejected",
    ),
    "believes old requests, and reads them otherwise": (
        [NEVER_FRESH, ('said.need("status")', 'said.need("status") if now.year == 2026 else "delivered"')],
        "test_a_very_old_request_is_refused_or_counts_once",
    ),
    "rejects what is old for another reason": (
        [('self.rejected("timestamp"', 'self.rejected("malformed"')],
        "test_a_very_old_request_is_refused_or_counts_once",
    ),
    "cannot be copied": (
        [
            (
                "    def _accepted(self",
                "    def __eq__(self, other):\n        return self is other\n\n    def _accepted(self",
            )
        ],
        "test_it_is_a_value",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_carrier_breaks_the_contract(acme, how):
    """Each way to get a carrier wrong is found, by the promise it breaks, in a sentence."""
    changes, promise, *tests = BROKEN[how]
    found = broken(acme(*changes, tests=tests[0] if tests else ()))

    assert promise in found
    assert len(found[promise].split()) > 2
