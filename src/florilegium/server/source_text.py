"""The text of a source as its chunks in the index hold it, so that no file is read again.

The positions of all spans are right in it, even if the file has changed since it was ingested.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from florilegium.types import Item, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceText:
    """A text without what stands before its first chunk, such as front matter.

    `start` is where it begins in its file, in characters, from where spans of items count.
    """

    text: str
    start: int = 0

    def moved(self, span: Span) -> Span:
        """Return where a span of the file lies in the text."""
        return Span(start=max(0, span.start - self.start), end=max(0, span.end - self.start))


def join_chunks(items: Iterable[Item]) -> SourceText:
    """Return the text that the chunks of one source were cut from.

    What no chunk holds between them, blank lines and the like, is filled with blanks.
    """
    chunks = [(item.span, item.text) for item in items if item.span is not None]
    chunks.sort(key=lambda chunk: chunk[0].start)
    first = chunks[0][0].start if chunks else 0
    text = ""
    for span, words in chunks:
        start = span.start - first
        gap = max(0, start - len(text))
        text += ("\n\n" + " " * gap)[:gap]
        text += words[max(0, len(text) - start) :]
    return SourceText(text=text, start=first)
