"""The parsers of all carriers under made-up webhooks: what they report, or `WebhookRejected`, and nothing else."""

from __future__ import annotations

import contextlib
import datetime as dt

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutants import mutants

from campaignkit import Receipt, Reply, WebhookRejected, fold
from campaignkit.backends.carriers import Response, UnverifiedWebhook
from campaignkit.models import Outcome
from campaignkit.testing.dialects import DIALECTS, get_dialect
from campaignkit.testing.dialects.base import Submitted

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
SUBMITTED = Submitted(to="+12025550143", sender="+12025550100", text="Hello", attempt_id="a-1")

pytestmark = pytest.mark.filterwarnings(f"ignore::{UnverifiedWebhook.__module__}.{UnverifiedWebhook.__name__}")


def genuine(name):
    """Return a carrier that believes everything, and webhooks of it."""
    dialect = get_dialect(name)()
    failed = next(iter(dialect.failures))
    words = [(word, None) for word in dialect.words.values()] + [failed]
    receipts = [dialect.receipt(SUBMITTED, "id-1", word, code, NOW) for word, code in words]
    reply = dialect.reply("+12025550143", "+12025550100", "Hello", "id-2", NOW)
    return attrs.evolve(dialect.carrier, verify="insecure-for-tests"), [*receipts, reply]


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_parser_reports_or_rejects(name, data):
    """Whatever a verified webhook says: events that fold can take, or one kind of error."""
    carrier, requests = genuine(name)
    request = data.draw(mutants(data.draw(st.sampled_from(requests))))

    with contextlib.suppress(WebhookRejected):
        for event in carrier.events(request, now=NOW):
            assert isinstance(event, Receipt | Reply)
            if isinstance(event, Receipt):
                fold([event])


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=100, deadline=None)
@given(status=st.sampled_from([200, 201, 202, 204, 302, 400, 401, 403, 404, 408, 429, 500, 503]), data=st.data())
def test_an_answer_has_a_meaning(name, status, data):
    """Whatever an answer says: one submission, and taken only with an id."""
    carrier, requests = genuine(name)
    body = data.draw(st.binary(max_size=100) | st.sampled_from([each.body for each in requests]))

    submission = carrier.decode(Response(status, {}, body))

    assert submission.carrier == carrier.name
    assert submission.outcome is not Outcome.TAKEN or submission.carrier_id
