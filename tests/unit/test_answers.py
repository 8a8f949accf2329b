"""The data of an answer: what may be compared, and that nothing can be changed."""

from __future__ import annotations

import dataclasses
import math

import pytest
from PIL import Image

from florilegium.answers import Answer, AnswerOptions, Candidate, Identification, Turn
from florilegium.errors import InvalidQueryError

ROSE = Candidate(name="rose", share=0.5, path="rose.txt")


def test_identifications_with_the_same_values_are_equal() -> None:
    one, other = (Identification(candidates=(ROSE,), chosen=ROSE, by="vote") for _ in range(2))

    assert one == other


def test_a_turn_is_compared_by_identity_since_pictures_are_large() -> None:
    one, other = (Turn(question="?", answer="!", image=Image.new("RGB", (1, 1))) for _ in range(2))

    assert one != other


def test_an_answer_cannot_be_changed() -> None:
    answer = Answer(text="", citations=(), refused=True, confidence=0.0, history=())

    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.text = "Yes."  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_tokens", 0), ("temperature", -0.1), ("temperature", 2.1), ("temperature", math.nan),
     ("top_p", -0.1), ("top_p", 1.1), ("top_p", math.nan), ("seed", -1), ("seed", 2**31),
     ("stop", ""), ("stop", ["end", ""]), ("stop", "x" * 201), ("stop", list("abcde"))],
)  # fmt: skip
def test_an_option_out_of_range_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(InvalidQueryError, match=name) as raised:
        AnswerOptions(**{name: value})  # type: ignore[arg-type]  # as it comes in

    assert raised.value.hint


def test_the_ends_of_the_ranges_are_options() -> None:
    AnswerOptions(max_tokens=1, temperature=0.0, seed=0)
    AnswerOptions(temperature=2.0, top_p=0.0, seed=2**31 - 1)
    AnswerOptions(top_p=1.0, stop=["x" * 200, "a", "b", "c"])


def test_one_stop_text_is_not_taken_for_its_letters() -> None:
    assert AnswerOptions(stop="end").stop == ("end",) == AnswerOptions(stop=["end"]).stop
