"""The apps of the docs, each as it stands on its page, with a carrier that posts to it."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import anyio
import anyio.from_thread
import httpx
import pytest
from posting import SPRING, US, forged

from campaignkit.backends.carriers import Gateway
from campaignkit.backends.storage.tables import REPLIES
from campaignkit.models import Attempt, Message
from campaignkit.testing import Simulator, get_dialect
from campaignkit.testing.dialects.base import Submitted
from campaignkit.testing.story import ARRIVED
from campaignkit.tracker import Tracker
from examples_of_docs import HOW_TO


@pytest.fixture
def app(tmp_path, monkeypatch, load_module):
    """Return what loads the files of a page, the last of them last."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", f"AC{'0' * 32}")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "not-a-secret")
    loaded = []

    def load(page, *, files):
        text = (HOW_TO / f"{page}.md").read_text("utf-8")
        blocks = re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for name, source in blocks[:files]:
            loaded.append(load_module(name, source))
        return loaded[-1]

    yield load
    for module in loaded:
        tracker = getattr(module, "tracker", None)
        if isinstance(tracker, Tracker):
            tracker._storage.close()


class Story:
    """Ten messages of a simulated Twilio, sent; what it posts then goes to an app."""

    def __init__(self, twilio, tracker, campaign=SPRING, seed=5):
        self.simulator = Simulator(get_dialect("twilio")(twilio), profile="storm", seed=seed)
        self.tracker = tracker
        self.campaign = campaign
        clock = self.simulator.clock
        messages = [
            Message(
                message_id=f"{campaign}-{i}", campaign_id=campaign, status="pending", to=f"+120255501{i:02}", sender=US,
                text="Hi",
            )
            for i in range(10)
        ]  # fmt: skip
        tracker.record(messages)
        with httpx.Client(transport=self.simulator.transport(), timeout=10) as client:
            gateway = Gateway(twilio, client=client, clock=clock.now, monotonic=clock.monotonic, sleep=clock.sleep)
            for each in messages:
                attempt = Attempt(attempt_id=f"a-{each.message_id}")
                tracker.submitted(each.message_id, attempt, gateway.send(each, attempt), now=clock.now())
        self.simulator.reply(messages[0].to, "STOP", sender=US)

    def told_by(self, post):
        """Post everything, which must be accepted; then a forgery, which must not be. Return how many arrived.

        Args:
            post: takes a request, and path and query of its address; returns what it is answered with.
        """

        def handle(request, now):  # noqa: ARG001 - the app has its own clock
            parts = urlsplit(request.url)
            status = post(request, urlunsplit(("", "", parts.path, parts.query, "")))
            answers[status] += 1
            return status

        answers, before = Counter(), self._opt_outs()
        assert self.simulator.deliver(handle) == answers[200] > 20
        assert handle(forged(self._receipt()), None) == 403
        arrived = {each.to for each in self.simulator.ledger.taken if each.fate in ARRIVED and each.told}
        assert arrived == {each.to for each in self.tracker.messages(self.campaign) if each.status in ARRIVED}
        assert self.tracker.verify_counters() == []
        assert self._opt_outs() == before + 1
        return len(arrived)

    def _opt_outs(self):
        with self.tracker._storage.reading("default") as tx:
            return sum(row["keyword"] == "opt_out" for row in tx.scan(REPLIES))

    def _receipt(self):
        dialect, taken = self.simulator.dialect, self.simulator.ledger.taken[0]
        submitted = Submitted(to=taken.to, sender=US, text="Hi", callback=self.simulator.carrier.webhook_url)
        return dialect.receipt(submitted, taken.carrier_id, "delivered", None, self.simulator.clock.now())


def in_asgi(app, scene):
    """Run a scene in a thread, with a function that asks an app, which runs in an event loop."""

    async def main():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://app.example") as client:

            def ask(method, url, **more):
                return anyio.from_thread.run(partial(client.request, method, url, **more))

            return await anyio.to_thread.run_sync(scene, ask)

    return anyio.run(main)


def posting(ask):
    """Return a function that posts as `Story.told_by` wants it, of one that asks."""
    return lambda request, where: (
        ask(request.method, where, headers=dict(request.headers), content=request.body).status_code
    )


def test_fastapi(app):
    """FastAPI: what the carrier posts is kept; the report says it, and 304 for as long as nothing changes."""
    module = app("fastapi", files=1)

    def scene(ask):
        arrived = Story(module.twilio, module.tracker.tracker).told_by(posting(ask))
        first = ask("GET", "/campaigns/spring")
        assert (first.status_code, first.json()["counts"]["delivered"]) == (200, arrived)
        known = {"If-None-Match": first.headers["etag"]}
        again = ask("GET", "/campaigns/spring", headers=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        module.tracker.tracker.record([Message(message_id="m99", campaign_id=SPRING, status="delivered")])
        assert ask("GET", "/campaigns/spring", headers=known).json()["counts"]["delivered"] == arrived + 1

    in_asgi(module.app, scene)
    anyio.run(lifespan, module.app)


async def lifespan(app):
    """Start an app and end it."""
    async with app.router.lifespan_context(app):
        pass


def test_flask(app):
    """Flask: what the carrier posts is kept, and the report says it; a body that is too large is 413."""
    module = app("flask", files=1)
    client = module.app.test_client()

    def post(request, where):
        return client.open(where, method=request.method, headers=dict(request.headers), data=request.body).status_code

    arrived = Story(module.twilio, module.tracker).told_by(post)

    assert client.get("/campaigns/spring").get_json()["counts"]["delivered"] == arrived
    assert client.post("/hooks/twilio", data=b"x" * 65_537).status_code == 413
    assert client.get("/hooks/twilio").status_code == 405


def test_django(app):
    """Django: what the carrier posts is kept, through the view, and under ASGI in front of Django."""
    module = app("django", files=2)
    tracker, twilio = module.tracker, module.twilio
    from django.test import Client

    client = Client(headers={"host": "app.example"}, enforce_csrf_checks=True)

    def post(request, where):
        kind = request.headers["content-type"]
        return client.generic(request.method, where, request.body, kind, headers={**request.headers}).status_code

    def in_front(ask):
        arrived = Story(twilio, tracker, campaign="autumn", seed=6).told_by(posting(ask))
        assert ask("GET", "/campaigns/autumn").json()["counts"]["delivered"] == arrived

    arrived = Story(twilio, tracker).told_by(post)

    assert client.get("/campaigns/spring").json()["counts"]["delivered"] == arrived
    refused = client.get("/hooks/twilio")
    assert (refused.status_code, refused.headers["Allow"], refused.content) == (405, "POST", b"")
    in_asgi(module.application, in_front)
