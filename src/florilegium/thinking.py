"""Cuts out of a streamed reply the thoughts that some models write before their answer.

Pure: knows texts and deltas. Every cut of the stream gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from florilegium.types import Delta

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"


def without_thoughts(deltas: Iterable[Delta]) -> Iterator[Delta]:
    """Yield the deltas of a reply without its thoughts; the last keeps its finish reason."""
    thoughts = ThoughtFilter()
    for delta in deltas:
        text = thoughts.feed(delta.text)
        if delta.finish_reason is not None:
            text += thoughts.finish()
        if text or delta.finish_reason is not None:
            yield replace(delta, text=text)


class ThoughtFilter:
    """Drop one `<think>…</think>` from the beginning of a reply, and the blanks around it.

    Anywhere else the tag is part of the answer: a text about such tags must stay whole.
    """

    def __init__(self) -> None:
        self._pending = ""
        self._answers = False
        self._thinks = False

    def feed(self, text: str) -> str:
        """Return what is surely part of the answer so far."""
        if self._answers:
            return text
        self._pending += text
        if not self._thinks:
            begun = self._pending.lstrip()
            if len(begun) < len(_OPEN) and _OPEN.startswith(begun):
                return ""
            if not begun.startswith(_OPEN):
                return self._release(self._pending)
            self._thinks = True
            self._pending = begun[len(_OPEN) :]
        _, found, after = self._pending.partition(_CLOSE)
        if not found:
            # Only the end of a thought can be the beginning of its closing tag.
            self._pending = self._pending[1 - len(_CLOSE) :]
            return ""
        self._pending = _CLOSE + after
        return self._release(answer) if (answer := after.lstrip()) else ""

    def finish(self) -> str:
        """Return what was held back and is no thought after all, at the end of the reply."""
        held = "" if self._thinks else self._pending
        self._pending = ""
        return held

    def _release(self, text: str) -> str:
        self._answers = True
        self._pending = ""
        return text
