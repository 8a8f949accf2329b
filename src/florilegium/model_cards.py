"""Model cards as data: what is known of a model before it is fetched.

Knows no network and no folder of models; the cards stand in cards.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

MANY = "many"
"""Stands for the languages of a card whose model was made for more than can be listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """One file of a model as its card names it; `sha256` is None where nobody has looked it up."""

    path: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedNumber:
    """A measure in per cent that others published, and where."""

    task: str
    value: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What is known of one model; a fact that could not be looked up is None or empty.

    Without a `revision`, the newest commit of the hub repository `source` is taken. `files` are
    those whose size is known, which need not be all.
    """

    name: str
    title: str
    about: str
    encoder: str
    source: str
    revision: str | None = None
    licence: str | None = None
    licence_note: str | None = None
    dim: int | None = None
    languages: tuple[str, ...] = ()
    files: tuple[PinnedFile, ...] = ()
    numbers: tuple[PublishedNumber, ...] = ()

    @property
    def size(self) -> int:
        """Return the bytes of the files that the card knows."""
        return sum(file.size for file in self.files)

    @property
    def language_codes(self) -> tuple[str, ...] | None:
        """Return what its texts may be written in, or None for any and for not known."""
        return None if MANY in self.languages or not self.languages else self.languages


def read_cards() -> list[ModelCard]:
    """Return all cards, in the order of cards.toml."""
    text = resources.files("florilegium").joinpath("cards.toml").read_text(encoding="utf-8")
    return [_card(values) for values in tomllib.loads(text)["card"]]


def find_card(name: str) -> ModelCard | None:
    """Return the card called `name`, or the one of the hub repository `name`, if there is one."""
    for card in read_cards():
        if name in {card.name, card.source}:
            return card
    return None


def _card(values: Mapping[str, Any]) -> ModelCard:
    lists = {
        "languages": tuple(values.get("languages", ())),
        "files": tuple(PinnedFile(**file) for file in values.get("files", ())),
        "numbers": tuple(PublishedNumber(**number) for number in values.get("numbers", ())),
    }
    return ModelCard(**{**values, **lists})
