from __future__ import annotations

import json
from typing import Any

import pytest

from florilegium.chat_models.mc_llava.crops import choose_boxes, find_centres, share_tokens
from tests.conftest import ROOT
from tests.torch.tiny_mc_llava import SIDE

GOLDEN = json.loads(
    (ROOT / "tests" / "golden" / "mc_llava" / "original.json").read_text(encoding="utf-8")
)


def test_a_picture_of_hardly_more_than_one_crop_is_seen_whole() -> None:
    assert choose_boxes(576, 576, side=384, most=100) == [(0, 0, 576, 576)]


def test_crops_overlap_by_half_and_the_last_ones_end_at_the_edge() -> None:
    boxes = choose_boxes(800, 400, side=384, most=100)

    assert boxes == [
        (0, 0, 800, 400),
        (0, 0, 384, 400),
        (192, 0, 576, 400),
        (384, 0, 800, 400),
    ]


def test_crops_come_from_left_to_right_and_each_column_from_the_top() -> None:
    boxes = choose_boxes(600, 600, side=384, most=100)

    assert boxes[1:] == [
        (0, 0, 384, 384),
        (0, 192, 384, 600),
        (192, 0, 600, 384),
        (192, 192, 600, 600),
    ]


@pytest.mark.parametrize("most", [1, 2, 12, 100])
@pytest.mark.parametrize("size", [(4000, 3000), (3000, 4000), (577, 577), (12000, 50)])
def test_a_larger_picture_gets_larger_crops_and_never_more_than_most(
    size: tuple[int, int], most: int
) -> None:
    boxes = choose_boxes(*size, side=384, most=most)

    assert 1 <= len(boxes) <= most + 1
    assert {left for left, _, _, _ in boxes} >= {0}
    assert max(right for _, _, right, _ in boxes[1:] or boxes) == size[0]
    assert max(low for _, _, _, low in boxes[1:] or boxes) == size[1]


def test_no_crops_are_made_when_none_may_be() -> None:
    assert choose_boxes(4000, 3000, side=384, most=0) == [(0, 0, 4000, 3000)]


def test_a_crop_is_placed_by_its_middle() -> None:
    assert find_centres([(0, 0, 800, 400), (192, 0, 576, 400)]) == [(0.5, 0.5), (0.48, 0.5)]


@pytest.mark.parametrize("case", [case for case in GOLDEN if case["size"]], ids=lambda c: c["name"])
def test_crops_are_where_the_original_has_them(case: dict[str, Any]) -> None:
    boxes = choose_boxes(*case["size"], side=SIDE, most=case["most_crops"])

    found = [list(place) for place in find_centres(boxes)]
    assert found == [pytest.approx(place, abs=1e-6) for place in case["centres"]]


@pytest.mark.parametrize(
    ("boxes", "shares"),
    [(1, [728]), (2, [364, 364]), (13, [56] * 13), (101, [7] * 100 + [28])],
)
def test_the_last_box_gets_the_tokens_that_are_left(boxes: int, shares: list[int]) -> None:
    assert share_tokens(728, boxes=boxes) == shares
