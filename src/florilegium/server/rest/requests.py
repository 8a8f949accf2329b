"""What the REST routes take, as pydantic models with examples; and what it means to a library."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticKnownError

from florilegium.answers import (
    HIGHEST_TEMPERATURE,
    LONGEST_STOP,
    MOST_STOPS,
    SEEDS,
    AnswerOptions,
    Candidate,
    Identification,
    Turn,
)
from florilegium.filters import Filter
from florilegium.inputs import MOST_PICTURES
from florilegium.server.question_limits import MOST_CHARACTERS, MOST_FIELDS, MOST_VALUES
from florilegium.types import Modality

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwAD"
    "hgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel, for examples that can be sent."""

MOST_NAMES: Final = 64
"""Names that an object may have. Pydantic would tell of each one that is wrong, for seconds."""

_MOST_CANDIDATES: Final = 100
_MOST_TURNS: Final = 1000


def check_size(given: object, most: int) -> object:
    """Refuse a list or an object that has too much, before anybody looks at what is in it."""
    if isinstance(given, list | dict) and len(given) > most:
        kind = "List" if isinstance(given, list) else "Object"
        told = {"field_type": kind, "max_length": most, "actual_length": len(given)}
        raise PydanticKnownError("too_long", told)
    return given


def at_most(most: int) -> BeforeValidator:
    """Return the validator of a type that does `check_size`."""
    return BeforeValidator(partial(check_size, most=most))


Picture = Annotated[
    str,
    Field(
        min_length=1,
        description="The bytes of a picture as data:image/...;base64,... No other address is "
        "taken: the server fetches nothing.",
        examples=[PIXEL],
    ),
]
Word = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
StopSequence = Annotated[str, Field(min_length=1, max_length=LONGEST_STOP)]
Values = Annotated[list[Word], Field(max_length=MOST_VALUES, fail_fast=True), at_most(MOST_VALUES)]
StopSequences = Annotated[
    list[StopSequence], Field(max_length=MOST_STOPS, fail_fast=True), at_most(MOST_STOPS)
]


class Body(BaseModel):
    """A body of a request; what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few_names(cls, given: object) -> object:
        return check_size(given, MOST_NAMES) if isinstance(given, dict) else given


class WhereBody(Body):
    """What may be found at all: values of one kind are alternatives, all kinds must hold."""

    folders: Values = Field([], description="Folders of the library.", examples=[["roses"]])
    suffixes: Values = Field([], description="Kinds of files.", examples=[[".jpg"]])
    labels: Values = Field([], description="Labels, or names of folders of pictures.")
    since: date | None = Field(None, description="The first day.", examples=["2024-01-31"])
    until: date | None = Field(None, description="The last day.", examples=["2024-12-31"])
    fields: Annotated[dict[Word, Values], Field(max_length=MOST_FIELDS), at_most(MOST_FIELDS)] = (
        Field({}, description="Fields and their values.", examples=[{"creator": ["Ana"]}])
    )

    def to_filter(self) -> Filter:
        """Return the filter that is meant. Raises InvalidQueryError."""
        return Filter(
            folders=tuple(self.folders),
            suffixes=tuple(self.suffixes),
            labels=tuple(self.labels),
            since=self.since,
            until=self.until,
            fields=tuple((name, value) for name, of in self.fields.items() for value in of),
        )


class SearchBody(Body):
    """A search by a text, by pictures, or by both at once."""

    text: str = Field("", description="Words; +word is wanted besides, -word is not wanted.")
    images: Annotated[
        list[Picture], Field(max_length=MOST_PICTURES, fail_fast=True), at_most(MOST_PICTURES)
    ] = Field([], description="Pictures; of several, what they have in common is searched for.")
    like: str | None = Field(
        None, max_length=64, description="Id of an image item that is searched with too."
    )
    modality: Modality | None = Field(None, description="Find only pictures, or only texts.")
    top_k: int | None = Field(None, ge=1, le=1000, description="How many hits.")
    where: WhereBody | None = None
    explain: bool = Field(False, description="Say how each hit came about.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": "a yellow flower", "modality": "image"}]},
    )


class CandidateBody(Body):
    """A name for what a picture may show."""

    name: Word
    share: float = Field(0.0, ge=0, le=1)
    path: str | None = Field(None, max_length=4000)


class IdentificationBody(Body):
    """What the picture of a turn was identified as, as the answer to it said."""

    chosen: Word | None = None
    by: Literal["known", "model", "vote"]
    note: str | None = Field(None, max_length=4000)
    candidates: Annotated[
        list[CandidateBody],
        Field(max_length=_MOST_CANDIDATES, fail_fast=True),
        at_most(_MOST_CANDIDATES),
    ] = []

    def to_identification(self) -> Identification:
        """Return it as a turn has it."""
        candidates = tuple(
            Candidate(name=one.name, share=one.share, path=one.path) for one in self.candidates
        )
        chosen = next((one for one in candidates if one.name == self.chosen), None)
        if chosen is None and self.chosen is not None:
            chosen = Candidate(name=self.chosen, share=0.0)
        return Identification(candidates=candidates, chosen=chosen, by=self.by, note=self.note)


class TurnBody(Body):
    """A question that was answered before, with its picture."""

    question: str = Field(examples=["Which flower is this?"])
    answer: str = Field(max_length=200_000, examples=["A daisy [1]."])
    image: Picture | None = None
    identification: IdentificationBody | None = None

    def to_turn(self) -> Turn:
        """Return the turn, without its picture."""
        identification = self.identification
        return Turn(
            question=self.question,
            answer=self.answer,
            identification=identification.to_identification() if identification else None,
        )


class AskBody(Body):
    """A question, the picture that it is about, and the turns before it."""

    question: str = ""
    image: Picture | None = None
    history: Annotated[
        list[TurnBody], Field(max_length=_MOST_TURNS, fail_fast=True), at_most(_MOST_TURNS)
    ] = []
    where: WhereBody | None = None
    quote: bool = Field(
        False, description="Answer with sentences of the library, whatever model is configured."
    )
    max_tokens: int | None = Field(
        None, ge=1, description="Longest answer in tokens; chat.max_tokens is never exceeded."
    )
    temperature: float | None = Field(
        None, ge=0, le=HIGHEST_TEMPERATURE, description="Of the chat model, for this answer."
    )
    top_p: float | None = Field(
        None,
        ge=0,
        le=1,
        description="At a temperature above 0, leave the likeliest tokens of this share to chance.",
    )
    seed: int | None = Field(
        None, ge=0, lt=SEEDS, description="For the same answer again at a temperature above 0."
    )
    stop: StopSequences = Field(
        [], description="The chat model is stopped before the first of these that it writes."
    )
    stream: bool = Field(True, description="Send the answer as it is made, or as a whole.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"question": "How do I care for a daisy?"}]},
    )

    def to_options(self) -> AnswerOptions:
        """Return how the answer is to be written."""
        return AnswerOptions(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=self.stop,
        )


class IngestBody(Body):
    """How a run of ingest is to be done."""

    rebuild: bool = Field(False, description="Build a new index beside the one in use.")
    allow_empty: bool = Field(False, description="Empty the index of a folder that holds nothing.")
