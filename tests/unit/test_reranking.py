"""Two scores stand one deviation above and below their mean, so z is +1 and -1."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.fusion import Fused
from florilegium.reranking import RANKING, WEIGHT, rerank
from florilegium.types import Contribution, Modality


def one(item_id: str, fused: float, modality: Modality = Modality.TEXT) -> Fused:
    given = Contribution(ranking="words", rank=1, score=fused, z=fused, weight=1.0)
    return Fused(item_id=item_id, modality=modality, fused=fused, score=0.5, contributions=(given,))


def picture(item_id: str, fused: float) -> Fused:
    return one(item_id, fused, Modality.IMAGE)


def order(fused: list[Fused]) -> list[tuple[str, float]]:
    return [(each.item_id, each.fused) for each in fused]


def test_scores_are_standardised_weighed_and_added() -> None:
    found = rerank([one("a", 3.0), one("b", 2.0)], {"a": -4.0, "b": 6.0}, weight=2.0)

    assert order(found) == [("b", 4.0), ("a", 1.0)]


def test_what_the_reranker_gave_stands_beside_what_the_lists_gave() -> None:
    found = rerank([one("a", 3.0), one("b", 2.0)], {"a": -4.0, "b": 6.0})

    assert [each.ranking for each in found[0].contributions] == ["words", RANKING]
    assert found[0].contributions[1] == Contribution(
        ranking=RANKING, rank=1, score=6.0, z=1.0, weight=WEIGHT
    )
    assert found[1].contributions[1].rank == 2
    assert all(
        each.fused == pytest.approx(sum(c.weight * c.z for c in each.contributions))
        for each in found
    )


def test_a_clear_verdict_outweighs_what_the_lists_said() -> None:
    found = rerank([one("a", 3.0), one("b", 0.0)], {"a": 0.0, "b": 1.0})

    assert [each.item_id for each in found] == ["b", "a"]


def test_scores_that_are_all_alike_change_nothing() -> None:
    found = rerank([one("a", 1.0), one("b", 0.5)], {"a": 0.50, "b": 0.51}, floor=0.1)

    assert [each.item_id for each in found] == ["a", "b"]


def test_what_was_not_reranked_stays_below_in_its_order() -> None:
    fused = [one("a", 5.0), one("b", 4.9), one("c", 4.8), one("d", 4.7)]

    found = rerank(fused, {"a": -1.0, "b": 1.0}, weight=3.0)

    assert [each.item_id for each in found] == ["b", "a", "c", "d"]
    assert [each.fused for each in found] == pytest.approx([7.9, 2.0, 1.8, 1.7])
    assert found[2].contributions[-1].rank is None


def test_cards_are_compared_with_cards_and_texts_with_texts() -> None:
    fused = [one("t1", 2.0), picture("p1", 2.0), one("t2", 1.0), picture("p2", 1.0)]

    found = rerank(fused, {"t1": 8.0, "t2": 6.0, "p1": -8.0, "p2": -6.0}, weight=2.0)

    assert order(found) == [("t1", 4.0), ("p2", 3.0), ("p1", 0.0), ("t2", -1.0)]


def test_a_picture_without_a_card_keeps_its_fused_score() -> None:
    fused = [one("a", 3.0), picture("p", 2.5), one("b", 2.0)]

    found = rerank(fused, {"a": -1.0, "b": 1.0}, weight=1.0)

    assert order(found) == [("b", 3.0), ("p", 2.5), ("a", 2.0)]
    assert found[1] == fused[1]


def test_without_scores_the_order_is_what_it_was() -> None:
    fused = [one("a", 1.0), one("b", 0.5)]

    assert rerank(fused, {}) == fused
    assert rerank(fused, {"gone": 7.0}) == fused
    assert rerank([], {}) == []


def test_a_single_score_says_nothing_of_the_order() -> None:
    fused = [one("a", 1.0), one("b", 0.5)]

    assert [each.item_id for each in rerank(fused, {"b": 9.0})] == ["a", "b"]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12), st.integers(1, 12), st.randoms())
def test_hits_stay_ordered_by_what_they_have_and_none_is_lost(
    scores: list[float], read: int, chance: random.Random
) -> None:
    levels = sorted((chance.uniform(-3, 3) for _ in scores), reverse=True)
    fused = [
        one(f"{place:02}", level, chance.choice(list(Modality)))
        for place, level in enumerate(levels)
    ]
    given_scores = {each.item_id: score for each, score in zip(fused[:read], scores, strict=False)}

    found = rerank(fused, given_scores)

    assert sorted(each.item_id for each in found) == [each.item_id for each in fused]
    assert [each.fused for each in found] == sorted((each.fused for each in found), reverse=True)
    tail = [each.item_id for each in fused[read:]]
    assert [each.item_id for each in found][len(found) - len(tail) :] == tail
