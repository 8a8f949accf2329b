"""From labelled queries to a report: each is searched for as users do, and what came is measured.

Knows a library by what it offers here; it changes nothing in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Final, Protocol
from unicodedata import normalize

from florilegium.config import Settings, dump_shown
from florilegium.errors import ConfigError, InvalidQueryError
from florilegium.evaluation_report import (
    ALL,
    DirectionResult,
    EvaluationReport,
    Measured,
    QueryResult,
)
from florilegium.gate_curve import GateReport, judge_gate
from florilegium.ids import hash_bytes, hash_file
from florilegium.index import Index
from florilegium.labelled import LabelledQuery
from florilegium.metrics import average, first_relevant, measure, percentile
from florilegium.qrels import read_queries
from florilegium.retrieve import Explanation
from florilegium.thresholds import Threshold
from florilegium.types import Modality

TOP_K: Final = 100
_SHOWN = 5  # missing paths that an error names
_PACKAGES = ("florilegium", "numpy", "onnxruntime", "chromadb", "ir-measures", "scipy")


class Searched(Protocol):
    """What is evaluated: a `Library`, or what searches like one."""

    @property
    def root(self) -> Path:
        """The folder of the files."""

    @property
    def settings(self) -> Settings:
        """The settings that it searches with."""

    @property
    def index(self) -> Index:
        """The opened index."""

    def threshold(self) -> Threshold:
        """Below which confidence it refuses."""

    @property
    def explain(self) -> Callable[..., Explanation]:
        """`Library.explain`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A query whose picture and whose relevant files were found; `relevant` has no folders."""

    query: LabelledQuery
    image: Path | None
    relevant: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    files: Sequence[str]
    confidence: float
    seconds: float


def evaluate(
    library: Searched,
    queries: str | Path | Sequence[LabelledQuery],
    *,
    name: str = "",
    allow_missing: bool = False,
    options: Mapping[str, object] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Return how well a library finds what labelled queries ask for.

    Relevance is that of files: each counts at the place of its first hit, of 100 hits. One search
    for each direction runs before the clock does, so that loading weights is not measured.

    Args:
        library: A `Library` that is open.
        queries: Labelled queries, or the path that `read_queries` reads them from.
        name: What the report is called; by default the name of the file of queries.
        allow_missing: Leave out relevant paths that are not in the library, and queries that have
            no other, rather than raise an error.
        options: More keyword arguments of `Library.explain`, for every query.
        progress: Called before each query with its number from 0 and the number of queries.

    Raises:
        ConfigError: The file of queries is wrong, a relevant path is not in the library, or a
            picture is not there.
        IndexNotFoundError: Nothing was ingested yet.
        MissingExtraError: The extra `eval` is not installed.
    """
    labelled = queries if isinstance(queries, Sequence) and not isinstance(queries, str) else None
    if labelled is None:
        path = Path(str(queries))
        labelled, name = read_queries(path), name or path.stem
    prepared, missing = _prepare(labelled, library, allow_missing=allow_missing)
    measure({}, {})  # a package that is missing must not show after the searches
    found = _search_all(prepared, library, options=options or {}, progress=progress)
    results = _results(prepared, found)
    kept = {one.query.id for one in prepared}
    return EvaluationReport(
        name=name or "queries",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        total=_summary(ALL, results),
        directions=tuple(
            _summary(direction, [one for one in results if one.direction == direction])
            for direction in sorted({one.direction for one in results})
        ),
        gate=_gate(results, threshold=library.threshold().value),
        results=tuple(results),
        missing=tuple(missing),
        left_out=tuple(query.id for query in labelled if query.id not in kept),
        measured=_measured(library),
    )


# -- before the searches --


def _prepare(
    queries: Sequence[LabelledQuery], library: Searched, *, allow_missing: bool
) -> tuple[list[_Prepared], list[str]]:
    files = _Files(library.index)
    missing: dict[str, None] = {}
    prepared: list[_Prepared] = []
    for query in queries:
        one, absent = _prepare_one(query, files, library.root)
        missing.update(dict.fromkeys(absent))
        if one.relevant or not query.is_answerable:
            prepared.append(one)
        elif not absent:
            raise ConfigError(
                f"{query.place or query.id}: the only relevant file is the query's own picture.",
                hint="Name other files; a picture is never found by itself.",
            )
    if missing and not allow_missing:
        raise _missing(list(missing))
    if not prepared:
        raise ConfigError("No query is left to evaluate.", hint="Check the relevant paths.")
    return prepared, list(missing)


def _prepare_one(query: LabelledQuery, files: _Files, root: Path) -> tuple[_Prepared, list[str]]:
    image = _find_image(query, root)
    relevant: dict[str, int] = {}
    absent: list[str] = []
    for path, grade in query.relevant.items():
        found = files.matching(path, query.modality)
        absent += [] if found else [path]
        relevant |= {file: max(grade, relevant.get(file, 0)) for file in found}
    if image is not None:
        # The picture that is searched with is never found, and neither is a copy of it.
        for twin in files.twins(image):
            relevant.pop(twin, None)
    return _Prepared(query=query, image=image, relevant=relevant), absent


class _Files:
    """The files of a library by path, folder, modality and content."""

    def __init__(self, index: Index) -> None:
        self._catalog = index.catalog
        self._by_name: dict[str, list[str]] = {}
        self._by_content: dict[str, list[str]] = {}
        self._below: dict[tuple[str, Modality | None], list[str]] = {}
        self._modalities: dict[Modality, set[str]] = {}
        for path, source in index.catalog.sources().items():
            # Some systems write "é" as one character and others as two.
            self._by_name.setdefault(normalize("NFC", path), []).append(path)
            self._by_content.setdefault(source.content_hash, []).append(path)

    def matching(self, path: str, modality: Modality | None) -> list[str]:
        """Return the file at `path`, or all below it if it ends in `/` that can be found."""
        name = normalize("NFC", path)
        if not path.endswith("/"):
            same = self._by_name.get(name, [])
            return [path] if path in same else same
        if (name, modality) not in self._below:
            below = [f for known, files in self._by_name.items() if known.startswith(name)
                     for f in files]  # fmt: skip
            self._below[name, modality] = [f for f in below if self._is_of(f, modality)]
        return self._below[name, modality]

    def twins(self, image: Path) -> list[str]:
        """Return the files with exactly the content of this one."""
        return self._by_content.get(hash_file(image), [])

    def _is_of(self, path: str, modality: Modality | None) -> bool:
        if modality is None:
            return True
        if modality not in self._modalities:
            items = self._catalog.all_items(modality)
            self._modalities[modality] = {item.source.path for item, _ in items}
        return path in self._modalities[modality]


def _find_image(query: LabelledQuery, root: Path) -> Path | None:
    if query.image is None:
        return None
    for folder in (query.folder, root):
        if folder is not None and (folder / query.image).is_file():
            return folder / query.image
    raise ConfigError(
        f"{query.place or query.id}: there is no picture {query.image!r}.",
        hint="Write its path relative to the file of queries, or to the library.",
    )


def _missing(paths: Sequence[str]) -> ConfigError:
    shown = ", ".join(repr(path) for path in paths[:_SHOWN])
    more = ", ..." if len(paths) > _SHOWN else ""
    return ConfigError(
        f"{len(paths)} relevant paths are not in the library: {shown}{more}",
        hint="Run `florilegium ingest`, mend the paths, or leave them out with --allow-missing.",
    )


# -- the searches --


def _search_all(
    prepared: Sequence[_Prepared],
    library: Searched,
    *,
    options: Mapping[str, object],
    progress: Callable[[int, int], None] | None,
) -> list[_Found]:
    first_of = {one.query.direction: one for one in reversed(prepared)}
    for one in first_of.values():
        _search(one, library, options)
    found = []
    for number, one in enumerate(prepared):
        if progress:
            progress(number, len(prepared))
        found.append(_search(one, library, options))
    return found


def _search(one: _Prepared, library: Searched, options: Mapping[str, object]) -> _Found:
    query = one.query
    start = time.perf_counter()
    try:
        explanation = library.explain(
            query.text, image=one.image, modality=query.modality, top_k=TOP_K, **options
        )
    except InvalidQueryError as error:
        place = query.place or f"The query {query.id!r}"
        raise InvalidQueryError(f"{place}: {error.message}", hint=error.hint) from error
    seconds = time.perf_counter() - start
    return _Found(
        files=list(dict.fromkeys(hit.item.source.path for hit in explanation.hits)),
        confidence=explanation.evidence.confidence if explanation.hits else 0.0,
        seconds=seconds,
    )


# -- after them --


def _results(prepared: Sequence[_Prepared], found: Sequence[_Found]) -> list[QueryResult]:
    relevant = {one.query.id: one.relevant for one in prepared if one.relevant}
    runs = {one.query.id: files.files for one, files in zip(prepared, found, strict=True)}
    metrics = measure(relevant, runs)
    return [
        QueryResult(
            id=one.query.id,
            text=one.query.text,
            image=one.query.image,
            direction=one.query.direction,
            answerable=one.query.is_answerable,
            relevant=len(one.relevant),
            labels=_fingerprint(one),
            rank=first_relevant(one.relevant, what.files),
            metrics=metrics.get(one.query.id, {}),
            confidence=what.confidence,
            seconds=what.seconds,
        )
        for one, what in zip(prepared, found, strict=True)
    ]


def _fingerprint(one: _Prepared) -> str:
    query = one.query
    labels = sorted(one.relevant.items())
    said = repr((query.text, query.image, query.modality and str(query.modality), labels))
    return hash_bytes(said.encode("utf-8", "surrogatepass"))


def _summary(direction: str, results: Sequence[QueryResult]) -> DirectionResult:
    answerable = [one.metrics for one in results if one.answerable]
    milliseconds = [1000 * one.seconds for one in results]
    return DirectionResult(
        direction=direction,
        queries=len(answerable),
        metrics=average(answerable),
        p50_ms=percentile(milliseconds, 50),
        p95_ms=percentile(milliseconds, 95),
    )


def _gate(results: Sequence[QueryResult], *, threshold: float) -> GateReport | None:
    return judge_gate(
        [one.confidence for one in results if one.answerable],
        [one.confidence for one in results if not one.answerable],
        threshold=threshold,
    )


def _measured(library: Searched) -> Measured:
    index = library.index
    infos = (index.encoder.info, index.text_encoder.info)
    return Measured(
        sources=index.catalog.count("source"),
        images=index.catalog.count(Modality.IMAGE),
        texts=index.catalog.count(Modality.TEXT),
        encoders={info.id: info.fingerprint for info in infos},
        versions=_versions(),
        config=dump_shown(library.settings.config),
    )


def _versions() -> dict[str, str]:
    versions = {"python": python_version()}
    for package in _PACKAGES:
        # Comparing alone needs scipy.
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
