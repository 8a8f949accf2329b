"""What an evaluation measured, as frozen data, and as JSON. Knows neither libraries nor files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from florilegium.errors import ConfigError
from florilegium.gate_curve import GateReport

FORMAT: Final = 1
ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """What became of one query.

    `labels` stands for what was asked and for the relevant files, so that two results are compared
    only where both are the same. `rank` is that of the first relevant file, from 1; `metrics` is
    empty for a query that nothing answers. `confidence` is 0 where nothing was found.
    """

    id: str
    text: str
    image: str | None
    direction: str
    answerable: bool
    relevant: int
    labels: str
    rank: int | None
    metrics: Mapping[str, float]
    confidence: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionResult:
    """The means over the queries of one direction, or over all.

    `queries` counts those with relevant files, over which `metrics` are averaged; it is empty for
    none. `p50_ms` and `p95_ms` are milliseconds of a whole search, over all queries.
    """

    direction: str
    queries: int
    metrics: Mapping[str, float]
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured with: the library and the versions.

    `encoders` maps the name of each encoder to its fingerprint; `config` is the whole settings.
    """

    sources: int
    images: int
    texts: int
    encoders: Mapping[str, str]
    versions: Mapping[str, str]
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """How well a library searches, by labelled queries.

    `missing` are relevant paths that are not in the library, and `left_out` the ids of the queries
    that had no other. `date` is ISO 8601 in UTC.
    """

    name: str
    date: str
    total: DirectionResult
    directions: tuple[DirectionResult, ...]
    gate: GateReport | None
    results: tuple[QueryResult, ...]
    missing: tuple[str, ...]
    left_out: tuple[str, ...]
    measured: Measured
    format: int = FORMAT


_ADAPTER = TypeAdapter(EvaluationReport)


def report_to_json(report: EvaluationReport) -> dict[str, Any]:
    """Return a report as plain data."""
    plain: dict[str, Any] = _ADAPTER.dump_python(report, mode="json")
    return plain


def report_from_json(data: bytes, *, name: str) -> EvaluationReport:
    """Return the report that was written as JSON; `name` is that of its file.

    Raises:
        ConfigError: It is no report, or one of a later version.
    """
    try:
        report = _ADAPTER.validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise _unusable(name, f"{where}: {first['msg']}") from error
    if report.format != FORMAT:
        raise _unusable(name, f"its format is {report.format}, not {FORMAT}")
    return report


def _unusable(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"The evaluation {name!r} cannot be used: {reason}.",
        hint="Run `florilegium eval FILE` again, which stores a new one.",
    )
