"""Florilegium answers questions from a folder of pictures and texts, with citations."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# The names below are imported when they are first used, so that `florilegium --help`, which
# imports this package too, need not load numpy, Pillow and pydantic (docs/decisions/0006).
if TYPE_CHECKING:
    from florilegium.answers import (
        Answer,
        AnswerOptions,
        Candidate,
        Citation,
        Event,
        Failed,
        Failure,
        Finished,
        Identification,
        Retrieved,
        Token,
        Turn,
    )
    from florilegium.batching import BatchCount
    from florilegium.cache_upkeep import CachePruning, CacheStats, EncoderStats
    from florilegium.checks import Check
    from florilegium.embedding import Embedded
    from florilegium.errors import (
        ChatError,
        ChatRejectedError,
        ChatTimeoutError,
        ChatUnavailableError,
        ConfigError,
        ContextExceededError,
        EncoderError,
        FileTooLargeError,
        FileTooSlowError,
        FlorilegiumError,
        ForbiddenError,
        IndexLockedError,
        IndexMismatchError,
        IndexNotFoundError,
        IndexOutdatedError,
        InvalidQueryError,
        InvalidRequestError,
        ItemNotFoundError,
        MissingExtraError,
        NotFoundError,
        RemovalRefusedError,
        RequestError,
        RequestTooLargeError,
        RerankError,
        RerankRejectedError,
        RerankTimeoutError,
        RerankUnavailableError,
        SourceError,
        SourceGoneError,
        StorageFullError,
        StoreError,
        TooBusyError,
        TooSlowError,
        UnauthenticatedError,
        UnknownBackendError,
        UnreadableFileError,
        UnsupportedBodyError,
        UnsupportedFileError,
        UnsupportedInputError,
        WeightsNotFoundError,
        WorkerError,
    )
    from florilegium.evaluation import evaluate
    from florilegium.evaluation_report import DirectionResult, EvaluationReport, QueryResult
    from florilegium.filters import Filter
    from florilegium.gate_curve import GatePoint, GateReport
    from florilegium.guard import Removal
    from florilegium.labelled import LabelledQuery, make_query
    from florilegium.library import Library
    from florilegium.locking import Holder
    from florilegium.parts import Statistics
    from florilegium.qrels import read_queries
    from florilegium.report import FailedFile, IngestReport, Progress
    from florilegium.retrieve import Explanation, RankingSummary
    from florilegium.types import Contribution, Hit, Item, Modality, Source, Span

__all__ = [
    "Answer",
    "AnswerOptions",
    "BatchCount",
    "CachePruning",
    "CacheStats",
    "Candidate",
    "ChatError",
    "ChatRejectedError",
    "ChatTimeoutError",
    "ChatUnavailableError",
    "Check",
    "Citation",
    "ConfigError",
    "ContextExceededError",
    "Contribution",
    "DirectionResult",
    "Embedded",
    "EncoderError",
    "EncoderStats",
    "EvaluationReport",
    "Event",
    "Explanation",
    "Failed",
    "FailedFile",
    "Failure",
    "FileTooLargeError",
    "FileTooSlowError",
    "Filter",
    "Finished",
    "FlorilegiumError",
    "ForbiddenError",
    "GatePoint",
    "GateReport",
    "Hit",
    "Holder",
    "Identification",
    "IndexLockedError",
    "IndexMismatchError",
    "IndexNotFoundError",
    "IndexOutdatedError",
    "IngestReport",
    "InvalidQueryError",
    "InvalidRequestError",
    "Item",
    "ItemNotFoundError",
    "LabelledQuery",
    "Library",
    "MissingExtraError",
    "Modality",
    "NotFoundError",
    "Progress",
    "QueryResult",
    "RankingSummary",
    "Removal",
    "RemovalRefusedError",
    "RequestError",
    "RequestTooLargeError",
    "RerankError",
    "RerankRejectedError",
    "RerankTimeoutError",
    "RerankUnavailableError",
    "Retrieved",
    "Source",
    "SourceError",
    "SourceGoneError",
    "Span",
    "Statistics",
    "StorageFullError",
    "StoreError",
    "Token",
    "TooBusyError",
    "TooSlowError",
    "Turn",
    "UnauthenticatedError",
    "UnknownBackendError",
    "UnreadableFileError",
    "UnsupportedBodyError",
    "UnsupportedFileError",
    "UnsupportedInputError",
    "WeightsNotFoundError",
    "WorkerError",
    "evaluate",
    "make_query",
    "read_queries",
]

_HOMES = {
    "florilegium.errors": (
        "ChatError",
        "ChatRejectedError",
        "ChatTimeoutError",
        "ChatUnavailableError",
        "ConfigError",
        "ContextExceededError",
        "EncoderError",
        "FileTooLargeError",
        "FileTooSlowError",
        "FlorilegiumError",
        "ForbiddenError",
        "IndexLockedError",
        "IndexMismatchError",
        "IndexNotFoundError",
        "IndexOutdatedError",
        "InvalidQueryError",
        "InvalidRequestError",
        "ItemNotFoundError",
        "MissingExtraError",
        "NotFoundError",
        "RemovalRefusedError",
        "RequestError",
        "RequestTooLargeError",
        "RerankError",
        "RerankRejectedError",
        "RerankTimeoutError",
        "RerankUnavailableError",
        "SourceError",
        "SourceGoneError",
        "StorageFullError",
        "StoreError",
        "TooBusyError",
        "TooSlowError",
        "UnauthenticatedError",
        "UnknownBackendError",
        "UnreadableFileError",
        "UnsupportedBodyError",
        "UnsupportedFileError",
        "UnsupportedInputError",
        "WeightsNotFoundError",
        "WorkerError",
    ),
    "florilegium.batching": ("BatchCount",),
    "florilegium.embedding": ("Embedded",),
    "florilegium.cache_upkeep": ("CachePruning", "CacheStats", "EncoderStats"),
    "florilegium.checks": ("Check",),
    "florilegium.evaluation": ("evaluate",),
    "florilegium.evaluation_report": ("DirectionResult", "EvaluationReport", "QueryResult"),
    "florilegium.filters": ("Filter",),
    "florilegium.gate_curve": ("GatePoint", "GateReport"),
    "florilegium.guard": ("Removal",),
    "florilegium.labelled": ("LabelledQuery", "make_query"),
    "florilegium.qrels": ("read_queries",),
    "florilegium.library": ("Library",),
    "florilegium.locking": ("Holder",),
    "florilegium.parts": ("Statistics",),
    "florilegium.report": ("FailedFile", "IngestReport", "Progress"),
    "florilegium.retrieve": ("Explanation", "RankingSummary"),
    "florilegium.answers": (
        "Answer",
        "AnswerOptions",
        "Candidate",
        "Citation",
        "Event",
        "Failed",
        "Failure",
        "Finished",
        "Identification",
        "Retrieved",
        "Token",
        "Turn",
    ),
    "florilegium.types": (
        "Contribution",
        "Hit",
        "Item",
        "Modality",
        "Source",
        "Span",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Return a public name, importing the module that it lives in."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
