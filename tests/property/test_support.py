"""Marking a reply does not depend on how its stream was cut, and takes nothing away."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from florilegium.support import MARKS, SupportMarker
from florilegium.types import Hit, Item, Modality, Source

SOURCE = Source(root=Path("library"), path="a", size=1, modified_ns=0, content_hash="a")
ITEM = Item(
    id="a", source=SOURCE, modality=Modality.TEXT, ordinal=0, title="rose", text="Red roses bloom."
)
HITS = (Hit(item=ITEM, score=0.5, fused=1.0),)

PIECES = st.sampled_from(
    ["Red roses bloom", "purple penguins paint pictures", "e.g", "3.5", " [1]", " [1, 2]", ".",
     "!", "?", "...", '"', ")", " ", "  ", "\n", "\n\n", "- ", "玫瑰花很红而且很香", "。", "！",
     ":", "Not from the library:", "```", "| a |", "**", "Dr", "A", "[", "]"]
)  # fmt: skip


def mark(pieces: list[str]) -> str:
    marker = SupportMarker(known="", hits=HITS)
    return "".join([*(marker.feed(piece) for piece in pieces), marker.finish()])


@given(st.lists(PIECES, max_size=14), st.data())
def test_the_outcome_does_not_depend_on_the_cuts(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    cut = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    # A citation comes whole out of the CitationParser, with the blank before it.
    assert mark(list(text)) == mark([text]) == mark(cut)


@given(st.lists(PIECES, max_size=14))
def test_nothing_but_marks_is_added(pieces: list[str]) -> None:
    marked = mark(pieces)

    for one in MARKS.values():
        marked = marked.replace(one, "")
    assert marked == "".join(pieces)
