"""Fusion, with lists whose scale has the mean 0.5 and the deviation 0.5 unless said otherwise."""

from __future__ import annotations

import random
from collections.abc import Mapping, Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.calibration import Scale
from florilegium.fusion import Fused, Ranking, fuse, lend, sort_fused
from florilegium.types import Contribution, Modality

HALF = Scale(mean=0.5, deviation=0.5)


def ranking(
    name: str,
    scores: Mapping[str, float],
    *,
    modality: Modality = Modality.TEXT,
    weight: float = 1.0,
    cosine: bool = True,
    scale: Scale = HALF,
    covers: Set[str] | None = None,
) -> Ranking:
    return Ranking(
        name=name,
        modality=modality,
        scores=scores,
        weight=weight,
        scale=scale,
        cosine=cosine,
        covers=covers,
    )


def one(item_id: str, fused: float, *, score: float = 0.5) -> Fused:
    return Fused(
        item_id=item_id, modality=Modality.TEXT, fused=fused, score=score, contributions=()
    )


def order(fused: list[Fused]) -> list[tuple[str, float]]:
    return [(each.item_id, each.fused) for each in fused]


FIRST = ranking("first", {"a": 1.0, "b": 0.0})
SECOND = ranking("second", {"b": 1.0, "c": 0.0})


def test_nothing_fuses_to_nothing() -> None:
    assert fuse([]) == []
    assert fuse([ranking("empty", {})]) == []


def test_one_list_keeps_its_order() -> None:
    assert order(fuse([FIRST])) == [("a", 1.0), ("b", -1.0)]


def test_the_fused_score_is_the_mean_of_standardised_scores() -> None:
    # a: +1 and, absent, the average 0. b: -1 and +1. c: absent, 0, and -1.
    fused = {each.item_id: each.fused for each in fuse([FIRST, SECOND])}

    assert fused == {"a": 0.5, "b": 0.0, "c": -0.5}


def test_a_list_counts_by_its_weight() -> None:
    heavy = ranking("first", FIRST.scores, weight=3.0)

    # a: (3 + 0) / 4. b: (-3 + 1) / 4. c: (0 - 1) / 4.
    assert order(fuse([heavy, SECOND])) == [("a", 0.75), ("c", -0.25), ("b", -0.5)]


def test_half_a_list_alone_is_heard_by_half() -> None:
    alone = ranking("first", FIRST.scores, weight=0.5)

    assert order(fuse([alone])) == [("a", 0.5), ("b", -0.5)]


def test_weights_matter_only_relative_to_each_other() -> None:
    double = [ranking(r.name, r.scores, weight=2.0) for r in (FIRST, SECOND)]

    assert order(fuse(double)) == order(fuse([FIRST, SECOND]))


def test_who_shares_no_word_has_the_score_zero_among_words() -> None:
    words = ranking("words", {"b": 5.0}, cosine=False, scale=Scale(mean=0.5, deviation=0.25))

    # 0 is two deviations below the mean of the words.
    assert dict(order(fuse([FIRST, words])))["a"] == (1.0 - 2.0) / 2


def test_that_no_item_shares_a_word_lowers_all_alike() -> None:
    nothing = ranking("words", {}, cosine=False, scale=Scale(mean=0.0, deviation=1.0))

    assert order(fuse([FIRST, nothing])) == [("a", 0.5), ("b", -0.5)]


def test_an_item_that_a_list_does_not_cover_is_judged_by_the_others() -> None:
    cards = ranking("cards", {"b": 0.75}, covers={"b"})

    assert order(fuse([FIRST, cards])) == [("a", 1.0), ("b", -0.25)]


def test_an_unwanted_list_takes_away_from_those_that_stand_out_in_it() -> None:
    unwanted = ranking("without", {"a": 1.5, "b": 0.25, "c": 9.0}, weight=-0.5)

    # a: 1 - 0.5 * 2. b is below the average there, which is no merit. c is not brought by it.
    assert order(fuse([FIRST, unwanted])) == [("a", 0.0), ("b", -1.0)]


def test_reciprocal_ranks_know_places_only() -> None:
    fused = fuse([FIRST, SECOND], method="reciprocal-rank")

    found = {each.item_id: each.fused for each in fused}
    assert found == pytest.approx({"a": 0.5 / 61, "b": 0.5 / 61 + 0.5 / 62, "c": 0.5 / 62})
    assert fused[0].item_id == "b"


def test_raw_scores_of_different_height_have_the_same_say() -> None:
    low = ranking("low", {"a": 0.25, "b": 0.125}, scale=Scale(mean=0.1875, deviation=0.0625))
    high = ranking("high", {"b": 0.875, "a": 0.75}, scale=Scale(mean=0.8125, deviation=0.0625))

    assert [each.fused for each in fuse([low, high])] == [0.0, 0.0]


def test_a_modality_with_more_lists_has_no_advantage() -> None:
    images = [
        ranking(name, {"x": 1.0, "y": 0.0}, modality=Modality.IMAGE) for name in ("p", "q", "r")
    ]

    assert {each.item_id: each.fused for each in fuse([*images, FIRST])} == {
        "a": 1.0,
        "x": 1.0,
        "b": -1.0,
        "y": -1.0,
    }


def test_lists_of_one_modality_say_nothing_of_the_other() -> None:
    fused = fuse([ranking("images", {"x": 1.0, "y": 0.0}, modality=Modality.IMAGE), FIRST])

    found = {each.item_id: [c.ranking for c in each.contributions] for each in fused}
    assert found == {"a": ["first"], "b": ["first"], "x": ["images"], "y": ["images"]}
    assert {each.modality for each in fused if each.item_id in "xy"} == {Modality.IMAGE}


def test_the_score_is_the_best_cosine_that_was_really_found() -> None:
    words = ranking("words", {"a": 12.0, "d": 3.0}, cosine=False)
    scores = {each.item_id: each.score for each in fuse([FIRST, SECOND, words])}

    assert scores == {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0}


def test_a_negative_cosine_stays_negative() -> None:
    scores = {each.item_id: each.score for each in fuse([ranking("r", {"a": -0.5, "b": -1.0})])}

    assert scores == {"a": -0.5, "b": -1.0}


def test_each_contribution_tells_rank_score_and_weight() -> None:
    fused = {each.item_id: each.contributions for each in fuse([FIRST, SECOND])}

    assert fused["a"] == (
        Contribution(ranking="first", rank=1, score=1.0, z=1.0, weight=1.0),
        Contribution(ranking="second", rank=None, score=0.5, z=0.0, weight=1.0),
    )


def test_ranks_of_equal_scores_go_by_id() -> None:
    fused = fuse([ranking("r", {"b": 0.5, "a": 0.5, "c": 1.0})])

    assert {each.item_id: each.contributions[0].rank for each in fused} == {"c": 1, "a": 2, "b": 3}


def test_ties_go_by_cosine_and_then_by_id() -> None:
    tied = [one("b", 1.0), one("a", 1.0), one("c", 1.0, score=0.75), one("d", 2.0, score=0.0)]

    assert [each.item_id for each in sort_fused(tied)] == ["d", "c", "a", "b"]


names = st.sampled_from("abcdef")
rankings = st.lists(
    st.tuples(
        st.dictionaries(names, st.floats(-1, 1, width=16), max_size=6),
        st.sampled_from(list(Modality)),
        st.floats(0.25, 4, width=16),
        st.sampled_from([None, frozenset("abc")]),
    ),
    max_size=5,
)


@given(parts=rankings, seed=st.integers(0, 9))
def test_the_order_of_the_lists_does_not_matter(
    parts: list[tuple[dict[str, float], Modality, float, frozenset[str] | None]], seed: int
) -> None:
    lists = [
        ranking(f"list {i}", scores, modality=modality, weight=weight, covers=covers)
        for i, (scores, modality, weight, covers) in enumerate(parts)
    ]
    shuffled = random.Random(seed).sample(lists, len(lists))

    assert fuse(shuffled) == fuse(lists)


@given(parts=rankings)
def test_every_item_of_every_list_is_there_once_per_modality(
    parts: list[tuple[dict[str, float], Modality, float, frozenset[str] | None]],
) -> None:
    lists = [ranking(f"list {i}", p[0], modality=p[1], weight=p[2]) for i, p in enumerate(parts)]

    found = [(each.modality, each.item_id) for each in fuse(lists)]

    assert len(found) == len(set(found))
    assert set(found) == {(r.modality, item_id) for r in lists for item_id in r.scores}


@given(scores=st.dictionaries(names, st.integers(-8, 8), min_size=1))
def test_a_list_together_with_itself_changes_no_order(scores: dict[str, int]) -> None:
    once = fuse([ranking("one", scores)])

    assert [e.item_id for e in fuse([ranking("one", scores), ranking("two", scores)])] == [
        e.item_id for e in once
    ]


# -- lending --


def test_an_item_is_raised_by_a_share_of_the_best_that_is_linked_to_it() -> None:
    fused = [one("a", 4.0), one("b", 2.0), one("c", 1.0)]

    raised = lend(fused, {"c": ["a", "b"]}, share=0.5)

    assert order(raised) == [("a", 4.0), ("c", 3.0), ("b", 2.0)]
    assert raised[1].contributions == (
        Contribution(ranking="links", rank=None, score=4.0, z=4.0, weight=0.5),
    )
    assert raised[1].score == 0.5


def test_both_ends_of_a_link_lend_what_they_had_before() -> None:
    fused = [one("a", 4.0), one("b", 2.0)]

    assert order(lend(fused, {"a": ["b"], "b": ["a"]}, share=0.5)) == [("a", 5.0), ("b", 4.0)]


@pytest.mark.parametrize("poor", [0.0, -1.0])
def test_who_has_nothing_lends_nothing(poor: float) -> None:
    fused = [one("a", 1.0), one("b", poor)]

    assert lend(fused, {"a": ["b"]}, share=0.5) == fused


def test_an_unknown_lender_is_passed_over() -> None:
    fused = [one("a", 1.0)]

    assert lend(fused, {"a": ["gone"], "gone": ["a"]}, share=0.5) == fused
    assert lend([], {"a": ["b"]}, share=0.5) == []


def test_lending_keeps_what_the_lists_gave() -> None:
    fused = fuse([FIRST])

    (a, b) = lend(fused, {"b": ["a"]}, share=0.25)

    assert (a.item_id, b.item_id, b.fused) == ("a", "b", -0.75)
    assert [c.ranking for c in b.contributions] == ["first", "links"]
