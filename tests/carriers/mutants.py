"""Requests that are genuine but for some of what they say: for the parsers of every carrier."""

from __future__ import annotations

import copy
import json
from urllib.parse import parse_qsl, urlencode

import attrs
from hypothesis import strategies as st

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "0", "-1", "9" * 400, "2026-11-22", "0001-01-01T00:00:00Z", "\0", "{}", "[]", "http://["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def opened(value):
    """Return JSON with the JSON inside its texts opened too, each as a list of one marked value."""
    if isinstance(value, dict):
        return {name: opened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [opened(each) for each in value]
    if isinstance(value, str) and value.startswith("{"):
        return ("JSON", opened(json.loads(value)))
    return value


def closed(value):
    """Return what was opened as it was."""
    if isinstance(value, dict):
        return {name: closed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [closed(each) for each in value]
    return json.dumps(closed(value[1])) if isinstance(value, tuple) else value


def places(value, path=()):
    """Return where something stands in opened JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return [found for key, each in items for found in [(*path, key), *places(each, (*path, key))]]


def put(value, path, junk, *, gone):
    """Return opened JSON with something else, or nothing, in one place."""
    if not path:
        return junk
    key, *rest = path
    if isinstance(value, tuple):
        return ("JSON", put(value[1], rest, junk, gone=gone))
    if key not in (value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)):
        return value  # an earlier change took it away
    changed = copy.copy(value)
    if gone and not rest:
        del changed[key]
    else:
        changed[key] = put(value[key], rest, junk, gone=gone)
    return changed


@st.composite
def mutants(draw, request):
    """Draw a request that is genuine but for up to three of its values, or for its bytes."""
    kind = request.headers.get("content-type", "")
    if draw(st.integers(0, 9)) == 0:
        return attrs.evolve(request, body=draw(st.binary(max_size=300)))
    if request.body[:1] == b"{":
        value = opened(json.loads(request.body))
        for path in draw(st.lists(st.sampled_from(places(value)), min_size=1, max_size=3)):
            value = put(value, path, draw(JUNK), gone=draw(st.booleans()))
        return attrs.evolve(request, body=json.dumps(closed(value)).encode("utf-8", "surrogatepass"))
    if "form" in kind and request.body:
        return attrs.evolve(request, body=draw(forms(request.body.decode())).encode())
    if not request.body:
        where, _, query = request.url.partition("?")
        return attrs.evolve(request, url=f"{where}?{draw(forms(query))}")
    flipped = bytearray(request.body)
    for place in draw(st.lists(st.integers(0, len(flipped) - 1), min_size=1, max_size=5)):
        flipped[place] = draw(st.integers(0, 255))
    return attrs.evolve(
        request, body=bytes(flipped[: draw(st.integers(0, len(flipped)))] if draw(st.booleans()) else flipped)
    )


@st.composite
def forms(draw, text):
    """Draw a form with some of its values changed, doubled or gone."""
    pairs = parse_qsl(text, keep_blank_values=True)
    for _ in range(draw(st.integers(1, 3))):
        if not pairs:
            break
        place = draw(st.integers(0, len(pairs) - 1))
        name, _ = pairs.pop(place)
        pairs[place:place] = [(name, draw(st.text(max_size=20) | st.just("9" * 400)))] * draw(st.integers(0, 2))
    return urlencode(pairs, errors="surrogatepass")
