"""The labels that an encoder gives a picture, which are guesses: their words, apart from others.

Pure functions of items and labels; knows no encoder.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from florilegium.types import Item, Label

_SENTENCE: Final = {
    "en": "At a guess, the picture shows {name} ({share:.0%}).",
    "zh": "据推测，图中是{name}（{share:.0%}）。",
}


def label_words(labels: Iterable[Label]) -> str:
    """Return the names, synonyms and Chinese names of labels, each once."""
    words = (word for one in labels for word in (one.name, *one.synonyms, *one.chinese))
    return ", ".join(dict.fromkeys(words))


def label_name(label: Label, language: Literal["en", "zh"]) -> str:
    """Return the name of a label in a language, or the one it has."""
    name = next(iter(label.chinese), label.name) if language == "zh" else label.name
    return " ".join(name.split())


def guess_sentence(label: Label, language: Literal["en", "zh"]) -> str:
    """Return what may be said about a picture by a label of it, with its share."""
    return _SENTENCE[language].format(name=label_name(label, language), share=label.weight)


def said_words(item: Item) -> str:
    """Return the text of an item without the words of its guesses, which end the card."""
    guessed = label_words(item.guesses)
    return item.text.removesuffix(guessed).rstrip("\n") if guessed else item.text
