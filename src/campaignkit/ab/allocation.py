"""Who goes where, exactly: whole counts from shares, and an order of keys that never changes.

Counts come from shares by largest remainder, in whole numbers, never in floats. Keys are
ranked by SHA-256 of the salt and the key, and cut at the counts, so the same contacts get the
same groups on every machine, in every version, and in whatever order they are given.

In strata two promises meet: the totals are those of the whole audience, and each stratum is
within 1 of its share. Rounding each stratum down leaves a few units over; they are given where
most is owed so far, stratum after stratum in an order that is itself drawn by the salt. What
then is missing in one group and too much in another is moved along a path of groups, each step
within a stratum that has room for it. A maximum flow is found that way, so both promises are
kept whenever they can be. With four groups or fewer they always can be. With five there are
strata, seldom, that leave no way: 7 and 1 contacts in groups of 42.5, 42.5, 5, 5 and 5 %. The
totals are 4, 4, 0, 0, 0, so the 7 can only be 3 and 4, though 2.975 is its share of each. Then
the totals hold.
"""

from __future__ import annotations

import functools
import hashlib
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from campaignkit.errors import InvalidValue, shown

Share = int | float | Decimal | Fraction
"""A part of the whole; a float is the decimal number that it prints as."""

_FEW: Final = 4_000
_OFFSET, _PRIME, _WORD = 0x811C9DC5, 0x01000193, 1 << 32  # FNV-1a of 32 bits, as published
_BUCKETS: Final = 10_000


# --- counts ------------------------------------------------------------------------------------


def exact_share(name: str, value: object) -> Fraction:
    """Return a share as the exact fraction it was written as: ``.05`` is 1/20.

    Raises:
        InvalidValue: not a number, not finite, or negative.

    >>> exact_share("share", 0.05)
    Fraction(1, 20)
    """
    try:
        if isinstance(value, Share) and not isinstance(value, bool):
            share = Fraction(float.__repr__(value)) if isinstance(value, float) else Fraction(value)
            if share >= 0:
                return share
    except (ValueError, OverflowError):  # NaN and infinity
        pass
    raise InvalidValue(f"{name} is {shown(value)}: must be a number, 0 or more; give it like 0.05, or Fraction(1, 3)")


def allocate(total: int, weights: Iterable[Share]) -> list[int]:
    """Return whole counts that add up to the total, as near to the weights as whole counts come.

    Each group gets its share rounded down; what is left goes to the largest remainders, and
    among equal ones to the earlier group (Hamilton's method, 1792), in exact arithmetic.

    Args:
        total: how many there are.
        weights: of each group; they need not add up to 1.

    Raises:
        InvalidValue: a negative total or weight, or no weight above 0.

    >>> allocate(1003, [0.05, 0.05, 0.9])
    [50, 50, 903]
    >>> allocate(100, [1, 1, 1])
    [34, 33, 33]
    """
    if isinstance(total, bool) or not isinstance(total, int) or total < 0:
        raise InvalidValue(f"total is {shown(total)}: must be a whole number, 0 or more; count who is to be divided")
    return _divide(total, _whole([exact_share("weight", each) for each in weights]))


def _whole(weights: Sequence[Fraction]) -> list[int]:
    """Return whole numbers in the ratio of the weights."""
    if not any(weights):
        raise InvalidValue("weights are all 0: nothing can be divided by them; give one above 0")
    common = math.lcm(*(each.denominator for each in weights))
    return [each.numerator * (common // each.denominator) for each in weights]


def _divide(total: int, whole: Sequence[int]) -> list[int]:
    every = sum(whole)
    counts = [total * each // every for each in whole]
    by_rest = sorted(range(len(whole)), key=lambda group: -(total * whole[group] % every))
    for group in by_rest[: total - sum(counts)]:
        counts[group] += 1
    return counts


def allocate_strata(sizes: Sequence[int], weights: Iterable[Share]) -> list[list[int]]:
    """Return the counts of each stratum, which add up to what `allocate` says of all of them together.

    Each stratum is within 1 of its share in each group, but where that is impossible, as it seldom
    is with five groups or more: then the totals hold.

    Args:
        sizes: of each stratum, 1 or more, in the order in which what is left over is given.
        weights: of each group, all above 0.

    >>> allocate_strata([3, 3, 4], [0.5, 0.5])
    [[2, 1], [1, 2], [2, 2]]
    """
    whole = _whole([exact_share("weight", each) for each in weights])
    every = sum(whole)
    owed = [0] * len(whole)
    rows = []
    for size in sizes:
        row = [size * each // every for each in whole]
        rests = [size * each % every for each in whole]
        owed = [before + rest for before, rest in zip(owed, rests, strict=True)]
        fractional = [group for group, rest in enumerate(rests) if rest]
        for group in sorted(fractional, key=lambda group: -owed[group])[: size - sum(row)]:
            row[group] += 1
            owed[group] -= every
        rows.append(row)
    totals = _divide(sum(sizes), whole)
    _repair(rows, [sum(row[group] for row in rows) - total for group, total in enumerate(totals)], whole)
    return rows


def _repair(rows: list[list[int]], surplus: list[int], whole: Sequence[int]) -> None:
    """Move units between groups, within strata, until no group has too many."""
    every, level = sum(whole), 0

    def room(row: Sequence[int], giver: int, taker: int) -> bool:
        """Return whether a stratum may move one unit; level 0 is its share rounded either way, level 1 within 1."""
        size = sum(row)
        least = size * whole[giver] // every if not level else -(-size * whole[giver] // every) - level
        most = -(-size * whole[taker] // every) if not level else size * whole[taker] // every + level
        return row[giver] > max(least, 0) and row[taker] < most

    def mover(giver: int, taker: int) -> list[int] | None:
        return next((row for row in rows if room(row, giver, taker)), None)

    while any(surplus):
        path = _path(surplus, mover)
        if path is None:
            level += 1
            continue
        for row, giver, taker in path:
            row[giver] -= 1
            row[taker] += 1
        surplus[path[0][1]] -= 1
        surplus[path[-1][2]] += 1


_Step = tuple[list[int], int, int]


def _path(surplus: Sequence[int], mover: Callable[[int, int], list[int] | None]) -> list[_Step] | None:
    """Return the shortest way from a group with too many to one with too few: (stratum, giver, taker) each."""
    queue: list[tuple[int, list[_Step]]] = [(group, []) for group, extra in enumerate(surplus) if extra > 0]
    unseen = [group for group, extra in enumerate(surplus) if extra <= 0]
    for giver, steps in queue:  # grows as it goes
        for taker in list(unseen):
            row = mover(giver, taker)
            if row is None:
                continue
            way = [*steps, (row, giver, taker)]
            if surplus[taker] < 0:
                return way
            unseen.remove(taker)
            queue.append((taker, way))
    return None


# --- ranks -------------------------------------------------------------------------------------


def digests(salt: str, keys: Iterable[str]) -> list[bytes]:
    """Return SHA-256 of ``salt:key`` in UTF-8, for each key; as bytes they compare as the numbers they are.

    Raises:
        InvalidValue: a text that UTF-8 cannot write.
    """
    try:
        salted = hashlib.sha256(f"{salt}:".encode())
        found = []
        for key in keys:
            each = salted.copy()
            each.update(key.encode())
            found.append(each.digest())
    except UnicodeEncodeError as error:
        raise InvalidValue(
            f"{shown(error.object)} is not text that UTF-8 can write: clean it where it was read"
        ) from None
    return found


def hash64(salt: str, key: str) -> int:
    """Return where a key ranks: the first 8 bytes of SHA-256 of ``salt:key``, as a number.

    >>> hash64("camp-42", "+33639980001") == hash64("camp-42", "+33639980001")
    True
    """
    (digest,) = digests(salt, [key])
    return int.from_bytes(digest[:8], "big")


def fraction(salt: str, key: str) -> float:
    """Return where a key ranks, from 0 to 1: `hash64` over 2 to the 64th."""
    return hash64(salt, key) / 2**64


def growthbook_fraction(seed: str, key: str) -> float:
    """Return where GrowthBook's hash (version 2 of its SDKs) has a key, from 0 to 1 in steps of 1/10,000.

    `split` does not use it: it is for checking who was in which group of an experiment made there.

    >>> growthbook_fraction("", "b")
    0.9054
    """
    return _fnv(str(_fnv(seed + key))) % _BUCKETS / _BUCKETS


def _fnv(text: str) -> int:
    return functools.reduce(lambda found, letter: (found ^ ord(letter)) * _PRIME % _WORD, text, _OFFSET)


def cut_points(ranked: Sequence[bytes], counts: Sequence[int]) -> tuple[bytes, ...]:
    """Return what parts digests into groups of these counts, the lowest first: one cut less than groups.

    A cut is the roundest number between two digests, so that it says nothing of whose they are.

    >>> [cut.hex() for cut in cut_points([bytes([1] * 32), bytes([9] * 32), bytes([12] * 32)], [2, 1])]
    ['0c']
    """
    places = [sum(counts[: group + 1]) for group in range(len(counts) - 1)]
    inner = {place for place in places if place}
    found = _at(ranked, sorted({beside for place in inner for beside in (place - 1, place) if beside < len(ranked)}))
    return tuple(_between(found[place - 1], found.get(place)) if place else b"" for place in places)


def group_at(cuts: Sequence[bytes]) -> Callable[[bytes], int]:
    """Return what says which group, counted from 0, a digest falls into."""
    return functools.partial(bisect_right, cuts)


def _at(ranked: Sequence[bytes], places: Sequence[int]) -> dict[int, bytes]:
    """Return the digests at some places of their order."""
    if len(ranked) <= _FEW:
        ordered = sorted(ranked)
        return {place: ordered[place] for place in places}
    # Ordering everything costs as much as hashing it; a hash spreads evenly over its first byte.
    buckets: list[list[bytes]] = [[] for _ in range(256)]
    adders = [bucket.append for bucket in buckets]
    for digest in ranked:
        adders[digest[0]](digest)
    return dict(_within(buckets, places))


def _within(buckets: Iterable[list[bytes]], places: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    begins = 0
    for bucket in buckets:
        inside = [place for place in places if begins <= place < begins + len(bucket)]
        if inside:
            bucket.sort()
            yield from ((place, bucket[place - begins]) for place in inside)
        begins += len(bucket)


def _between(below: bytes, above: bytes | None) -> bytes:
    """Return the number above one digest, and at most the other, that ends in the most zeros."""
    low, high = int.from_bytes(below, "big"), int.from_bytes(above or b"\xff" * len(below), "big")
    zeros = max((low ^ high).bit_length() - 1, 0)
    return (high >> zeros << zeros).to_bytes(len(below), "big").rstrip(b"\0")


# --- order -------------------------------------------------------------------------------------


def interleave(counts: Sequence[int]) -> list[int]:
    """Return the groups in turn, so that after every step each has had its share, give or take less than 1.

    The n-th of a group is due by n times (all / its count) and not before the one before it was
    due; whoever is due first goes first, which meets every date (Steiner & Yeomans 1993,
    Management Science 39:728).

    >>> interleave([2, 4])
    [1, 0, 1, 1, 0, 1]
    """
    turns = math.gcd(*counts) or 1
    cycle = [count // turns for count in counts]
    length = sum(cycle)
    had = [0] * len(cycle)
    order = []
    for place in range(length):
        due = [group for group, count in enumerate(cycle) if had[group] * length < (place + 1) * count]
        group = min(due, key=lambda group: -(-(had[group] + 1) * length // cycle[group]))
        had[group] += 1
        order.append(group)
    return order * turns
