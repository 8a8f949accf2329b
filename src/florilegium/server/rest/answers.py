"""What the REST routes answer, as pydantic models: the same data that the commands print."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from florilegium.report import FailedFile
from florilegium.server.ingest_jobs import Job
from florilegium.server.served import Served
from florilegium.types import Modality


class ErrorDetail(BaseModel):
    """What went wrong, and what to do."""

    code: str = Field(examples=["query_invalid"])
    message: str
    hint: str | None


class ErrorBody(BaseModel):
    """The one shape of all errors."""

    error: ErrorDetail


class ItemBody(BaseModel):
    """A picture, or a chunk of text. `span` is where a chunk stands in the text of its source."""

    id: str
    modality: Modality
    path: str
    title: str
    text: str
    fields: list[tuple[str, str]]
    width: int | None = None
    height: int | None = None
    span: tuple[int, int] | None = None


class HitBody(ItemBody):
    """An item that was found.

    `score` is a cosine similarity in [-1, 1], which compares only within one modality; hits are
    ordered by `fused`.
    """

    rank: int
    score: float
    fused: float
    duplicates: list[str]
    machine_caption: str | None = None
    contributions: list[dict[str, Any]] | None = None


class SearchAnswer(BaseModel):
    """What was found, best first; how it came about only where that was asked for."""

    hits: list[HitBody]
    rankings: list[dict[str, Any]] | None = None
    evidence: dict[str, Any] | None = None
    candidates: list[dict[str, Any]] | None = None
    admitted: int | None = None
    learnt: dict[str, Any] | None = None
    seconds: dict[str, float] | None = None


class CitationBody(BaseModel):
    """A numbered source of an answer."""

    number: int
    id: str
    modality: Modality
    path: str
    title: str
    quote: str | None
    span: tuple[int, int] | None


class UsageBody(BaseModel):
    """Tokens of the reply that became the answer, as the chat model counts them."""

    prompt_tokens: int
    completion_tokens: int


class AnswerBody(BaseModel):
    """The reply to a question.

    `ignored` names what was asked for of the chat model and had no effect on the answer.
    """

    answer: str
    refused: bool
    confidence: float
    reasons: list[str]
    notes: list[str]
    searched: str
    model: str
    identification: dict[str, Any] | None
    failure: dict[str, Any] | None
    finish_reason: str | None
    usage: UsageBody | None
    ignored: list[str]
    citations: list[CitationBody]
    hits: list[HitBody]


class LibraryBody(BaseModel):
    """A library that the user sees."""

    name: str
    title: str

    @classmethod
    def of(cls, served: Served) -> LibraryBody:
        """Return what is told of a library in a list."""
        return cls(name=served.name, title=served.title)


class FailedBody(BaseModel):
    """A file that could not be ingested."""

    path: str
    code: str
    message: str
    hint: str | None

    @classmethod
    def of(cls, file: FailedFile) -> FailedBody:
        """Return what is told of a file that failed."""
        return cls(path=file.path, code=file.code, message=file.message, hint=file.hint)


class StatisticsBody(LibraryBody):
    """How much is in a library, and which files the last ingest could not read."""

    sources: int
    images: int
    texts: int
    encoders: list[str]
    failed: list[FailedBody]


class JobBody(BaseModel):
    """A run of ingest."""

    id: str
    library: str
    state: Literal["running", "done", "failed", "cancelled"]
    stage: str
    step: str
    read: int
    done: int
    total: int
    path: str
    report: dict[str, Any] | None
    error: dict[str, Any] | None

    @classmethod
    def of(cls, job: Job) -> JobBody:
        """Return what is told of a run."""
        return cls(
            id=job.id,
            library=job.library,
            state=job.state,
            stage=job.stage,
            step=job.step,
            read=job.read,
            done=job.done,
            total=job.total,
            path=job.path,
            report=job.report,
            error=job.error,
        )


class UploadedBody(BaseModel):
    """A file that was uploaded, by the path that it has in the library."""

    path: str


class HealthBody(BaseModel):
    """That the server is up."""

    status: Literal["ok"]
    version: str
