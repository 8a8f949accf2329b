"""What becomes of a question as frozen data: citations, turns, answers and their events.

Knows items and hits; nothing of files, models or databases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from PIL import Image

from florilegium.errors import InvalidQueryError
from florilegium.types import FinishReason, Hit, Span, TokenUsage

HIGHEST_TEMPERATURE: Final = 2.0
MOST_STOPS: Final = 4
LONGEST_STOP: Final = 200
SEEDS: Final = 2**31
"""Seeds are below this: chat models keep them in 32 bits, and the highest means none to some."""


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

    `share` in [0, 1] is its part of the nearest pictures' votes; those of all candidates for one
    picture add up to at most 1, less where pictures without a name voted. `path` is the text that
    tells of it.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """How the chat model writes one answer; what is None is as the settings have it.

    `max_tokens` is at least 1, and makes an answer shorter than `chat.max_tokens`, never longer.
    `temperature` is in [0, 2]. Above 0, `top_p` in [0, 1] leaves only the likeliest tokens that
    have this share together to chance, and `seed` in [0, 2**31) makes a reply come out the same
    again, as far as the chat model keeps to it. `stop` is a text of 1 to 200 characters, or up to 4
    of them: the chat model is stopped before the first that it writes.

    Raises:
        InvalidQueryError: A value is out of its range.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise _out_of_range("max_tokens", self.max_tokens, "at least 1")
        if self.temperature is not None and not 0 <= self.temperature <= HIGHEST_TEMPERATURE:
            raise _out_of_range("temperature", self.temperature, f"0 to {HIGHEST_TEMPERATURE:g}")
        if self.top_p is not None and not 0 <= self.top_p <= 1:
            raise _out_of_range("top_p", self.top_p, "0 to 1")
        if self.seed is not None and not 0 <= self.seed < SEEDS:
            raise _out_of_range("seed", self.seed, f"0 to {SEEDS - 1}")
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        object.__setattr__(self, "stop", stop)
        if len(stop) > MOST_STOPS:
            raise _out_of_range("stop", stop, f"up to {MOST_STOPS} texts")
        for text in stop:
            if not 1 <= len(text) <= LONGEST_STOP:
                raise _out_of_range("stop", text, f"texts of 1 to {LONGEST_STOP} characters")


def _out_of_range(name: str, value: object, wanted: str) -> InvalidQueryError:
    return InvalidQueryError(
        f"The option {name} of a question is {value!r}, which is out of range.",
        hint=f"Give {wanted}, or leave it out.",
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """The reply to a question.

    `confidence` is in [0, 1]; `history` holds all turns with this one last, for the next question.
    `reasons` weigh the evidence; `notes` say what else there is to know: what was left out of the
    prompt, which citations were taken out. `searched` is what was searched for, `model` the id of
    the chat model whose words these are, and `failure` why it is not the configured one, or why
    the text ends early. `finish_reason` is why the chat model stopped, None if none spoke; `usage`
    is what it counted for the reply that became the text, None where it does not count. `ignored`
    names the options of the question that had no effect: all of them if none spoke.
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
    finish_reason: FinishReason | None = None
    usage: TokenUsage | None = None
    ignored: tuple[str, ...] = ()


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
