"""What is said of a picture and what is guessed at it are told apart again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from florilegium.cards import card_text
from florilegium.guesses import guess_sentence, label_name, label_words, said_words
from florilegium.prompt import Limits, Rules, build_messages
from florilegium.types import Hit, Label, SourcePart
from tests.unit.catalog_samples import image_entry

DAISY = Label(name="daisy", synonyms=("oxeye",), chinese=("雏菊",), weight=0.614)
VASE = Label(name="vase", synonyms=("daisy",), weight=0.2)


def test_the_words_of_labels_are_said_once_each() -> None:
    assert label_words([DAISY, VASE]) == "daisy, oxeye, 雏菊, vase"
    assert label_words([]) == ""


def test_a_label_is_named_in_the_language_that_is_wanted_if_it_can_be() -> None:
    assert (label_name(DAISY, "en"), label_name(DAISY, "zh")) == ("daisy", "雏菊")
    assert label_name(VASE, "zh") == "vase"


@pytest.mark.parametrize(
    ("guesses", "caption", "said"),
    [
        ((DAISY, VASE), "a daisy\nby the wall", "a daisy\nby the wall"),
        ((DAISY, VASE), "", ""),
        ((), "a daisy", "a daisy"),
        ((), "", "IMG 1"),
    ],
)
def test_a_card_without_its_guesses_is_what_people_said(
    guesses: tuple[Label, ...], caption: str, said: str
) -> None:
    card = card_text("IMG_1.jpg", caption, label_words(guesses))
    item = replace(image_entry("IMG_1.jpg", card).items[0], guesses=guesses)

    assert said_words(item) == said.replace("IMG 1", card)


def test_a_guess_is_said_with_its_share() -> None:
    assert guess_sentence(DAISY, "en") == "At a guess, the picture shows daisy (61%)."
    assert guess_sentence(DAISY, "zh") == "据推测，图中是雏菊（61%）。"


def test_a_prompt_has_guesses_apart_from_what_is_said() -> None:
    item = replace(
        image_entry("a.jpg", "by the wall\ndaisy, oxeye, 雏菊").items[0], guesses=(DAISY,)
    )

    sent = build_messages(
        "What is it?",
        hits=[Hit(item=item, score=0.5, fused=1.0)],
        rules=Rules(),
        limits=Limits(max_images=0),
        open_image=lambda _: Image.new("RGB", (8, 8)),
    )

    (source,) = [part for part in sent.messages[-1].parts if isinstance(part, SourcePart)]
    assert (source.text, source.guesses) == ("Picture: by the wall", (DAISY,))
