"""What becomes of a question as frozen data: citations, turns, answers and their events.

Knows items and hits; nothing of files, models or databases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from PIL import Image

from florilegium.types import Hit, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A numbered source of an answer.

    `quote` is the sentence that was quoted, and `span` where it stands in the decoded text of the
    source; both are None when the source is a picture or the chat model used its own words.
    """

    number: int
    hit: Hit
    quote: str | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A name for what the user's picture may show.

    `share` in [0, 1] is that of the nearest pictures' votes; `path` is the text that tells of it.
    """

    name: str
    share: float
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """What the user's picture shows, and who said so.

    It is `known` when the picture itself is in the library; else the chat `model` chose from the
    candidates, or the `vote` of the nearest pictures decided; `note` says why the model did not.
    `chosen` is None when the model found that none of the candidates fits.
    """

    candidates: tuple[Candidate, ...]
    chosen: Candidate | None
    by: Literal["known", "model", "vote"]
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error of a chat model that did not keep an answer from being given or kept.

    With `stands_in`, another chat model gave the whole answer; else its text ends early.
    """

    model: str
    code: str
    message: str
    hint: str | None = None
    stands_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turn:
    """A question that was answered, its picture, and what that of this or an earlier turn shows.

    Of a history only the newest picture is held.
    """

    question: str
    answer: str
    image: Image.Image | None = None
    image_hash: str | None = None
    identification: Identification | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """The reply to a question.

    `confidence` is in [0, 1]; `history` holds all turns with this one last, for the next question.
    `reasons` weigh the evidence; `notes` say what else there is to know: what was left out of the
    prompt, which citations were taken out. `searched` is what was searched for, `model` the id of
    the chat model whose words these are, and `failure` why it is not the configured one, or why
    the text ends early.
    """

    text: str
    citations: tuple[Citation, ...]
    refused: bool
    confidence: float
    history: tuple[Turn, ...]
    hits: tuple[Hit, ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    searched: str = ""
    model: str = ""
    identification: Identification | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """First event of an answer: what was found, what was searched for, what the picture shows."""

    hits: tuple[Hit, ...]
    searched: str
    with_image: bool
    identification: Identification | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A piece of the answer's text. Joining all tokens gives `Answer.text`."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The chat model failed. What came before is kept; an answer of another model may follow."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """Last event of an answer."""

    answer: Answer


Event: TypeAlias = Retrieved | Token | Failed | Finished
