"""How each carrier's exports name our columns, and what they leave unsaid.

Data, and the few rules that cannot be a name of a column. A new export is a row here, a file
in ``tests/logs`` and a line in ``docs/how-to/logs.md``. Above each stands the document that it
was taken from, and when that was read. What a document leaves open is left out: a price that
may be of one part or of all is read only where there is one part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Any, Final

import attrs

from campaignkit.errors import InvalidValue
from campaignkit.models import EXACT
from campaignkit.tables import Cell, cell_reader, international, milliseconds

Fields = dict[str, Any]
"""One row by our names."""


@attrs.frozen(kw_only=True)
class Layout:
    """One export of a carrier.

    Attributes:
        name: what the carrier calls it.
        columns: ours to theirs. A dot leads into a nested field, ``[]`` to each element of a
            list, which gives a row for each. Other names than ours are for ``amend``.
        marks: columns that tell it from an export with the same ones.
        fixed: our columns that it leaves out because they are the same in every row.
        cells: how cells are read that are not written as usual.
        zone: of moments without one; None when the carrier does not say.
        words: what its words and codes are qualified with, where the carrier has several sets.
        one_way: it holds messages or replies, not both, so that none of these means nothing.
        amend: changes the fields of a row, where only several together say what is meant;
            `InvalidValue` is what is wrong with the number.
    """

    name: str
    columns: Mapping[str, str]
    marks: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = attrs.Factory(dict)
    cells: Mapping[str, Cell] = attrs.Factory(dict)
    zone: tzinfo | None = None
    words: str = ""
    one_way: bool = False
    amend: Callable[[Fields], None] | None = None


_USD: Final = {"currency": "USD"}
_FROM_PEOPLE: Final = {"direction": "inbound"}
_NUMBERS: Final[Mapping[str, Cell]] = {"to": international, "sender": international}


def _price_of_one_part(fields: Fields) -> None:
    if fields.get("price") is not None and fields.get("segments") != 1:
        fields["price"] = None


def _price_with_currency(fields: Fields) -> None:
    if fields.get("price") is not None and fields.get("currency") is None:
        fields["price"] = None


def _one_id_for_each_number(fields: Fields) -> None:
    if fields.get("to") is None:
        raise InvalidValue("is empty: the id is that of many messages; export the numbers too")
    if fields.get("message_id") is not None:
        fields["message_id"] += f"/{fields['to'].removeprefix('+')}"


def _one_of_a_list(fields: Fields) -> None:
    _one_id_for_each_number(fields)
    _price_of_one_part(fields)


def _final_and_with_fee(fields: Fields) -> None:
    final, fee = fields.pop("final", None), fields.pop("fee", None)
    kind, _, word = (fields.get("status") or "").upper().partition("_")
    if final and word == "SUCCESSFUL":  # the last word of operators that do not report from the phone
        fields["status"] = f"{kind}_DELIVERED"
    if fee is not None and fields.get("price") is not None:
        fields["price"] = EXACT.add(fields["price"], fee)


def _vonage(name: str, words: str, mark: str) -> Layout:
    return Layout(
        name=name,
        columns={
            "message_id": "message_id",
            "carrier_id": "message_id",
            "account_id": "account_id",
            "direction": "direction",
            "sender": "from",
            "to": "to",
            "text": "message_body",
            "status": "status",
            "error_code": "error_code",
            "price": "total_price",
            "currency": "currency",
            "sent_at": "date_received",
            "status_at": "date_finalized",
        },
        marks=(mark,),
        cells=_NUMBERS,
        zone=UTC,
        words=words,
        one_way=True,
        amend=_price_with_currency,
    )


def _infobip(name: str, **columns: str) -> Layout:
    return Layout(
        name=name,
        columns={
            "message_id": "messageId",
            "carrier_id": "messageId",
            "status": "status.name",
            "error_code": "error.id",
            "price": "price.pricePerMessage",
            "currency": "price.currency",
            "sent_at": "sentAt",
            "status_at": "doneAt",
            "campaign_id": "campaignReferenceId",
            **columns,
        },
        cells=_NUMBERS,
        amend=_price_of_one_part,
    )


LAYOUTS: Final[Mapping[str, tuple[Layout, ...]]] = {
    "aws": (
        # SNS developer guide, "Viewing Amazon CloudWatch Metrics and Logs for SMS Deliveries" (awsdocs mirror of
        # 2019 with numberOfMessageParts of today's page); times in UTC as everything CloudWatch shows; read 2026-11.
        Layout(
            name="SNS delivery log",
            columns={
                "message_id": "notification.messageId",
                "carrier_id": "notification.messageId",
                "to": "delivery.destination",
                "status": "status",
                "error_code": "delivery.providerResponse",
                "segments": "delivery.numberOfMessageParts",
                "price": "delivery.priceInUSD",
                "sent_at": "notification.timestamp",
            },
            fixed=_USD,
            zone=UTC,
        ),
        # SNS developer guide, "Viewing Daily SMS Usage Reports", with an example file; one row a part, and the price
        # may be of the part or of the message; numbers without +; read 2026-11.
        Layout(
            name="SNS usage report",
            columns={
                "message_id": "MessageId",
                "carrier_id": "MessageId",
                "to": "DestinationPhoneNumber",
                "status": "DeliveryStatus",
                "error_code": "DeliveryStatus",
                "segments": "TotalParts",
                "price": "PriceInUSD",
                "sent_at": "PublishTimeUTC",
            },
            fixed=_USD,
            cells=_NUMBERS,
            zone=UTC,
            amend=_price_of_one_part,
        ),
        # End User Messaging user guide, "Messaging Events" and its example with a carrier fee above the message price,
        # which shows that the fee is not in it; SUCCESSFUL is final where isFinal says so; read 2026-11.
        Layout(
            name="End User Messaging events",
            columns={
                "message_id": "messageId",
                "carrier_id": "messageId",
                "sender": "originationPhoneNumber",
                "to": "destinationPhoneNumber",
                "status": "eventType",
                "segments": "totalMessageParts",
                "price": "totalMessagePrice",
                "fee": "totalCarrierFee",
                "final": "isFinal",
                "sent_at": "messageRequestTimestamp",
                "status_at": "eventTimestamp",
            },
            fixed=_USD,
            cells={
                "fee": cell_reader("price"),
                "final": cell_reader("assisted"),
                "sent_at": milliseconds,
                "status_at": milliseconds,
            },
            amend=_final_and_with_fee,
        ),
    ),
    "infobip": (
        # OpenAPI 3.210 and infobip-api-python-client 6.0.0: SmsLog, SmsDeliveryReport, SmsInboundMessage. "Price per
        # one message" beside "number of messages content was split to", and no rule that joins them; read 2026-11.
        _infobip("logs (v3)", to="destination", sender="sender", segments="messageCount", text="content.text"),
        _infobip("delivery reports (v3)", to="to", sender="sender", segments="messageCount"),
        # The same of the older addresses (/sms/1/logs, /sms/1/reports), as in their documentation of 2016 and 2021.
        _infobip("logs and delivery reports (v1, v2)", to="to", sender="from", segments="smsCount", text="text"),
        Layout(
            name="inbound messages",
            columns={
                "message_id": "messageId",
                "sender": "from",
                "to": "to",
                "text": "text",
                "sent_at": "receivedAt",
            },
            fixed=_FROM_PEOPLE,
            cells=_NUMBERS,
        ),
    ),
    "messagebird": (
        # MessageBird SMS OpenAPI (mirrored by api-evangelist) and messagebird 2.2.0 on PyPI: the list of messages, one
        # record a request with its recipients. Whether a price is of one part is not said; read 2026-11.
        Layout(
            name="list of messages",
            columns={
                "message_id": "id",
                "carrier_id": "id",
                "direction": "direction",
                "sender": "originator",
                "to": "recipients.items[].recipient",
                "text": "body",
                "status": "recipients.items[].status",
                "error_code": "recipients.items[].statusErrorCode",
                "segments": "recipients.items[].messagePartCount",
                "price": "recipients.items[].price.amount",
                "currency": "recipients.items[].price.currency",
                "sent_at": "createdDatetime",
                "status_at": "recipients.items[].statusDatetime",
            },
            cells=_NUMBERS,
            amend=_one_of_a_list,
        ),
    ),
    "plivo": (
        # plivo.com/docs/messaging/concepts/reporting: the fields of the downloaded CSV, and that the total includes
        # what operators charge. The zone of "Message Time" is not said; read 2026-11.
        Layout(
            name="console CSV",
            columns={
                "message_id": "Message UUID",
                "carrier_id": "Message UUID",
                "direction": "Direction",
                "sender": "From",
                "to": "To",
                "status": "Status",
                "error_code": "Error Code",
                "segments": "Units",
                "price": "Total Charge (USD)",
                "sent_at": "Message Time",
            },
            fixed=_USD,
            cells=_NUMBERS,
        ),
        # support.plivo.com, "How to Export Message Detail Records": the file that comes by mail has other columns,
        # and none of its amounts is said to be the whole; read 2026-11.
        Layout(
            name="mailed CSV",
            columns={
                "message_id": "Message UUID",
                "carrier_id": "Message UUID",
                "direction": "Direction",
                "sender": "From",
                "to": "To",
                "status": "Status",
                "segments": "Units",
                "sent_at": "Time",
            },
            marks=("Amount", "Message Rate", "Message Charge"),
            cells=_NUMBERS,
        ),
        # plivo.com/docs/messaging/api/messages: the message object; its amounts are those of the console; read 2026-11.
        Layout(
            name="API list",
            columns={
                "message_id": "message_uuid",
                "carrier_id": "message_uuid",
                "direction": "message_direction",
                "sender": "from_number",
                "to": "to_number",
                "status": "message_state",
                "error_code": "error_code",
                "segments": "units",
                "price": "total_amount",
                "sent_at": "message_time",
            },
            fixed=_USD,
            cells=_NUMBERS,
        ),
    ),
    "sinch": (
        # sinch 2.3.0 on PyPI: RecipientDeliveryReport, BatchDeliveryReport. A batch has one id for all its numbers;
        # the number of parts is there for some messages only, so it is not read; read 2026-11.
        Layout(
            name="delivery reports of numbers",
            columns={
                "message_id": "batch_id",
                "carrier_id": "batch_id",
                "sender": "applied_originator",
                "to": "recipient",
                "status": "status",
                "error_code": "code",
                "status_at": "at",
            },
            cells=_NUMBERS,
            amend=_one_id_for_each_number,
        ),
        Layout(
            name="full delivery reports of batches",
            columns={
                "message_id": "batch_id",
                "carrier_id": "batch_id",
                "to": "statuses[].recipients[]",
                "status": "statuses[].status",
                "error_code": "statuses[].code",
            },
            cells=_NUMBERS,
            amend=_one_id_for_each_number,
        ),
    ),
    "telnyx": (
        # telnyx 4.189.0 on PyPI: MessageDetailRecord (GET /detail_records). Whether ``cost`` holds ``carrier_fee`` is
        # not said; ``cost`` is taken; read 2026-11.
        Layout(
            name="detail records",
            columns={
                "message_id": "uuid",
                "carrier_id": "uuid",
                "account_id": "user_id",
                "direction": "direction",
                "sender": "cli",
                "to": "cld",
                "status": "status",
                "error_code": "errors[]",
                "segments": "parts",
                "price": "cost",
                "currency": "currency",
                "created_at": "created_at",
                "sent_at": "sent_at",
                "status_at": "completed_at",
            },
        ),
        # The same: ReportListMdrsResponse (GET /reports/mdrs), whose created_at is the time of sending.
        Layout(
            name="MDR report",
            columns={
                "message_id": "id",
                "carrier_id": "id",
                "direction": "direction",
                "sender": "cli",
                "to": "cld",
                "status": "status",
                "segments": "parts",
                "price": "cost",
                "currency": "currency",
                "sent_at": "created_at",
            },
        ),
        # The same: OutboundMessagePayload, and InboundMessagePayload (GET /messages/{id}, and webhooks).
        Layout(
            name="message objects",
            columns={
                "message_id": "id",
                "carrier_id": "id",
                "direction": "direction",
                "sender": "from.phone_number",
                "to": "to[].phone_number",
                "text": "text",
                "status": "to[].status",
                "error_code": "errors[].code",
                "segments": "parts",
                "price": "cost.amount",
                "currency": "cost.currency",
                "created_at": "received_at",
                "sent_at": "sent_at",
                "status_at": "completed_at",
            },
        ),
    ),
    "twilio": (
        # The console's CSV, as in public copies of its header; support.twilio.com 46871410243099: the price is the
        # whole, with what operators charge; read 2026-11.
        Layout(
            name="console CSV",
            columns={
                "message_id": "Sid",
                "carrier_id": "Sid",
                "account_id": "AccountSid",
                "direction": "Direction",
                "sender": "From",
                "to": "To",
                "text": "Body",
                "status": "Status",
                "error_code": "ErrorCode",
                "segments": "NumSegments",
                "price": "Price",
                "currency": "PriceUnit",
                "sent_at": "SentDate",
            },
        ),
        # twilio.com/docs/messaging/api/message-resource; bulk exports are the same without price_unit; read 2026-11.
        Layout(
            name="API list",
            columns={
                "message_id": "sid",
                "carrier_id": "sid",
                "account_id": "account_sid",
                "direction": "direction",
                "sender": "from",
                "to": "to",
                "text": "body",
                "status": "status",
                "error_code": "error_code",
                "segments": "num_segments",
                "price": "price",
                "currency": "price_unit",
                "created_at": "date_created",
                "sent_at": "date_sent",
                "last_event_at": "date_updated",
            },
        ),
        # fivetran/dbt_twilio, models/staging/src_twilio.yml, and Fivetran's schema, in which times are instants, which
        # warehouses hold in UTC with or without saying so; read 2026-11.
        Layout(
            name="Fivetran table",
            columns={
                "message_id": "id",
                "carrier_id": "id",
                "account_id": "account_id",
                "direction": "direction",
                "sender": "from",
                "to": "to",
                "text": "body",
                "status": "status",
                "error_code": "error_code",
                "segments": "num_segments",
                "price": "price",
                "currency": "price_unit",
                "created_at": "created_at",
                "sent_at": "date_sent",
                "last_event_at": "updated_at",
            },
            zone=UTC,
        ),
    ),
    "vonage": (
        # Reports API specification 3.1.4: SmsOutboundRecord, SmsInboundRecord; times in UTC, the currency always
        # empty (it was EUR in 2.1.14); the same names in CSV and JSON; one direction a report; read 2026-11.
        _vonage("SMS report", "dlr:", "network"),
        _vonage("Messages report", "messages:", "provider"),
    ),
}
"""The exports of each carrier that are known."""
