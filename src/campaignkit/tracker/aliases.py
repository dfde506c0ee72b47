"""What stands in the place of a person who was erased: a keyed hash, which says nothing without the key.

The same person gets the same alias, so distinct people stay distinct, and whoever has the key
finds what must outlive them: that they do not want to be written to.

There are only some 10^10 telephone numbers. Of a plain hash somebody with the file would try
them all; without the key, which is kept elsewhere, there is nothing to compare with.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from campaignkit.backends.storage.port import Row
from campaignkit.backends.storage.tables import CLICKS, MESSAGES, ORDERS, REPLIES, Table
from campaignkit.errors import InvalidValue
from campaignkit.tracker.stored import ERASED, digest

_LEAST: Final = 16  # bytes: what is shorter can be tried
_GONE: Final[Mapping[str, Mapping[str, Any]]] = {
    MESSAGES.name: {"contact_name": None, "text": None, "media": None},
    REPLIES.name: {"text": "", "media": []},
    CLICKS.name: {"url": None},
    ORDERS.name: {},
}
"""For each table that tells of people, what is left of what they were told, or said."""

_MADE_OF: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    REPLIES.name: ("reply", ("sender", "received_at", "text")),
    CLICKS.name: ("click", ("clicked_at", "url")),
    ORDERS.name: ("order", ("ordered_at", "revenue", "currency")),
}
"""What ids are made of that came without one, after the number and the message."""


def _key(given: str | bytes | None) -> bytes | None:
    """Return a key as bytes; no sentence ever shows it."""
    if given is None:
        return None
    remedy = "give one that is kept outside the database, made once with secrets.token_hex(32)"
    if not isinstance(given, str | bytes):
        raise InvalidValue(f"erasure_key is of type {type(given).__name__}: must be text or bytes; {remedy}")
    key = given.encode(errors="surrogatepass") if isinstance(given, str) else given
    if len(key) < _LEAST:
        raise InvalidValue(f"erasure_key has {len(key)} bytes: must have at least {_LEAST}; {remedy}")
    return key


@attrs.frozen
class Aliases:
    """The aliases of one tenant's people.

    Args:
        key: secret, at least 16 bytes, kept outside the database; without one nobody can be erased.
        tenant: whose people; one person has another alias with each.

    >>> aliases = Aliases("not so secret, as it stands here", "acme")
    >>> aliases.of("+12025550143") == aliases.of("+12025550143") != aliases.of("+12025550144")
    True
    >>> len(aliases.keys("+12025550143")), len(Aliases().keys("+12025550143"))
    (2, 1)
    """

    _secret: bytes | None = attrs.field(default=None, alias="key", converter=_key, repr=False)
    _tenant: str = attrs.field(default="", alias="tenant")

    def of(self, who: str) -> str:
        """Return the alias of a number, a contact id, or another text; of an alias itself.

        Raises:
            InvalidValue: there is no key.
        """
        if who.startswith(ERASED):
            return who
        if self._secret is None:
            raise InvalidValue(
                "erasing needs a key that is kept outside the database: construct Tracker(..., erasure_key=...)"
            )
        said = json.dumps([self._tenant, who]).encode()
        return ERASED + hmac.digest(self._secret, said, hashlib.sha256).hex()[:32]

    def keys(self, who: str) -> tuple[str, ...]:
        """Return under which names something may be kept of a person: in clear, and as an alias."""
        return (who,) if self._secret is None or who.startswith(ERASED) else (who, self.of(who))

    def hidden(self, table: Table, row: Row) -> Row:
        """Return a row of messages, or of what came back, that says nothing of who it is about.

        An id that we made of what somebody said would tell whether a guess is right, so it gets
        an alias too.
        """
        who = {name: self.of(row[name]) for name in ("to", "contact_id") if row[name] is not None}
        key = table.key[0]
        made = {key: self.of(row[key])} if row[key] in _own_ids(table, row) else {}
        return {**row, **_GONE[table.name], **who, **made}

    def attributed(self, table: Table, row: Row, told: Row) -> Row:
        """Return what came back late about a message of somebody who was erased: it counts, and names nobody."""
        if self._secret is not None:  # or else another tracker erased them
            row = self.hidden(table, row)
        return {**row, **_GONE[table.name], "to": told["to"], "contact_id": told["contact_id"]}


def _own_ids(table: Table, row: Row) -> set[str]:
    """Return the ids that we would have made of a row."""
    if table.name not in _MADE_OF:
        return set()
    kind, names = _MADE_OF[table.name]
    said = [row[name] for name in names]
    named = itertools.product((row["to"], None), (row["message_id"], None))
    return {digest(kind, to, message_id, *said) for to, message_id in named}
