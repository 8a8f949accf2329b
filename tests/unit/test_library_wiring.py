"""What is set or measured for a library reaches its searches and its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium import Library
from florilegium.gate_file import MeasuredGate, write_gate
from tests.conftest import FAKES, draw


def measured(library: Library, threshold: float, *, encoders: dict[str, str] | None = None) -> None:
    spaces = {one.name: one.fingerprint for one in library.statistics().spaces}
    gate = MeasuredGate(
        threshold=threshold,
        precision=0.9,
        recall=0.9,
        f1=0.9,
        questions=9,
        date="2026-01-01",
        encoders=spaces if encoders is None else encoders,
    )
    write_gate(library.root / ".florilegium", gate)


@pytest.mark.parametrize(("threshold", "refused"), [(0.0, False), (1.0, True)])
def test_the_threshold_that_a_library_measured_decides_its_answers(
    tiny_library: Library, threshold: float, refused: bool
) -> None:
    measured(tiny_library, threshold)

    assert (tiny_library.threshold().value, tiny_library.threshold().origin) == (
        threshold,
        "library",
    )
    assert tiny_library.ask("Is the bridge open to lorries?").refused is refused


def test_a_threshold_measured_with_other_encoders_decides_nothing(tiny_library: Library) -> None:
    measured(tiny_library, 0.0, encoders={"another": "one"})

    assert tiny_library.threshold().origin == "shipped"
    assert tiny_library.ask("Is the bridge open to lorries?").refused


def test_the_way_of_fusion_is_a_setting(tiny_library: Library) -> None:
    calibrated = tiny_library.search("red square")
    with Library.open(
        tiny_library.root, overrides={"retrieval.fusion": "reciprocal-rank"}
    ) as library:
        by_ranks = library.search("red square")

    assert calibrated[0].fused > 1
    assert 0 < by_ranks[0].fused < 2 / 61


def test_the_reranker_that_is_set_reads_the_hits(tiny_library: Library) -> None:
    with Library.open(tiny_library.root, overrides={"rerank.name": "fake"}) as library:
        hits = library.search("red square", modality="text")

    assert "rerank" in {c.ranking for c in hits[0].contributions}


def test_a_nameless_picture_is_not_asked_what_its_description_says(tmp_path: Path) -> None:
    draw("red", "square").save(tmp_path / "IMG_0001.png")
    for name in ("blue boat", "green fern", "grey stone"):
        draw(name.split()[0] if name != "grey stone" else "grey", "circle").save(
            tmp_path / f"{name}.png"
        )
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        (nameless,) = [
            hit
            for hit in library.search("red", modality="image")
            if hit.item.source.path == "IMG_0001.png"
        ]

    lists = {c.ranking for c in nameless.contributions}
    assert "text to image" in lists
    assert not {"cards", "card words"} & lists
