"""Values that several tests of the command line show."""

from __future__ import annotations

from pathlib import Path

from florilegium.answers import Answer, Citation
from florilegium.types import Contribution, Hit, Item, Modality, Source, Span

SOURCE = Source(root=Path("garden"), path="dahlia.md", size=9, modified_ns=0, content_hash="0")
TEXT_ITEM = Item(
    id="t1",
    source=SOURCE,
    modality=Modality.TEXT,
    ordinal=0,
    title="The dahlia",
    text="The dahlia\n\nWater it twice a week.",
    span=Span(start=0, end=34),
)
IMAGE_ITEM = Item(
    id="i1",
    source=Source(root=Path("garden"), path="a/b.png", size=9, modified_ns=0, content_hash="1"),
    modality=Modality.IMAGE,
    ordinal=0,
    title="b",
    text="a b",
    width=40,
    height=30,
)
TEXT_HIT = Hit(
    item=TEXT_ITEM,
    score=0.5,
    fused=2.25,
    contributions=(
        Contribution(ranking="paragraphs", rank=1, score=0.5, z=2.0, weight=1.0),
        Contribution(ranking="bm25", rank=None, score=0.0, z=0.5, weight=0.5),
    ),
)
IMAGE_HIT = Hit(item=IMAGE_ITEM, score=0.25, fused=1.0)
ANSWER = Answer(
    text="Twice a week [1], as shown [2].",
    citations=(
        Citation(number=1, hit=TEXT_HIT, quote="Water it [daily].", span=Span(start=12, end=29)),
        Citation(number=2, hit=IMAGE_HIT),
    ),
    refused=False,
    confidence=0.875,
    history=(),
    hits=(TEXT_HIT, IMAGE_HIT),
    reasons=("the words agree",),
)
REFUSAL = Answer(
    text="Nothing in this library answers that.",
    citations=(),
    refused=True,
    confidence=0.125,
    history=(),
    hits=(TEXT_HIT, IMAGE_HIT),
    reasons=("no word of it is in the library",),
)
