"""The confidence and what each list gave are shown as numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nicegui import Client

from florilegium.server.page.explain_view import confidence_bar, contributions_table, fold
from florilegium.server.page.texts import Say


@pytest.mark.parametrize(
    ("confidence", "percent"), [(0.0, "0"), (0.4249, "42"), (1.0, "100"), (1.7, "100"), (-1, "0")]
)
def test_the_confidence_is_a_bar_with_its_number(
    canvas: Client, shown: Callable[[], list[str]], confidence: float, percent: str
) -> None:
    confidence_bar(Say(language="en"), confidence)

    [meter] = [one for one in canvas.elements.values() if one.props.get("role") == "meter"]
    assert meter.props["aria-valuenow"] == percent
    assert shown() == ["Confidence", f"{percent} %"]


def test_each_hit_has_a_row_for_each_list(canvas: Client, shown: Callable[[], list[str]]) -> None:
    part = {"ranking": "words", "rank": None, "score": 4.25, "z": 1.5, "weight": 1.0}
    hit = {"rank": 1, "path": "a.md", "score": 0.5, "fused": 2.25, "contributions": [part]}

    contributions_table(Say(language="en"), [hit])

    assert shown()[6:] == ["1. a.md", "0.500", "2.25", "words", "–", "4.250", "1.50", "1.00"]


def test_no_score_is_less_than_nothing_by_its_sign_alone(
    canvas: Client, shown: Callable[[], list[str]]
) -> None:
    part = {"ranking": "vectors", "rank": 1, "score": -0.0001, "z": 1.5, "weight": 1.0}
    hit = {"rank": 1, "path": "a.md", "score": -0.0002, "fused": 2.25, "contributions": [part]}

    contributions_table(Say(language="en"), [hit])

    assert shown()[7] == shown()[11] == "0.000"


def test_a_fold_is_filled_once_when_it_is_opened(canvas: Client) -> None:
    filled: list[bool] = []
    expansion = fold("Title", lambda: filled.append(True))

    assert filled == []
    expansion.open()
    expansion.close()
    expansion.open()
    assert filled == [True]
