"""What one process does in a trial: it ingests a library, or tells what is in its index.

Imports all that ingest needs, so that a server of forks has it ready for each trial.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

from chromadb.api.collection_configuration import CreateHNSWConfiguration

from florilegium import Library
from florilegium.cache import EmbeddingCache
from florilegium.config import INDEX_FOLDER
from florilegium.entries import checksum
from florilegium.errors import FlorilegiumError, StoreError
from florilegium.index import Index
from florilegium.stores import chroma_search
from florilegium.types import Embeddings
from tests.reliability.faults import Faults
from tests.unit.index_state import State, state_of

_NEAREST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a process is to do: ingest, or only look with `look`, and where it is to die."""

    folder: Path
    log: Path
    """A line for each embedding that was put into the cache, by all processes of a trial."""
    overrides: Mapping[str, object] = field(default_factory=dict)
    rebuild: bool = False
    look: bool = False
    audit: bool = False
    """Look before it ingests whether the vectors that a search would use now are right."""
    at: int | None = None
    """The fault point at which to die, from 1; 0 counts them only; None installs none."""
    write_graphs: bool = False
    """Whether Chroma writes its graphs after every few records, not after a thousand."""
    wait: bool = False
    """Stop before it begins, until somebody continues it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a process that was not killed found in the end."""

    state: State
    nearest: tuple[tuple[str, ...], ...]
    """For each record, in order of ids, those that a search for its embedding finds first."""
    files: tuple[str, ...]
    """What lies in the index folder, but for what SQLite keeps beside its files."""
    encoded: int
    seconds: float
    """Of ingest alone, opening included."""
    points: tuple[str, ...] = ()
    wrong: int = 0
    """Records whose vectors were not those of the catalog before ingest put things right."""


def work(job: Job, pipe: Connection) -> None:
    """Do a job. Sends an Outcome or an error of ours, and "ready" before it unless it waits."""
    faults = None if job.at is None else Faults(job.at or None)
    _log_embeddings(job.log)
    if job.write_graphs:
        write_graphs_often()
    if job.wait:
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        pipe.send("ready")
    try:
        pipe.send(pickle.dumps(_run(job, faults)))
    except FlorilegiumError as error:
        pipe.send(pickle.dumps(error))
    pipe.close()


def _run(job: Job, faults: Faults | None) -> Outcome:
    started, encoded = time.monotonic(), 0
    points: tuple[str, ...] = ()
    with Library.open(job.folder, overrides=job.overrides) as library:
        wrong = _wrong(library) if job.audit else 0
        if not job.look:
            encoded = library.ingest(rebuild=job.rebuild).encoded
        seconds = time.monotonic() - started
        if faults is not None:
            points = tuple(faults.passed)
        state, nearest = state_of(library), tuple(_nearest(library.index))
    return Outcome(
        state=state,
        nearest=nearest,
        files=_files(job.folder / INDEX_FOLDER),
        encoded=encoded,
        seconds=seconds,
        points=points,
        wrong=wrong,
    )


def _wrong(library: Library) -> int:
    try:
        index = library.index
    except StoreError:
        return 0  # nothing is found at all, and that is said
    pending, wrong = index.catalog.pending_ids(), 0
    for collection in (index.pictures, index.windows, index.chunks, index.sentences, index.cards):
        known = index.catalog.checksums(collection)
        ids = [id_ for id_ in known if id_ not in pending.get(collection, set())]
        for record in index.store.get(collection, ids):
            wrong += known[record.id] not in (None, checksum(record.embedding))
    return wrong


def write_graphs_often() -> None:
    """Let Chroma write the graphs of collections that are made from now on every few records."""
    often = {**(chroma_search.HNSW["hnsw"] or {}), "batch_size": 2, "sync_threshold": 4}
    chroma_search.HNSW["hnsw"] = cast(CreateHNSWConfiguration, often)


def _nearest(index: Index) -> Iterator[tuple[str, ...]]:
    for collection in (index.pictures, index.windows, index.chunks, index.sentences, index.cards):
        ids = sorted(index.store.ids(collection))
        for record in index.store.get(collection, ids):
            found = index.store.search(collection, record.embedding, top_k=_NEAREST)
            yield tuple(f"{match.id} {match.score:.4f}" for match in found)


def _files(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir()))


def _log_embeddings(log: Path) -> None:
    # A line is written once the cache has promised to keep the embedding.
    put = EmbeddingCache.put

    def logged(self: EmbeddingCache, fingerprint: str, vectors: Mapping[str, Embeddings]) -> None:
        put(self, fingerprint, vectors)
        with log.open("a", encoding="utf-8") as stream:
            stream.write("".join(f"{fingerprint} {key}\n" for key in vectors))

    EmbeddingCache.put = logged  # type: ignore[method-assign]  # this process dies soon
