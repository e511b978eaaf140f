"""A JSON array that is streamed, turned into events."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.providers._json_array import as_events
from convoscope_jupyter.providers._sse import SseDecoder
from tests.support.reading import as_stream

VALUES = st.recursive(
    st.none() | st.integers() | st.text('ab"\\{}[],é😀\n'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\{}', max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text('a"\\{}', max_size=3), VALUES, max_size=3), max_size=4)


async def events_of(*pieces: bytes) -> list[object]:
    decoder = SseDecoder()
    passed = [piece async for piece in as_events(as_stream(pieces))]
    events = [event for piece in passed for event in decoder.feed(piece)]
    return [json.loads(event.data) for event in events]


async def text_of(*pieces: bytes) -> bytes:
    return b"".join([piece async for piece in as_events(as_stream(pieces))])


@given(
    objects=OBJECTS,
    indent=st.sampled_from([None, 2]),
    plain=st.booleans(),
    places=st.lists(st.integers(0, 400), max_size=8),
    start=st.sampled_from([b"", b" \r\n", b"\xef\xbb\xbf"]),
)
async def test_each_object_of_an_array_is_an_event_however_the_bytes_are_cut(
    objects: list[object], indent: int | None, places: list[int], start: bytes, *, plain: bool
) -> None:
    body = start + json.dumps(objects, indent=indent, ensure_ascii=not plain).encode()
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    pieces = [body[begin:end] for begin, end in itertools.pairwise(edges)]

    assert objects == await events_of(*pieces)


async def test_an_object_is_given_as_soon_as_it_ends() -> None:
    events = as_events(as_stream([b'[{"a": 1}', b',{"b"', b": 2}]"]))

    assert b'data: {"a": 1}\n\n' == await anext(events)
    assert b'data: {"b"' == await anext(events)
    assert b": 2}\n\n" == await anext(events)


@pytest.mark.parametrize("end", [b'{"b": [1, 2', b'{"b": "{', b"", b", nonsense"])
async def test_what_breaks_off_is_no_event(end: bytes) -> None:
    assert [{"a": 1}] == await events_of(b'[{"a": 1},', end)


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"a": [1]}\n\n',
        b'\xef\xbb\xbf \n{"a": [1]}',
        b"<html>[{}]</html>",
        b": a comment\n\n[{}]",
        b" \n",
        b" " * 2000 + b"[{}]",
        b"",
    ],
    ids=["events", "object", "page", "comment", "blank", "very long blank", "nothing"],
)
async def test_what_is_no_array_passes_unchanged(body: bytes) -> None:
    assert body == await text_of(*(body[at : at + 1] for at in range(len(body))))


@given(body=st.binary(max_size=200))
async def test_any_bytes_pass_without_a_crash(body: bytes) -> None:
    assert await text_of(b"[", body) == await text_of(b"[", *(body[at : at + 1] for at in range(len(body))))
