"""The text of a source from its chunks."""

from __future__ import annotations

from pathlib import Path

from florilegium.server.source_text import join_chunks
from florilegium.types import Item, Modality, Source, Span

SOURCE = Source(root=Path(), path="a.txt", size=1, modified_ns=1, content_hash="0")


def chunk(start: int, text: str) -> Item:
    return Item(
        id=str(start),
        source=SOURCE,
        modality=Modality.TEXT,
        ordinal=start,
        title="a",
        text=text,
        span=Span(start=start, end=start + len(text)),
    )


def test_every_span_is_right_in_the_joined_text() -> None:
    chunks = [chunk(9, "Second."), chunk(0, "First."), chunk(17, "Third."), chunk(30, "Fourth.")]

    text = join_chunks(chunks).text

    assert [text[c.span.start : c.span.end] for c in chunks if c.span] == [c.text for c in chunks]
    assert text == "First.\n\n Second.\nThird.\n\n     Fourth."


def test_chunks_that_overlap_are_joined_once() -> None:
    assert join_chunks([chunk(0, "one two"), chunk(4, "two three"), chunk(5, "wo")]).text == (
        "one two three"
    )


def test_what_stands_before_the_first_chunk_is_left_out_and_spans_move_along() -> None:
    chunks = [chunk(99, "# Roses"), chunk(108, "They like sun.")]

    whole = join_chunks(chunks)

    assert whole.text == "# Roses\n\nThey like sun."
    assert whole.start == 99
    for one in chunks:
        assert one.span is not None
        moved = whole.moved(one.span)
        assert whole.text[moved.start : moved.end] == one.text


def test_no_chunks_give_no_text() -> None:
    assert join_chunks([]).text == ""
