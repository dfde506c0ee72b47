"""How a caller's code looks to a type checker; checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.message import EmailMessage
from typing import assert_type

import campaignkit as ck

message = ck.Message(
    status=ck.Status.DELIVERED,
    to="+12025550143",
    price=Decimal("0.0079"),
    currency="USD",
    sent_at=datetime.now(UTC),
)
assert_type(message.status, ck.Status)
assert_type(message.error_code, str | None)

summary = ck.summarize([message])
assert_type(summary, ck.Summary)
assert_type(summary.counts.delivered, int)
assert_type(summary.counts.clicks, int | None)
assert_type(summary.delivery_rate, ck.Rate)
assert_type(summary.delivery_rate.value, float | None)
assert_type(summary.cost, dict[str, Decimal] | None)
assert_type(summary.failures, tuple[ck.Failure, ...])

groups = ck.summarize([message], by=["variant", ck.hours("sent_at", zone="UTC")])
assert_type(groups, ck.Summaries)
assert_type(groups.total, ck.Summary)

table = ck.tally([message], by="variant") + ck.tally([message], by="variant")
assert_type(table, ck.Tally)
assert_type(table.cells[("a",)], Mapping[ck.Cell, ck.Sums])

state = ck.fold([ck.Receipt(status="delivered")], attempts=[ck.Attempt(parts=2)])
assert_type(state.status, ck.Status)
assert_type(state.delivered_at, datetime | None)

verdict = ck.classify("twilio", "30005")
assert_type(verdict.bounce, ck.Bounce)
assert_type(verdict.retryable, bool)

assert_type(ck.progress(summary), ck.Progress)
assert_type(ck.health(summary), ck.Health)
assert_type(ck.rank(groups, "click_rate"), ck.Ranking)

live = ck.Live(by="campaign_id")
live.add([message])
live.apply(ck.Reply(message_id="m1", received_at=datetime.now(UTC), text="yes"))
assert_type(live.tally(), ck.Tally)

assert_type(ck.parse_phone("+12025550143"), ck.Phone)
assert_type(ck.match_keyword("STOP"), ck.Keyword | None)
assert_type(ck.read_log("messages.csv", carrier="twilio"), ck.Log)
assert_type(ck.Report.of([message]).to_text(), str)
assert_type(ck.Report.of([message]).to_json("report.json"), str)
assert_type(ck.Report.of([message]).to_email(to="ann@example.com"), EmailMessage)

beside = ck.campaigns([message], campaigns=[ck.Campaign(campaign_id="spring", type="mms")], people="contact_id")
assert_type(beside, ck.Campaigns)
assert_type(beside[0], ck.CampaignRow)
assert_type(beside[:3].sorted("click_rate"), ck.Campaigns)
assert_type(beside.winner, ck.CampaignRow | None)

split = ck.ab.split(["c1", "c2"], variants={"A": 0.5, "B": 0.5}, salt="spring")
assert_type(split, ck.ab.Split)
assert_type(split.variant_of("c1"), str | None)
test = ck.ab.compare([message], control="A", split=split, window="4h")
assert_type(test, ck.ab.Comparison)
assert_type(test["click_rate"], ck.ab.Metric)
assert_type(test["click_rate"].lift.value, float | None)
decision = test.decide("click_rate", guardrails={"opt_out_rate": ck.ab.Guardrail(max_increase=0.001)}, deadline="1d")
assert_type(decision.send, str | None)
assert_type(ck.ab.stats.wilson(1, 10), ck.ab.Estimate)
