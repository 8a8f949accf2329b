"""Ends a streamed reply before the first of some texts. Pure: knows texts and deltas.

Every cut of the stream gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from florilegium.types import Delta


def until_stop(deltas: Iterable[Delta], stop: Sequence[str]) -> Iterator[Delta]:
    """Yield the deltas of a reply up to the `stop` text that is complete first, without it.

    There the finish reason is "stop", and the chat model is asked for no more, so that what it
    counted is not known. What may be the beginning of such a text is held back until it is clear.
    """
    held = ""
    for delta in deltas:
        text = held + delta.text
        # By where they end: the first that is there whole stops the reply, however it is cut.
        if found := [(at + len(one), at) for one in stop if (at := text.find(one)) >= 0]:
            yield Delta(text=text[: min(found)[1]], finish_reason="stop")
            return
        ready = len(text) if delta.finish_reason is not None else _settled(text, stop)
        held = text[ready:]
        if ready or delta.finish_reason is not None:
            yield replace(delta, text=text[:ready])


def _settled(text: str, stop: Sequence[str]) -> int:
    """Return how much of a text no `stop` can begin in, given that none stands in it whole."""
    longest = max(map(len, stop), default=1)
    for at in range(max(0, len(text) - longest + 1), len(text)):
        if any(one.startswith(text[at:]) for one in stop):
            return at
    return len(text)
