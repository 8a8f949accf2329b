"""The background of a collection: a sample that is the same for every query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from florilegium import Library
from florilegium.background import ITEMS, UNKNOWN, Backgrounds
from tests.conftest import FAKES, draw

PAIR = "{0} is the first sentence of this text. And the second one tells of {0}, too."


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Return a library of five texts of two sentences each, without pictures."""
    for colour in ("red", "green", "blue", "yellow", "black"):
        (tmp_path / f"{colour}.txt").write_text(PAIR.format(colour), encoding="utf-8")
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        yield library


def test_a_small_collection_is_sampled_whole_and_each_item_once(library: Library) -> None:
    index = library.index
    query = index.text_encoder.encode_texts(["red"], purpose="query")[0]

    scores = index.backgrounds.sample(index.chunks).scores(query)

    best = [match.score for match in index.store.search(index.chunks, query, top_k=9)]
    assert sorted(scores.tolist(), reverse=True) == pytest.approx(best, abs=1e-5)


def test_an_item_of_several_records_has_the_score_of_its_best(library: Library) -> None:
    index = library.index
    query = index.text_encoder.encode_texts(["red"], purpose="query")[0]

    sample = index.backgrounds.sample(index.sentences)

    matches = index.store.search(index.sentences, query, top_k=99)
    best: dict[str, float] = {}
    for match in matches:
        best.setdefault(match.item_id, match.score)
    assert len(matches) == len(sample.embeddings) == 10
    assert sorted(sample.scores(query).tolist()) == pytest.approx(sorted(best.values()), abs=1e-5)


def test_a_collection_without_records_has_an_empty_background(library: Library) -> None:
    index = library.index

    scores = index.backgrounds.sample(index.pictures).scores(np.ones(32, dtype=np.float32))

    assert scores.shape == (0,)


def test_a_large_collection_is_sampled_by_the_same_items_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        (tmp_path / f"{number}.txt").write_text(f"Text number {number}.", encoding="utf-8")
    monkeypatch.setattr("florilegium.background.ITEMS", 5)
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        index = library.index
        once = index.backgrounds.sample(index.chunks)
        again = Backgrounds(catalog=index.catalog, store=index.store).sample(index.chunks)

    assert len(once.starts) == 5 < 12 < ITEMS
    assert np.array_equal(once.embeddings, again.embeddings)


def test_what_to_expect_across_modalities_is_the_mean_of_all_pairs(tmp_path: Path) -> None:
    draw("red", "square").save(tmp_path / "a.png")
    draw("blue", "circle").save(tmp_path / "b.png")
    (tmp_path / "c.txt").write_text("red and green", encoding="utf-8")
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        index = library.index
        prior = index.backgrounds.across(index.pictures, index.windows)
        pictures = index.backgrounds.sample(index.pictures).embeddings
        windows = index.backgrounds.sample(index.windows).embeddings

    cosines = pictures @ windows.T
    assert prior.mean == pytest.approx(cosines.mean())
    assert prior.deviation == pytest.approx(cosines.std())


def test_nothing_is_expected_across_modalities_where_there_is_one(library: Library) -> None:
    index = library.index

    assert index.backgrounds.across(index.pictures, index.windows) == UNKNOWN
