"""Filters, duplicates and rereading in a whole search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from florilegium import Filter, Library
from florilegium.errors import InvalidQueryError
from florilegium.retrieve import SearchOptions, retrieve
from florilegium.testing.reranker import FakeReranker
from florilegium.types import Modality, Query
from tests.conftest import FAKES, draw
from tests.unit.index_state import paths


@pytest.fixture
def garden(tmp_path: Path) -> Iterator[Library]:
    """Return a library of two folders of pictures and texts, with a table that describes them."""
    for folder, colours in (("roses", ("red", "white")), ("skies", ("blue", "grey"))):
        (tmp_path / folder).mkdir()
        for number, colour in enumerate(colours):
            draw(colour, "square").save(tmp_path / folder / f"{number}.png")
        text = f"{folder} are {' and '.join(colours)}. They like water."
        (tmp_path / folder / "about.txt").write_text(text, encoding="utf-8")
    rows = [
        {"file": "roses/0.png", "label": "tea rose", "date": "2020-05-01", "creator": "Ana"},
        {"file": "skies/0.png", "label": "noon", "date": "2021-05-01", "creator": "Bo"},
    ]
    table = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "captions.jsonl").write_text(table, encoding="utf-8")
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        yield library


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (Filter(folders=("roses",)), {"roses/0.png", "roses/1.png", "roses/about.txt"}),
        (Filter(suffixes=("txt",)), {"roses/about.txt", "skies/about.txt"}),
        (Filter(labels=("Tea Rose",)), {"roses/0.png"}),
        (Filter(fields=(("creator", "bo"),)), {"skies/0.png"}),
        (Filter(since=date(2021, 1, 1), until=date(2021, 12, 31)), {"skies/0.png"}),
    ],
)
def test_a_filter_holds_for_every_list(garden: Library, where: Filter, found: set[str]) -> None:
    for hits in (
        garden.search("red water", where=where),
        garden.search(image=draw("blue", "circle"), where=where),
        garden.search("+water -blue", image=draw("red", "circle"), where=where),
    ):
        assert set(paths(hits)) == found


def test_a_filter_leaves_no_search_short(garden: Library) -> None:
    # The best three items of every list lie in the other folder.
    hits = garden.search("red white roses", where=Filter(folders=("skies",)), top_k=3)

    assert set(paths(hits)) == {"skies/0.png", "skies/1.png", "skies/about.txt"}


def test_a_filter_that_admits_nothing_finds_nothing(garden: Library) -> None:
    found = garden.explain("red", where=Filter(labels=("no such",)))

    assert (found.hits, found.admitted) == ((), 0)
    assert found.evidence.confidence == 0.0


def test_words_of_a_large_collection_are_filtered_before_they_are_counted_out(
    garden: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("florilegium.word_index.SMALL", 0)
    catalog = garden.index.catalog
    (wanted,) = catalog.matching(Filter(folders=("skies",)), Modality.TEXT)

    every = catalog.search_words("water roses", Modality.TEXT, top_k=5)
    some = catalog.search_words("water roses", Modality.TEXT, top_k=1, within={wanted})

    assert len(every) == 2
    assert every[0][0] != wanted  # it is not the best, and is found all the same
    assert [id_ for id_, _ in some] == [wanted]


def test_an_empty_filter_is_none(garden: Library) -> None:
    found = garden.explain("red", where=Filter())

    assert found.admitted is None
    assert found.hits == garden.explain("red").hits


def test_a_filter_and_a_modality_must_both_hold(garden: Library) -> None:
    hits = garden.search("red", modality="image", where=Filter(folders=("roses",)))

    assert set(paths(hits)) == {"roses/0.png", "roses/1.png"}


def test_scores_are_those_of_a_search_without_the_filter(garden: Library) -> None:
    every = {h.item.id: h for h in garden.search("red roses", top_k=20)}
    some = garden.search("red roses", where=Filter(folders=("roses",)), top_k=20)

    for hit in some:
        dense = {c.ranking: c.z for c in hit.contributions if c.ranking in ("chunks", "cards")}
        whole = {c.ranking: c.z for c in every[hit.item.id].contributions if c.ranking in dense}
        assert dense == pytest.approx(whole)


def test_an_answer_is_written_from_what_the_filter_admits(garden: Library) -> None:
    answer = garden.ask("What do skies like?", where=Filter(folders=("skies",)))

    assert {hit.item.source.path.split("/")[0] for hit in answer.hits} == {"skies"}


def test_a_wrong_filter_is_refused() -> None:
    with pytest.raises(InvalidQueryError, match="not within the library"):
        Filter(folders=("../other",))


def test_a_copy_goes_under_the_better_hit_and_takes_no_place(garden: Library) -> None:
    copy = (garden.root / "roses" / "about.txt").read_text(encoding="utf-8")
    (garden.root / "copy.txt").write_text(copy, encoding="utf-8")
    garden.ingest()

    hits = garden.search("red white roses", modality="text", top_k=2)

    assert len(hits) == 2
    both = {hits[0].item.source.path, hits[0].duplicates[0].source.path}
    assert both == {"roses/about.txt", "copy.txt"}
    assert hits[1].duplicates == ()


def test_a_reranker_decides_among_the_best(garden: Library) -> None:
    query = Query(text="skies", modality=Modality.TEXT, top_k=2)
    plain = retrieve(query, index=garden.index, options=SearchOptions(candidates=100))
    options = SearchOptions(candidates=100, reranker=FakeReranker(), reranked=5)

    reread = retrieve(query, index=garden.index, options=options)

    assert {c.ranking for hit in plain.hits for c in hit.contributions}.isdisjoint({"rerank"})
    assert all("rerank" in {c.ranking for c in hit.contributions} for hit in reread.hits)
    assert "rerank" in reread.seconds


def test_a_query_that_is_not_reread_says_why(garden: Library) -> None:
    reranker = FakeReranker(languages=frozenset({"zh"}))
    options = SearchOptions(candidates=100, reranker=reranker)

    found = retrieve(Query(text="red water"), index=garden.index, options=options)

    reasons = {s.left_out for s in found.rankings if s.name == "rerank"}
    assert len(reasons) == 1
    assert "does not read en" in str(reasons.pop())
