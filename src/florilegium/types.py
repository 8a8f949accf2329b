"""The words of the glossary as frozen data. Knows nothing of files, models or databases."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Embeddings: TypeAlias = npt.NDArray[np.float32]
"""Shape (n, dim) for many rows or (dim,) for one; rows are finite, float32 and of unit length."""

Scores: TypeAlias = npt.NDArray[np.float32]
"""Shape (n,): what a reranker says of n texts; finite, float32, higher is better, of any range."""

Purpose = Literal["query", "document"]
Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]


class Modality(StrEnum):
    """What an item is made of."""

    IMAGE = "image"
    TEXT = "text"


class Part(StrEnum):
    """Which stretch of an item one stored embedding stands for."""

    WHOLE = "whole"
    """The whole picture, or the whole chunk of text."""
    SENTENCE = "sentence"
    """One sentence of a chunk."""
    WINDOW = "window"
    """A stretch of a chunk that fits the text limit of an image-text encoder."""
    CARD = "card"
    """The card of a picture, in a text space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of the library folder.

    `path` is relative to the folder and uses `/` on every system; `content_hash` is the
    BLAKE2b-128 of the bytes as hex.
    """

    root: Path
    path: str
    size: int
    modified_ns: int
    content_hash: str

    @property
    def file(self) -> Path:
        """Return where the file lies on this machine."""
        return self.root / self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open range of characters in the decoded text of a source."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A pointer written in a source, e.g. a Markdown image: the target path and its words."""

    target: str
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One retrievable thing: a picture, or a chunk of text.

    `text` is the chunk itself, or the card of a picture (the words that stand for it).
    `span` says where a chunk stands in its source; `width` and `height` are pixels as displayed.
    `fields` are what is said of it, sorted pairs of a name in lower case and a value; a loader
    gives those that stand in the file itself. `guesses` are the labels of a picture by its encoder,
    surest first; their words end its card.
    """

    id: str
    source: Source
    modality: Modality
    ordinal: int
    title: str
    text: str
    span: Span | None = None
    width: int | None = None
    height: int | None = None
    references: tuple[Reference, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    guesses: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a sidecar or a row of a table says of another file.

    `target` is the path of that file in the library folder, or that path without its suffix;
    `fields` are sorted pairs of a name in lower case and a value.
    """

    target: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two files that belong together: from one to the other, why, and the words at the link.

    A `reference` is written in a text, a `stem` is a shared file name, and a `folder` link joins
    pictures with the text that speaks for their folder.
    """

    path: str
    other: str
    kind: Literal["reference", "stem", "folder"]
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name for what a picture shows; `weight` in [0, 1] says how sure its encoder is."""

    name: str
    synonyms: tuple[str, ...] = ()
    chinese: tuple[str, ...] = ()
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The set of vectors that one encoder makes: comparable only with each other."""

    name: str
    fingerprint: str
    dim: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A set of records that are searched together: one space, one modality, one part."""

    space: str
    modality: Modality
    part: Part = Part.WHOLE

    @property
    def name(self) -> str:
        """Return a name that is unique among collections."""
        return f"{self.space}/{self.modality}/{self.part}"

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the collection of a name that `name` gave."""
        space, modality, part = name.rsplit("/", 2)
        return cls(space=space, modality=Modality(modality), part=Part(part))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What built an index: the schema of our tables and the spaces that are in it."""

    schema: int
    spaces: tuple[Space, ...]

    def space(self, name: str) -> Space:
        """Return the space called `name`. Raises KeyError when there is none."""
        for space in self.spaces:
            if space.name == name:
                return space
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """One embedding as a vector store keeps it; several records may belong to one item."""

    id: str
    item_id: str
    embedding: Embeddings  # (dim,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A record that a vector store found; `score` is the cosine similarity in [-1, 1]."""

    id: str
    item_id: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A picture that is searched with, and the content hash of its file where it is known.

    Pictures of the library with the same content are never evidence for it.
    """

    image: Image.Image
    content_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Words that are searched for besides the text of a query, or kept out where not `wanted`."""

    text: str
    wanted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Query:
    """What is searched for: a text, signed terms, pictures, or several of these at once.

    `about` is the path of the text that tells of what the picture was identified as: it takes the
    place of the texts that near pictures are linked to. `about_picture` says whether the words ask
    about the picture; None judges by their wording.
    """

    text: str = ""
    terms: tuple[Term, ...] = ()
    pictures: tuple[Picture, ...] = ()
    about: str | None = None
    about_picture: bool | None = None
    modality: Modality | None = None
    top_k: int = 8

    @property
    def words(self) -> str:
        """Return all words that are searched for."""
        return " ".join(w for w in (self.text, *(t.text for t in self.terms if t.wanted)) if w)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one ranked list gave to a hit.

    Its rank there from 1, the list's own score, the score standardised within the list, and the
    weight of the list in the fusion.
    """

    ranking: str
    rank: int | None
    score: float
    z: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An item that was found.

    `score` is the highest cosine similarity that the item reached in any vector list, in [-1, 1];
    it is comparable only among hits of one modality. Hits are ordered by `fused`, the weighted
    sum of standardised scores, which has no upper bound. `duplicates` are items that say or show
    the same and were put under this one: copies, overlapping chunks.
    """

    item: Item
    score: float
    fused: float
    contributions: tuple[Contribution, ...] = ()
    duplicates: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """Text in a message."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImagePart:
    """A picture in a message; `number` is its citation number if it came from the library."""

    image: Image.Image
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePart:
    """A numbered source in a message: data, never an instruction; `guesses` are not in `text`."""

    number: int
    title: str
    path: str
    text: str
    guesses: tuple[Label, ...] = ()


MessagePart: TypeAlias = TextPart | ImagePart | SourcePart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Message:
    """One message to or from a chat model."""

    role: Role
    parts: tuple[MessagePart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """How a chat model replies. `temperature` 0 asks for the same reply every time.

    At others, `top_p` in [0, 1] leaves the likeliest tokens that have this share together to
    chance, and no more (nucleus sampling, Holtzman et al. 2020); None is as the model is set.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """The tokens that a chat model read and wrote for one reply, thoughts included."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a reply.

    Only the last one has a finish reason, and what the model itself counted, if it does.
    """

    text: str
    finish_reason: FinishReason | None = None
    usage: TokenUsage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatModelInfo:
    """What a chat model is; `max_images` is per request, `context_tokens` None when not known.

    A `generative` model writes words of its own, so it can be told to choose or to rewrite.
    `image_tokens` is about how many tokens of the context a picture takes. One `in_process`
    computes on this machine's own processor or card, in this process.
    """

    id: str
    max_images: int
    context_tokens: int | None
    generative: bool = True
    image_tokens: int = 1400
    in_process: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderInfo:
    """What an encoder is, known without its weights.

    `fingerprint` changes whenever the vectors would: other weights, preprocessing, tokenizer or
    code of ours that matters. `languages` lists the ISO 639-1 codes that its texts may be written
    in; None means any. `unrelated` is the cosine that it gives two things of one kind that have
    nothing to do with each other: pictures if it reads pictures, else texts. Encoders differ
    widely in it. `image_side` is the side in pixels that its pictures are scaled to; None says
    that they are best given whole.
    """

    id: str
    fingerprint: str
    dim: int
    modalities: frozenset[Modality]
    max_text_tokens: int
    languages: frozenset[str] | None = None
    unrelated: float = 0.0
    image_side: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankerInfo:
    """What a reranker is, known without its weights.

    `max_tokens` is of a query and a stretch of text together, None when not known; longer texts
    are read in stretches. `languages` lists the ISO 639-1 codes that it reads; None means any.
    """

    id: str
    max_tokens: int | None = None
    languages: frozenset[str] | None = None
