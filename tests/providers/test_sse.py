"""The reader of server-sent events."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.errors import ProtocolError
from convoscope_jupyter.providers._sse import MAX_EVENT_BYTES, ServerSentEvent, SseDecoder


def events_of(*pieces: bytes, max_event_bytes: int = MAX_EVENT_BYTES) -> list[ServerSentEvent]:
    decoder = SseDecoder(max_event_bytes=max_event_bytes)
    return [*itertools.chain.from_iterable(map(decoder.feed, pieces)), *decoder.close()]


def message(data: str) -> ServerSentEvent:
    return ServerSentEvent("message", data)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["", "", "data", "data:", "data: ", "data:  two", ": a comment", ":", "id: 7", "retry: 10", "x"]
        ),
        st.text("aé😀:\u2028 ", max_size=6).map("data:{}".format),
        st.text("aé😀:\u2028 ", max_size=6).map("data: {}".format),
        st.sampled_from(["ping", "é", ""]).map("event: {}".format),
    ),
    max_size=12,
)


@given(lines=LINES, places=st.lists(st.integers(0, 400), max_size=8))
def test_the_same_events_come_however_the_bytes_are_cut(lines: list[str], places: list[int]) -> None:
    body = "\n".join(lines).encode()

    assert events_of(body) == events_of(*cut(body, places))


@given(lines=LINES, end=st.sampled_from(["\r", "\r\n"]))
def test_lines_may_end_in_cr_or_crlf_as_well(lines: list[str], end: str) -> None:
    with_lf, other = ("".join(f"{line}{sign}" for line in lines).encode() for sign in ("\n", end))

    assert events_of(with_lf) == events_of(other)


@given(body=st.binary(max_size=200), places=st.lists(st.integers(0, 400), max_size=8))
def test_any_bytes_are_read_without_a_crash_and_alike_however_they_are_cut(body: bytes, places: list[int]) -> None:
    assert events_of(body) == events_of(*cut(body, places))


def test_crlf_split_between_pieces_ends_one_line() -> None:
    assert [message("a"), message("b")] == events_of(b"data: a\r", b"\n\r", b"\ndata: b\r\n\r\n")


def test_a_lone_cr_ends_a_line_at_once() -> None:
    decoder = SseDecoder()

    assert [message("a")] == list(decoder.feed(b"data: a\r\r"))


@pytest.mark.parametrize(
    "body, expected",
    [
        pytest.param(b"data: a\ndata: b\n\n", [message("a\nb")], id="several data lines are joined by a line feed"),
        pytest.param(b"data\n\n", [message("")], id="data without a colon is empty data"),
        pytest.param(b"data: a\nevent\n\n", [message("a")], id="event without a colon is no name"),
        pytest.param(b"data:  a\n\n", [message(" a")], id="one space after the colon is dropped, not two"),
        pytest.param(b"data:a\n\n", [message("a")], id="the space is optional"),
        pytest.param(b": hi\n\n:\n\n", [], id="comments give nothing"),
        pytest.param(b"event: ping\n\ndata: a\n\n", [message("a")], id="a name without data is forgotten"),
        pytest.param(b"event: ping\ndata: a\n\n", [ServerSentEvent("ping", "a")], id="an event has a name"),
        pytest.param(
            b"event:ping\ndata: a\n\ndata: b\n\n",
            [ServerSentEvent("ping", "a"), message("b")],
            id="a name is for one event",
        ),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [message("a")], id="a byte order mark is skipped"),
        pytest.param(b"\n\xef\xbb\xbfdata: a\n\n", [], id="only at the start"),
        pytest.param(b"\xef\xbb\xbfdata: a", [message("a")], id="even before a line without an end"),
        pytest.param(b"data: a", [message("a")], id="a last event without any line end counts"),
        pytest.param(b"data: a\n", [message("a")], id="a last event without its blank line counts"),
        pytest.param(
            b"data: a\xff\xe2\x82\n\n", [message("a\ufffd\ufffd")], id="bytes that are not UTF-8 are replaced"
        ),
        pytest.param(b"id: 1\nretry: 5\nwhat: ever\ndata: a\n\n", [message("a")], id="other fields are ignored"),
        pytest.param(b"", [], id="nothing gives nothing"),
    ],
)
def test_the_grammar(body: bytes, expected: list[ServerSentEvent]) -> None:
    assert expected == events_of(body)
    assert expected == events_of(*(bytes([byte]) for byte in body))


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"data: " + b"x" * 200 + b"\n\n"], id="in one piece"),
        pytest.param([b"data: "] + [b"x" * 10] * 20, id="in a line that does not end"),
        pytest.param([b"data: 0123456789\n"] * 20, id="in many lines"),
        pytest.param([b"data\n"] * 40, id="in many empty lines"),
        pytest.param([b": "] + [b"x" * 10] * 20, id="in a comment that does not end"),
    ],
)
def test_an_event_over_the_bound_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(ProtocolError, match="more than 100 bytes"):
        events_of(*pieces, max_event_bytes=100)


def test_events_before_an_oversized_one_are_kept() -> None:
    decoder = SseDecoder(max_event_bytes=100)
    events = decoder.feed(b"data: a\n\ndata: " + b"x" * 200 + b"\n\n")

    assert message("a") == next(events)
    with pytest.raises(ProtocolError):
        next(events)


def test_many_events_may_together_be_over_the_bound() -> None:
    assert 50 == len(events_of(b"data: 0123456789\n\n" * 50, max_event_bytes=100))
