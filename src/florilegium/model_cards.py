"""Model cards as data: what is known of a model before it is fetched.

Knows no network and no folder of models; the cards stand in cards.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from florilegium.model_records import (
    ENCODER_KIND,
    ChatKind,
    EncoderKind,
    ModelKind,
    RerankerKind,
    section_of,
)

MANY = "many"
"""Stands for the languages of a card whose model was made for more than can be listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """One file of a model as its card names it; what nobody has looked up is None."""

    path: str
    size: int | None = None
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

    It is opened by the `encoder`, the `chat_model` or the `reranker` of that name. Without a
    `revision`, the newest commit of the hub repository `source` is taken. `files` are those of
    which something is known, which need not be all; `rounded_size` is of all, in bytes, where that
    is all that is known of their sizes.

    Raises:
        ValueError: It does not name one of them, and one only.
    """

    name: str
    title: str
    about: str
    source: str
    encoder: EncoderKind | None = None
    chat_model: ChatKind | None = None
    reranker: RerankerKind | None = None
    revision: str | None = None
    licence: str | None = None
    licence_note: str | None = None
    dim: int | None = None
    languages: tuple[str, ...] = ()
    files: tuple[PinnedFile, ...] = ()
    rounded_size: int | None = None
    numbers: tuple[PublishedNumber, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a card that does not say what opens the model."""
        if sum(kind is not None for kind in (self.encoder, self.chat_model, self.reranker)) != 1:
            raise ValueError(
                f"The card {self.name!r} must name an encoder, a chat model or a reranker."
            )

    @property
    def kind(self) -> ModelKind:
        """Return the name of the backend that opens the model."""
        return self.chat_model or self.reranker or self.encoder or ENCODER_KIND

    @property
    def setting(self) -> str:
        """Return the line of the settings that uses the model."""
        return f'{section_of(self.kind)}.name = "{self.kind}:{self.name}"'

    @property
    def size(self) -> int:
        """Return the bytes of what is fetched as far as the card knows them, 0 if it does not."""
        return self.rounded_size or sum(file.size or 0 for file in self.files)

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
