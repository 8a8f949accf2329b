"""Claims about what is said of guesses at pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from florilegium.prompt import REFUSALS
from florilegium.types import Label, SourcePart
from tests.unit.chat_models.test_extractive import deltas_of, make_source

DAISY = Label(name="daisy", synonyms=("oxeye",), chinese=("雏菊",), weight=0.94)
VASE = Label(name="vase", chinese=("花瓶",), weight=0.06)


def guessed(number: int, said: str = "", guesses: tuple[Label, ...] = (DAISY, VASE)) -> SourcePart:
    return replace(make_source(number, f"Picture: {said}"), guesses=guesses)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Are there photos of daisies?", "At a guess, the picture shows daisy (94%). [1]"),
        ("有雏菊的照片吗？", "据推测，图中是雏菊（94%）。[1]"),
        ("有雛菊的照片嗎？", "据推测，图中是雏菊（94%）。[1]"),
        ("What is this?", "At a guess, the picture shows daisy (94%). [1]"),
    ],
)
def test_of_guesses_only_the_surest_is_said_and_as_a_guess(question: str, said: str) -> None:
    (delta,) = deltas_of(question, guessed(1), guessed(2))

    assert delta.text == said


def test_what_people_say_of_a_picture_goes_before_a_guess_at_it() -> None:
    (delta,) = deltas_of("What is this?", guessed(1, "by the wall"))

    assert delta.text == "Picture: by the wall [1]"


def test_a_guess_whose_share_is_not_known_is_not_said() -> None:
    unknown = (replace(DAISY, weight=0.0),)

    (delta,) = deltas_of("Are there photos of daisies?", guessed(1, guesses=unknown))

    assert delta.text == REFUSALS["en"]
