"""The data of an answer: what may be compared, and that nothing can be changed."""

from __future__ import annotations

import dataclasses

import pytest
from PIL import Image

from florilegium.answers import Answer, Candidate, Identification, Turn

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
