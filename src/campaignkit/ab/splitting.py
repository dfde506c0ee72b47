"""Who gets which text: exact groups that come out the same every time, and can be written down.

    contacts ──► keys ──► SHA-256 of salt and key ──► cut at exact counts ──► groups

A split is its salt and its cut points. With them a contact's group is found from its key alone,
so a split that was written as JSON, which names nobody, gives the same contacts the same groups
again.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

import attrs

from campaignkit.ab.allocation import (
    Share,
    allocate,
    allocate_strata,
    cut_points,
    digests,
    exact_share,
    group_at,
    interleave,
)
from campaignkit.ab.contacts import (
    Contacts,
    Found,
    Stratum,
    key_text,
    key_texts,
    open_contacts,
    read_contacts,
    stratum_text,
)
from campaignkit.ab.values import HOLDOUT, REMAINING
from campaignkit.display import html_table, joined, percent_text, text_table, visible
from campaignkit.errors import InvalidValue, nearest, shown

_FORMAT: Final = "campaignkit.ab.split"
_VERSION: Final = 1
_MOST_VARIANTS: Final = 100
_TWICE: Final = 255  # the mark of a contact that was there before
_HALVES: Final[Mapping[str, Share]] = MappingProxyType({"A": 0.05, "B": 0.05})
_HEAD: Final = ("group", "share", "contacts")


@attrs.frozen(kw_only=True)
class Split:
    """Groups of contacts, made by `split`. Printed, it is a table; in a notebook, an HTML one.

    Attributes:
        shares: of each group, exact: the variants in their order, ``holdout`` if there is one, ``remaining``.
        counts: contacts in each group.
        salt: what the groups were drawn with.
        key: the name of the column or field that tells contacts apart.
        stratify: those that the groups are balanced by.
        duplicates: contacts that were left out because their key was there before.
    """

    shares: Mapping[str, Fraction]
    counts: Mapping[str, int]
    salt: str
    key: str
    stratify: tuple[str, ...] = ()
    duplicates: int = attrs.field(default=0, eq=False)
    _cuts: Mapping[Stratum, tuple[bytes, ...]] = attrs.field(repr=False)
    _contacts: Contacts | None = attrs.field(default=None, eq=False, repr=False)
    _marks: bytes = attrs.field(default=b"", eq=False, repr=False)

    # --- groups ----------------------------------------------------------------------------

    @property
    def variants(self) -> tuple[str, ...]:
        """The groups that get a text of the test."""
        return tuple(name for name in self.shares if name not in {HOLDOUT, REMAINING})

    @property
    def test_size(self) -> int:
        """Contacts that get a text of the test."""
        return sum(self.counts[name] for name in self.variants)

    def expected(self, groups: Iterable[str] | None = None) -> dict[str, float]:
        """Return which part of some groups together each should be, for the check of the sample ratio.

        Exact counts say it, so that a test that was sent as it was split agrees perfectly.

        Args:
            groups: by default the variants.

        Raises:
            InvalidValue: there is no such group.

        >>> test = split(["ana", "ben", "eve", "tom"], variants={"A": 0.25, "B": 0.5}, salt="spring")
        >>> test.expected(["A", "remaining"])
        {'A': 0.5, 'remaining': 0.5}
        """
        names = [self._known(name, self.shares) for name in (self.variants if groups is None else groups)]
        whole: Mapping[str, int | Fraction] = self.counts if any(self.counts[name] for name in names) else self.shares
        total = sum(whole[name] for name in names)
        return {name: float(whole[name] / total) if total else 0.0 for name in names}

    def group_of(self, key: str | int, *, stratum: Sequence[Any] | str | None = None) -> str:
        """Return the group of a contact; a contact that was not there gets the one its key falls into.

        Args:
            key: as in the contacts.
            stratum: the values of the ``stratify`` columns, for a contact that was not there.

        Raises:
            InvalidValue: no key, or the split is stratified and does not know the stratum.

        >>> test = split(["ana", "ben", "eve", "tom"], variants={"A": 0.25, "B": 0.25}, salt="spring")
        >>> [test.group_of(key) for key in ("ana", "ben", "eve", "tom")]
        ['remaining', 'A', 'remaining', 'B']
        """
        text = key_text(key, self.key)
        values = self._stratum_of(text, stratum)
        (digest,) = digests(self.salt, [text])
        return [*self.shares][group_at(self._cuts_of(values))(digest)]

    def variant_of(self, key: str | int, *, stratum: Sequence[Any] | str | None = None) -> str | None:
        """Return the variant of a contact; None for who gets no text of the test. `group_of` says more."""
        group = self.group_of(key, stratum=stratum)
        return group if group in self.variants else None

    def _stratum_of(self, text: str, given: Sequence[Any] | str | None) -> Stratum:
        if not self.stratify:
            return ()
        if given is None:
            if text not in self._strata:
                raise InvalidValue(
                    f"{self.key} is {shown(text)}: not one of these contacts, and the split is by"
                    f' {", ".join(self.stratify)}; give stratum=, like stratum=("FR",)'
                )
            return self._strata[text]
        values = (given,) if isinstance(given, str) else tuple(given)
        if len(values) != len(self.stratify):
            raise InvalidValue(f"stratum is {shown(given)}: give a value for each of {', '.join(self.stratify)}")
        return tuple(map(stratum_text, self.stratify, values))

    def _cuts_of(self, stratum: Stratum) -> tuple[bytes, ...]:
        if stratum not in self._cuts:
            raise InvalidValue(
                f"stratum is {shown(stratum)}: nobody of it was split, so it has no groups; correct it, or leave"
                f" the contact out; the split has {joined(map(str, self._cuts))}"
            )
        return self._cuts[stratum]

    @functools.cached_property
    def _strata(self) -> dict[str, Stratum]:
        """The stratum of each contact, by key."""
        if self._contacts is None:
            return {}
        found = read_contacts(self._contacts, self.key, self.stratify)
        return {found.keys[member]: stratum for stratum, members in found.members.items() for member in members}

    # --- contacts --------------------------------------------------------------------------

    def recipients(self, group: str) -> Any:
        """Return the contacts of a group as they were given: a list, or a frame with a ``variant`` column.

        Args:
            group: a variant, ``holdout`` (who is not to be sent to), or ``remaining``.

        Raises:
            InvalidValue: there is no such group, or the split has no contacts.

        >>> split(["ana", "ben", "eve", "tom"], variants={"A": 0.25, "B": 0.25}, salt="spring").recipients("remaining")
        ['ana', 'eve']
        """
        name = self._known(group, self.shares)
        return self._had().only(self._places(name), name)

    def send_order(self) -> Any:
        """Return who gets a text of the test, in the order to send in: pairs (contact, variant), or a frame.

        Variants take turns, so that however far sending has come each has had its share, give or take
        less than one: sent one after the other, they would differ by the time of day.

        Raises:
            InvalidValue: the split has no contacts.

        >>> split(["ana", "ben", "eve", "tom"], variants={"A": 0.5, "B": 0.5}, salt="spring").send_order()
        [('ben', 'A'), ('eve', 'B'), ('tom', 'A'), ('ana', 'B')]
        """
        contacts, names = self._had(), self.variants
        keys = self._texts
        queues = []
        for name in names:
            places = self._places(name)
            ranked = zip(digests(self.salt, [keys[place] for place in places]), places, strict=True)
            queues.append(iter([place for _, place in sorted(ranked)]))
        order = interleave([self.counts[name] for name in names])
        return contacts.paired([next(queues[group]) for group in order], [names[group] for group in order])

    def remaining(self, *, send: str | None) -> Any:
        """Return who is left, with the variant to send them: pairs (contact, variant), or a frame.

        Nobody of the test or the holdout is among them.

        Args:
            send: the variant, like `Decision.send`.

        Raises:
            InvalidValue: no variant, or the split has no contacts.

        >>> split(["ana", "ben", "eve", "tom"], variants={"A": 0.25, "B": 0.25}, salt="spring").remaining(send="B")
        [('ana', 'B'), ('eve', 'B')]
        """
        if send is None:
            raise InvalidValue(
                f"send is None: no variant was chosen, and the rest cannot be sent nothing;"
                f" give one of {', '.join(self.variants)}, or wait"
            )
        variant, places = self._known(send, self.variants, "send"), self._places(REMAINING)
        return self._had().paired(places, [variant] * len(places))

    def assign(self, contacts: Any) -> Split:
        """Return this split with contacts, for one that was read from JSON: who was there has the same group.

        Contacts that are new get the group their key falls into. The counts are those of these contacts.

        Args:
            contacts: as `split` takes them.

        Raises:
            InvalidValue: a key or a stratum that `split` would not take, or a stratum that it did not have.
        """
        opened = open_contacts(contacts)
        found = read_contacts(opened, self.key, self.stratify)
        return self._with(opened, found, digests(self.salt, found.keys))

    def _with(self, contacts: Contacts, found: Found, ranked: list[bytes]) -> Split:
        marks = bytearray([_TWICE]) * found.rows
        for stratum, members in found.members.items():
            group_of = group_at(self._cuts_of(stratum))
            if len(members) == found.rows:
                marks[:] = bytes(map(group_of, ranked))
                break
            for member in members:
                marks[found.places[member]] = group_of(ranked[member])
        return attrs.evolve(
            self,
            counts={name: marks.count(group) for group, name in enumerate(self.shares)},
            duplicates=found.rows - len(found.keys),
            contacts=contacts,
            marks=bytes(marks),
        )

    def _had(self) -> Contacts:
        if self._contacts is None:
            raise InvalidValue(
                "this split was read from JSON and has no contacts: give them with split.assign(contacts)"
            )
        return self._contacts

    @property
    def _texts(self) -> list[str]:
        return key_texts(self._had().columns(self.key, ())[0], self.key)

    def _places(self, name: str) -> list[int]:
        mark = [*self.shares].index(name)
        return [place for place, group in enumerate(self._marks) if group == mark]

    def _known(self, name: str, names: Iterable[str], asked: str = "group") -> str:
        if name not in [*names]:
            raise InvalidValue(f"{asked} is {shown(name)}: not one of this split; nearest: {nearest(name, names)}")
        return name

    # --- written down ----------------------------------------------------------------------

    def to_json(self) -> str:
        """Return all that is needed to give the same contacts the same groups again; it names none of them.

        The values of strata are in it.

        >>> made = split(["ana", "ben"], variants={"A": 0.5, "B": 0.5}, salt="spring")
        >>> Split.from_json(made.to_json()) == made
        True
        """
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "salt": self.salt,
            "key": self.key,
            "stratify": list(self.stratify),
            "shares": {name: f"{share.numerator}/{share.denominator}" for name, share in self.shares.items()},
            "counts": dict(self.counts),
            "cuts": sorted(([[*at], [cut.hex() for cut in cuts]] for at, cuts in self._cuts.items()), key=json.dumps),
        }
        return json.dumps(content | {"check": _check(content)})

    @classmethod
    def from_json(cls, text: str | bytes) -> Split:
        """Return a split that was written by `to_json`, without contacts: `assign` gives them again.

        Raises:
            InvalidValue: not one, one that was changed, or one of a later version.
        """
        content = _parse(text)
        version = content.get("version")
        if isinstance(version, int) and version > _VERSION:
            raise InvalidValue(
                f"this split is of version {version}, and this campaignkit reads {_VERSION}: update campaignkit"
            )
        if content.pop("check", None) != _check(content):
            raise InvalidValue("this split was changed since it was written: give the text that Split.to_json returned")
        return cls(
            shares={name: Fraction(share) for name, share in content["shares"].items()},
            counts=content["counts"],
            salt=content["salt"],
            key=content["key"],
            stratify=tuple(content["stratify"]),
            cuts={tuple(stratum): tuple(map(bytes.fromhex, cuts)) for stratum, cuts in content["cuts"]},
        )

    # --- shown -----------------------------------------------------------------------------

    def __str__(self) -> str:
        """Return a line for each group."""
        return f"{text_table([_HEAD, *self._rows()], right=(1, 2))}\n{visible(self._caption())}"

    def _repr_html_(self) -> str:
        """Return a row for each group as HTML."""
        return html_table(_HEAD, self._rows(), caption=self._caption(), right=(1, 2))

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(name, percent_text(float(share)), f"{self.counts[name]:,}") for name, share in self.shares.items()]

    def _caption(self) -> str:
        by = f", balanced by {', '.join(self.stratify)}" if self.stratify else ""
        twice = f"; {self.duplicates:,} left out, their key was there before" if self.duplicates else ""
        return f"{sum(self.counts.values()):,} contacts by {self.key}, salt {self.salt!r}{by}{twice}"


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise InvalidValue("this is no split: give the text that Split.to_json returned")
    return content


def _check(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


# --- making one --------------------------------------------------------------------------------


def split(
    contacts: Any,
    *,
    salt: str,
    variants: Mapping[str, Share] = _HALVES,
    holdout: Share = 0.0,
    key: str = "contact_id",
    stratify: str | Iterable[str] | None = None,
) -> Split:
    """Return contacts in groups of exact size: variants to test, a holdout, and the rest.

    Counts are exact by largest remainder (`allocate`). Contacts are ranked by SHA-256 of salt and key
    and cut at the counts, so neither their order nor the machine or version matters. Contacts with
    equal keys are one; the first counts.

    Args:
        contacts: keys, objects or mappings in any iterable, or a frame of any engine, of which only the
            key and the columns of strata are read. A key is text or a whole number; one that begins with
            + must be in E.164.
        salt: a text of this test alone: with that of another, the same contacts would be tested again.
        variants: the share of each, of all contacts; ``.05`` is exactly 1/20.
        holdout: the share of those who are to get nothing, to measure against.
        key: the column, field or attribute that tells contacts apart.
        stratify: columns, fields or attributes whose values each variant gets its share of, give or take
            one contact; nulls are a value of their own.

    Raises:
        InvalidValue: a contact without a key, with its row; shares that are not above 0, or more than 1
            together; names that are alike or taken.
        InvalidColumn: nobody has the key or a column of strata.

    >>> made = split([f"c{number}" for number in range(1003)], salt="spring")
    >>> print(made)
    group      share  contacts
    A           5.0 %        50
    B           5.0 %        50
    remaining  90.0 %       903
    1,003 contacts by contact_id, salt 'spring'
    """
    if not isinstance(salt, str) or not salt.strip():
        raise InvalidValue(
            f'salt is {shown(salt)}: must be a text of this test alone; give its name, like salt="spring-1"'
        )
    shares = _shares(variants, holdout)
    strata = (stratify,) if isinstance(stratify, str) else tuple(stratify or ())
    for name in (key, *strata):
        if not isinstance(name, str):
            raise InvalidValue(f"key and stratify name columns, and {shown(name)} is no name; give text")
    opened = open_contacts(contacts)
    found = read_contacts(opened, key, strata)
    ranked = digests(salt, found.keys)
    cuts = _cuts(found, ranked, salt, [share for share in shares.values() if share])
    made = Split(shares=shares, counts={}, salt=salt, key=key, stratify=strata, cuts=cuts)
    return made._with(opened, found, ranked)  # noqa: SLF001 - its own


def _shares(variants: Mapping[str, Share], holdout: Share) -> dict[str, Fraction]:
    """Return the exact share of every group, what remains included.

    Raises:
        InvalidValue: names that are alike or taken, shares that are none.
    """
    if not isinstance(variants, Mapping) or not 0 < len(variants) <= _MOST_VARIANTS:
        raise InvalidValue(
            f"variants is {shown(variants)}: give the share of each, of at most {_MOST_VARIANTS},"
            ' like {"A": 0.05, "B": 0.05}'
        )
    shares: dict[str, Fraction] = {}
    taken = {HOLDOUT: "is an argument of its own, holdout=", REMAINING: "is what is left by itself"}
    for name, given in variants.items():
        if not isinstance(name, str) or not name.strip():
            raise InvalidValue(f"variants names {shown(name)}: must be text; give each variant a name")
        alike = name.strip().casefold()
        if alike in taken:
            raise InvalidValue(f"variants names {shown(name)}, which {taken[alike]}; choose another name")
        taken[alike] = f"reads like {name!r}"
        shares[name] = exact_share(f"the share of {name!r}", given)
        if not shares[name]:
            raise InvalidValue(f"the share of {name!r} is 0: nobody would get it; give it a share, or leave it out")
    if aside := exact_share(HOLDOUT, holdout):
        shares[HOLDOUT] = aside
    every = sum(shares.values(), Fraction())
    if every > 1:
        raise InvalidValue(f"the shares add up to {float(every):g}: must be at most 1 in all; 5 % is 0.05")
    return {**shares, REMAINING: 1 - every}


def _cuts(
    found: Found, ranked: Sequence[bytes], salt: str, shares: Sequence[Fraction]
) -> dict[Stratum, tuple[bytes, ...]]:
    """Return where each stratum is cut."""
    if () in found.members:
        return {(): cut_points(ranked, allocate(len(ranked), shares))}
    drawn = sorted(zip(digests(salt, map(json.dumps, found.members)), found.members.items(), strict=True))
    strata = [stratum for _, stratum in drawn]
    counts = allocate_strata([len(members) for _, members in strata], shares)
    return {
        stratum: cut_points([ranked[member] for member in members], of_groups)
        for (stratum, members), of_groups in zip(strata, counts, strict=True)
    }
