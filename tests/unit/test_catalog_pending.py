"""The catalog on real files: what is uncertain in the store, and what is found by words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium.catalog import Catalog
from florilegium.types import Modality
from tests.unit.catalog_samples import (
    CHUNKS,
    PICTURES,
    ROOT,
    SENTENCES,
    found,
    image_entry,
    text_entry,
)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return an empty catalog."""
    catalog = Catalog(tmp_path / "catalog.db", root=ROOT)
    yield catalog
    catalog.close()


# -- around the vector store --


def test_what_is_announced_is_uncertain_until_it_is_committed(catalog: Catalog) -> None:
    catalog.announce([("a.txt", CHUNKS, "r0"), ("a.txt", SENTENCES, "r0")])
    announced = catalog.pending_ids()

    catalog.commit([text_entry("a.txt", "Roses.", records={CHUNKS: ("r0",)})])

    assert announced == {CHUNKS: {"r0"}, SENTENCES: {"r0"}}
    assert catalog.pending_ids() == {}
    assert catalog.record_ids() == {CHUNKS: ["r0"]}


def test_announcing_twice_is_announcing_once(catalog: Catalog) -> None:
    for _ in range(2):
        catalog.announce([("a.txt", CHUNKS, "r0")])

    assert catalog.pending_ids() == {CHUNKS: {"r0"}}


def test_announcing_makes_nothing_known(catalog: Catalog) -> None:
    catalog.announce([("a.txt", CHUNKS, "r0")])

    assert catalog.sources() == {}
    assert catalog.record_ids() == {}


def test_rolling_back_a_new_file_gives_what_may_be_in_the_store(catalog: Catalog) -> None:
    catalog.announce([("a.txt", CHUNKS, "r1"), ("a.txt", CHUNKS, "r0"), ("b.jpg", PICTURES, "p")])

    assert catalog.roll_back() == {CHUNKS: ["r0", "r1"], PICTURES: ["p"]}


def test_rolling_back_a_known_file_forgets_it_with_all_its_records(catalog: Catalog) -> None:
    catalog.commit([
        text_entry("a.txt", "Roses.", records={CHUNKS: ("a0", "a1")}),
        text_entry("b.txt", "Roses.", records={CHUNKS: ("b0",)}),
    ])  # fmt: skip
    catalog.announce([("a.txt", CHUNKS, "a1"), ("a.txt", CHUNKS, "a2")])

    assert catalog.roll_back() == {CHUNKS: ["a0", "a1", "a2"]}
    assert set(catalog.sources()) == {"b.txt"}
    assert catalog.record_ids() == {CHUNKS: ["b0"]}
    assert found(catalog, "rose") == ["b.txt 0"]


def test_rolling_back_goes_on_where_it_died(catalog: Catalog) -> None:
    catalog.commit([text_entry("a.txt", "Roses.", records={CHUNKS: ("a0",)})])
    catalog.announce([("a.txt", CHUNKS, "a1")])

    first = catalog.roll_back()  # and the run dies before the store has deleted them

    assert catalog.roll_back() == first == {CHUNKS: ["a0", "a1"]}
    catalog.settle()
    assert catalog.roll_back() == {}
    assert catalog.pending_ids() == {}


def test_settling_keeps_what_is_known(catalog: Catalog) -> None:
    catalog.commit([text_entry("a.txt", "Roses.", records={CHUNKS: ("a0",)})])
    catalog.announce([("a.txt", CHUNKS, "a0")])

    catalog.settle()

    assert catalog.pending_ids() == {}
    assert catalog.record_ids() == {CHUNKS: ["a0"]}


# -- lexical search --


def test_words_are_found_in_english_and_chinese(catalog: Catalog) -> None:
    catalog.commit([
        text_entry("en.txt", "Roses need watering twice a week."),
        text_entry("zh.txt", "玫瑰每周浇水两次。", "兰花喜阴。"),
    ])  # fmt: skip

    assert found(catalog, "How do I water a rose?") == ["en.txt 0"]
    assert found(catalog, "玫瑰浇水") == ["zh.txt 0"]
    assert found(catalog, "兰") == ["zh.txt 1"]
    assert found(catalog, "the") == found(catalog, '"*') == []


def test_the_words_of_a_title_find_every_chunk_of_a_text(catalog: Catalog) -> None:
    catalog.commit([text_entry("a.txt", "Water it.", "Prune it.", title="Roses")])

    assert sorted(found(catalog, "rose")) == ["a.txt 0", "a.txt 1"]


def test_a_picture_is_found_by_its_card_alone(catalog: Catalog) -> None:
    catalog.commit([image_entry("rose.jpg", "a red flower", labels="daisy")])

    assert found(catalog, "flower", Modality.IMAGE) == ["rose.jpg 0"]
    assert found(catalog, "rose daisy", Modality.IMAGE) == []
    assert found(catalog, "flower", Modality.TEXT) == []


def test_a_word_search_gives_at_most_top_k_with_falling_scores(catalog: Catalog) -> None:
    catalog.commit([text_entry("a.txt", "rose", "rose rose", "lily", "iris", "aster", "rose bed")])

    rows = catalog.search_words("rose", Modality.TEXT, top_k=2)

    assert rows[0][0] == "a.txt 1"
    assert len(rows) == 2
    assert rows[0][1] > rows[1][1] > 0


def test_frequencies_count_items_by_indexed_word(catalog: Catalog) -> None:
    catalog.commit(
        [text_entry("a.txt", "rose rose", "a rose", "玫瑰"), image_entry("b.jpg", "rose")]
    )

    assert catalog.item_frequency(["rose", "rose", "玫瑰", "iris"], Modality.TEXT) == {
        "rose": 2,
        "玫瑰": 1,
        "iris": 0,
    }
    assert catalog.item_frequency(["rose"], Modality.IMAGE) == {"rose": 1}
