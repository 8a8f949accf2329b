"""Event streams: cut anywhere, they say the same; garbled, they are an error."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.chat_models.openai.events import LONGEST_LINE, read_events
from florilegium.errors import ChatError, ChatTimeoutError

STREAM = (
    'data: {"a": "Käse 🌷"}\n\n: ping\n\r\n'
    'data:{"b": "\u2028"}\r\ndata: more\r\n\r\ndata: [DONE]\n\n'
).encode()
EVENTS = ['{"a": "Käse 🌷"}', '{"b": "\u2028"}\nmore', "[DONE]"]


def _read(*pieces: bytes) -> list[str]:
    return list(read_events(pieces, server="s", timeout=60.0))


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_every_cut_of_a_stream_gives_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]

    assert _read(*pieces) == EVENTS


def test_single_bytes_give_the_same_events() -> None:
    assert _read(*(bytes([byte]) for byte in STREAM)) == EVENTS


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b": only a ping\n\n", []),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"event: x\nid: 1\nretry: 5\ndata: a\n\n", ["a"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b"data: the last needs no blank line", ["the last needs no blank line"]),
        (b"data:  two blanks\n\n", [" two blanks"]),
        (b'error: {"message": "m"}\n\n', ['{"message": "m"}']),
        (b"<html></html>\n", []),
    ],
)
def test_events_are_read_as_the_standard_says(stream: bytes, events: list[str]) -> None:
    assert _read(stream) == events


@pytest.mark.parametrize("end", [b"\n\n", b""])
@pytest.mark.parametrize("kept", [1, 2, 3])
def test_half_a_character_is_an_error(kept: int, end: bytes) -> None:
    with pytest.raises(ChatError, match="broke off within a character"):
        _read(b"data: " + "🌷".encode()[:kept] + end)


def test_a_line_without_end_is_an_error() -> None:
    with pytest.raises(ChatError, match="line of more than"):
        _read(*[b"x" * 65536] * (LONGEST_LINE // 65536 + 1))


def test_events_before_an_error_are_given() -> None:
    events = read_events([b"data: a\n\n", b"\xff\n"], server="s", timeout=1.0)

    assert next(events) == "a"
    with pytest.raises(ChatError):
        next(events)


def _clocked(pieces: Iterable[bytes]) -> list[str]:
    """Read pieces, one second after the other, with a patience of two seconds."""
    seconds = iter(range(1000))
    return list(read_events(pieces, server="s", timeout=2.0, clock=lambda: float(next(seconds))))


def test_a_connection_that_is_only_kept_alive_times_out() -> None:
    with pytest.raises(ChatTimeoutError, match="sent no piece of the reply for 2 s"):
        _clocked([b": ping\n"] * 4)


def test_pings_between_events_are_no_reason_to_give_up() -> None:
    assert _clocked([b": ping\n", b"data: a\n\n"] * 6) == ["a"] * 6
