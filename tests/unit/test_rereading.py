"""What of a search is read once more, and what happens when that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import (
    FlorilegiumError,
    InvalidQueryError,
    RerankError,
    RerankUnavailableError,
    WeightsNotFoundError,
)
from florilegium.fusion import Fused
from florilegium.rereading import rerank_hits, why_not
from florilegium.testing.reranker import FakeReranker
from florilegium.types import Item, Modality, RerankerInfo, Source


def make(item_id: str, text: str, *, path: str = "a.txt", title: str = "") -> Item:
    modality = Modality.TEXT if path.endswith(".txt") else Modality.IMAGE
    source = Source(root=Path("/"), path=path, size=1, modified_ns=0, content_hash="0")
    return Item(id=item_id, source=source, modality=modality, ordinal=0, title=title, text=text)


def fuse_in_order(items: list[Item]) -> list[Fused]:
    return [
        Fused(
            item_id=item.id,
            modality=item.modality,
            fused=1.0 - place / 100,
            score=0.5,
            contributions=(),
        )
        for place, item in enumerate(items)
    ]


def run(query: str, items: list[Item], reranker: FakeReranker, top_k: int = 50) -> list[str]:
    by_id = {item.id: item for item in items}
    found = rerank_hits(query, fuse_in_order(items), items=by_id, reranker=reranker, top_k=top_k)
    return [one.item_id for one in found]


def test_what_holds_more_of_the_query_comes_first() -> None:
    items = [make("a", "coffee"), make("b", "a red rose")]

    assert run("red rose", items, FakeReranker()) == ["b", "a"]


def test_texts_are_read_with_their_titles_and_pictures_by_their_cards() -> None:
    reranker = FakeReranker()
    items = [make("a", "It is red.", title="Rose"), make("b", "red tulip", path="tulip.jpg")]

    run("red", items, reranker)

    assert reranker.received == [("red", ("Rose\nIt is red.", "red tulip"))]


def test_a_picture_that_nobody_named_is_not_read() -> None:
    reranker = FakeReranker()
    items = [
        make("a", "IMG_0234", path="IMG_0234.jpg"),
        make("b", "", path="rose.jpg"),
        make("c", "rose", path="rose.jpg"),
        make("d", "IMG_0235\ndaisy", path="IMG_0235.jpg"),
    ]

    run("rose", items, reranker)

    assert reranker.received == [("rose", ("rose", "IMG_0235\ndaisy"))]


def test_only_the_best_are_read_and_the_rest_stays_below() -> None:
    reranker = FakeReranker()
    items = [make("a", "coffee"), make("b", "tea"), make("c", "rose")]

    assert run("rose", items, reranker, top_k=2) == ["a", "b", "c"]
    assert reranker.received == [("rose", ("coffee", "tea"))]


def test_an_item_that_is_gone_meanwhile_is_passed_over() -> None:
    (one,) = fuse_in_order([make("a", "rose")])
    reranker = FakeReranker()

    assert rerank_hits("rose", [one], items={}, reranker=reranker, top_k=5) == [one]
    assert reranker.received == [("rose", ())]


@pytest.mark.parametrize("query", ["", "  "])
def test_a_query_without_words_changes_nothing(query: str) -> None:
    reranker = FakeReranker()

    assert run(query, [make("a", "coffee"), make("b", "rose")], reranker) == ["a", "b"]
    assert reranker.received == []
    assert why_not(query, reranker) == "the query has no words"


def test_a_query_in_another_language_changes_nothing_and_says_why() -> None:
    reranker = FakeReranker(languages=frozenset({"en"}))

    assert run("红玫瑰", [make("a", "coffee"), make("b", "玫瑰")], reranker) == ["a", "b"]
    assert why_not("红玫瑰", reranker) == "fake does not read zh"
    assert why_not("a red rose", reranker) is None


def test_texts_in_another_language_keep_what_they_had() -> None:
    reranker = FakeReranker(languages=frozenset({"en"}))
    items = [make("a", "coffee"), make("b", "红玫瑰是红色的"), make("c", "red rose")]

    run("red rose", items, reranker)

    assert reranker.received == [("red rose", ("coffee", "red rose"))]


@pytest.mark.parametrize("kind", [RerankError, RerankUnavailableError, WeightsNotFoundError])
def test_a_failure_is_raised_and_says_how_to_search_without(kind: type[FlorilegiumError]) -> None:
    reranker = FakeReranker(error=kind("It is down.", hint="Start it."))

    with pytest.raises(kind, match="It is down") as caught:
        run("rose", [make("a", "rose")], reranker)

    assert caught.value.hint == 'Start it. Or set rerank.name = "" to search without a reranker.'


def test_a_failure_without_a_hint_gets_one() -> None:
    with pytest.raises(RerankError) as caught:
        run("rose", [make("a", "rose")], FakeReranker(error=RerankError("No.")))

    assert caught.value.hint == 'Set rerank.name = "" to search without a reranker.'


def test_a_model_that_is_not_there_says_how_to_search_without() -> None:
    class Absent(FakeReranker):
        @property
        def info(self) -> RerankerInfo:
            raise WeightsNotFoundError("No weights.", hint="Pull them.")

    with pytest.raises(WeightsNotFoundError) as caught:
        run("rose", [make("a", "rose")], Absent())

    assert "rerank.name" in str(caught.value.hint)


def test_a_query_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidQueryError):
        run("rose " * 500, [make("a", "rose")], FakeReranker())
