"""Make the index agree with the folder. Knows loaders, encoders and stores by their protocols only.

Files are written in batches. Each batch is announced in the catalog, written to the vector store
and then committed in the catalog at once; what was announced and not committed when a run died is
deleted at the start of the next run and done again, with embeddings from the cache.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from florilegium.captioning import Captioning
from florilegium.config import Config
from florilegium.connect import connect, is_due
from florilegium.encode import Loaded, encode_items
from florilegium.entries import Entry
from florilegium.file_jobs import DirectJobs, FileJobs, JobLoader, loaders_by_suffix
from florilegium.guard import Guard
from florilegium.index import Index
from florilegium.intake import Arrived, Failed, Intake, Reader, Unchanged, path_of, weigh
from florilegium.picture_hashes import PictureHashes
from florilegium.plan import Plan, make_plan
from florilegium.protocols import ChatModel, Loader
from florilegium.read_ahead import ReadAhead
from florilegium.report import FailedFile, IngestReport, Progress, Step
from florilegium.scan import Scan, nothing_found, scan_folder
from florilegium.tracing import note, span
from florilegium.types import Collection, Record, Source

logger = logging.getLogger(__name__)

# Chroma takes about as long to delete the records of 64 files as of a thousand.
_REMOVED_AT_A_TIME = 1_000
_T = TypeVar("_T")


class _Counts:
    """What a run has done so far; the only state of it that changes."""

    def __init__(self, *, unchanged: int, failed: Sequence[FailedFile]) -> None:
        self.added = 0
        self.updated = 0
        self.unchanged = unchanged
        self.removed = 0
        self.encoded = 0
        self.done = 0
        self.failed = list(failed)

    def report(self, scan: Scan, *, to_do: int, started: float, interrupted: bool) -> IngestReport:
        """Return what is to be told of the run."""
        return IngestReport(
            added=self.added,
            updated=self.updated,
            unchanged=self.unchanged,
            removed=self.removed,
            failed=tuple(sorted(self.failed, key=lambda failure: failure.path)),
            remaining=to_do - self.done if interrupted else 0,
            ignored=scan.ignored,
            ignored_examples=scan.ignored_examples,
            encoded=self.encoded,
            seconds=time.monotonic() - started,
            interrupted=interrupted,
        )


def ingest(
    root: Path,
    *,
    index: Index,
    loaders: Sequence[Loader],
    config: Config,
    open_chat_model: Callable[[], ChatModel],
    guard: Guard | None = None,
    progress: Callable[[Progress], None] | None = None,
    threads: int | None = None,
    jobs: FileJobs | None = None,
) -> IngestReport:
    """Make the index agree with the folder `root` and return what was done.

    Pictures are captioned last, if that is wanted. A file that fails is in the report and stops
    nothing. Ctrl-C ends the run after putting the index in order; what was done is kept, and the
    next run goes on from there.

    Args:
        root: The library folder.
        index: What is written to, by the calling thread alone.
        loaders: Who reads files.
        config: All settings.
        open_chat_model: Gives the chat model if there is something to caption.
        guard: What may be removed from the index; by default not all of it.
        progress: Called for every file when it has been read, when it is done and when it is put to
            those that are written next, before files are encoded and written together, and at the
            end.
        threads: How many read files ahead; by default one per core, at most eight.
        jobs: Who has the loaders read; by default this process. Closed if the run is ended early.

    Raises:
        SourceError: The folder holds no file that any loader reads.
        RemovalRefusedError: Too many files are gone; nothing was changed.
        EncoderError, StoreError: Encoding or writing failed; nothing half-written is left.
        ConfigError: The chat model is to caption and sees no pictures; all files are in.
    """
    jobs = jobs or DirectJobs(loaders_by_suffix(loaders).get, config=config.ingest)
    loaders = [JobLoader(one.suffixes, jobs) for one in loaders]
    report = _ingest_files(
        root,
        index=index,
        loaders=loaders,
        config=config,
        guard=guard or Guard(),
        progress=progress,
        threads=threads,
        jobs=jobs,
    )
    if report.interrupted:
        return report
    captioning = Captioning(
        index=index,
        config=config,
        by_suffix=loaders_by_suffix(loaders),
        open_chat_model=open_chat_model,
        progress=progress,
        abandon=jobs.close,
    )
    return _caption(report, captioning, index=index)


def _caption(report: IngestReport, captioning: Captioning, *, index: Index) -> IngestReport:
    try:
        with span("caption"):
            captioning.run()
    except KeyboardInterrupt:
        recover(index)
        report = replace(report, interrupted=True)
    return captioning.add_to(report)


def _ingest_files(
    root: Path,
    *,
    index: Index,
    loaders: Sequence[Loader],
    config: Config,
    guard: Guard,
    progress: Callable[[Progress], None] | None,
    threads: int | None,
    jobs: FileJobs,
) -> IngestReport:
    started = time.monotonic()
    hashes = PictureHashes(index)
    by_suffix = {suffix: one for one in hashes.watch(loaders) for suffix in one.suffixes}
    with span("scan"):
        scan = scan_folder(root, suffixes=by_suffix, exclude=config.ingest.exclude)
    if not scan.files and guard.forbids(scan):
        raise nothing_found(root, scan, by_suffix, kept=len(guard.before))
    if scan.files:
        guard.check(scan)
    recover(index)
    with span("plan"):
        plan = make_plan(scan, index=index, config=config)
    note(files=len(scan.files), to_do=len(plan.to_do), removed=len(plan.removed))
    counts = _Counts(unchanged=plan.unchanged, failed=scan.failed)
    interrupted = False
    if plan.to_do:
        hashes.begin()
    try:
        _run(
            plan,
            index=index,
            config=config,
            counts=counts,
            tell=_Teller(progress, total=len(plan.to_do)),
            reader=Reader(root, by_suffix, encoder=index.encoder, known=plan.hashes(), jobs=jobs),
            threads=threads,
            abandon=jobs.close,
        )
        hashes.complete(by_suffix, threads=threads, abandon=jobs.close)
    except KeyboardInterrupt:
        recover(index)
        interrupted = True
    report = replace(
        counts.report(scan, to_do=len(plan.to_do), started=started, interrupted=interrupted),
        warnings=_warnings(index.catalog.missing_targets()),
    )
    index.catalog.set_failures(report.failed)
    return report


def recover(index: Index) -> None:
    """Undo what a run that died had announced and not committed."""
    for collection, ids in index.catalog.roll_back().items():
        index.store.delete(collection, ids)
    index.catalog.settle()


class _Teller:
    """Tell how far a run is, if anybody wants to know."""

    def __init__(self, tell: Callable[[Progress], None] | None, *, total: int) -> None:
        self._tell = tell
        self._started = time.monotonic()
        self._state = Progress(done=0, total=total, path="")

    def show(self, step: Step, path: str = "") -> None:
        """Tell what is being done; `reading` with a path, that this file has been read."""
        read = self._state.read + (step == "reading")
        self._say(replace(self._state, step=step, path=path, read=read))

    def count_ready(self) -> None:
        """Tell that one more file is read and its pictures are encoded."""
        self._say(replace(self._state, done=self._state.done + 1))

    def gather(self, path: str, *, failed: int) -> None:
        """Tell which file is the next to be written, and how many have failed."""
        self._say(replace(self._state, step="writing", path=path, failed=failed))

    def end(self, *, failed: int) -> None:
        """Tell that all is done."""
        self._say(replace(self._state, done=self._state.total, failed=failed, path=""))

    def _say(self, state: Progress) -> None:
        self._state = replace(state, seconds=time.monotonic() - self._started)
        if self._tell is not None:
            self._tell(self._state)


def _run(
    plan: Plan,
    *,
    reader: Reader,
    index: Index,
    config: Config,
    counts: _Counts,
    tell: _Teller,
    threads: int | None,
    abandon: Callable[[], None],
) -> None:
    if plan.reload:
        # A run that dies now leaves files of both kinds, unless it was the first.
        index.catalog.set_fact("loading", "due" if plan.known else plan.loading)
    # Set before the first change, so that a run that dies leaves the links to be found again.
    links_due = bool(plan.removed) or is_due(index=index, config=config)
    for gone in _batches(plan.removed, _REMOVED_AT_A_TIME):
        index.catalog.set_fact("links", "due")
        _write({}, gone, [], index=index)
        counts.removed += len(gone)
    with ReadAhead(weigh=weigh, threads=threads, abandon=abandon) as ahead:
        intake = Intake(
            plan.to_do,
            reader=reader,
            ahead=ahead,
            index=index,
            batch_files=config.ingest.batch_files,
            batch_pictures=config.encoder.batch_size,
            tell=tell.show,
            count_ready=tell.count_ready,
        )
        try:
            links_due |= _take_in(
                plan, intake, index=index, config=config, counts=counts, tell=tell
            )
        finally:
            counts.encoded += intake.encoded
    index.catalog.set_fact("loading", plan.loading)
    if links_due:
        with span("link"):
            counts.encoded += connect(index=index, config=config)
    tell.end(failed=len(counts.failed))
    if plan.to_do or plan.removed:
        logger.info("ingest: %s files done, %s failed", counts.done, len(counts.failed))


def _take_in(
    plan: Plan,
    intake: Intake,
    *,
    index: Index,
    config: Config,
    counts: _Counts,
    tell: _Teller,
) -> bool:
    """Write the files as they arrive, and return whether any had new content."""
    arriving = iter(intake)
    changes = False
    for files in _batches(plan.to_do, config.ingest.batch_files):
        batch = _Batch(plan.known)
        with span("load", files=len(files)):
            for _ in files:
                arrived = next(arriving)
                batch.add(arrived)
                failed = len(counts.failed) + len(batch.failed)
                tell.gather(path_of(arrived), failed=failed)
        changes |= batch.changes
        batch.write(counts, index=index, config=config, tell=tell)
    return changes


class _Batch:
    """Files that are written together."""

    def __init__(self, known: Mapping[str, Source]) -> None:
        self._known = known
        self._touched: list[Source] = []
        self._loaded: list[Loaded] = []
        self.failed: list[FailedFile] = []
        self._gone: list[str] = []

    @property
    def size(self) -> int:
        """Return how many files arrived, whatever came of them."""
        return len(self._touched) + len(self._loaded) + len(self.failed)

    @property
    def changes(self) -> bool:
        """Return whether any file has new content."""
        return bool(self._loaded or self._gone)

    def add(self, arrived: Arrived) -> None:
        """Put a file where it belongs."""
        if isinstance(arrived, Unchanged):
            self._touched.append(arrived.source)
        elif isinstance(arrived, Failed):
            path, error = arrived.path, arrived.error
            self.failed.append(
                FailedFile(path=path, code=error.code, message=error.message, hint=error.hint)
            )
            if path in self._known:  # what the index held of it is no longer true
                self._gone.append(path)
        else:
            self._loaded.append(arrived)

    def write(self, counts: _Counts, *, index: Index, config: Config, tell: _Teller) -> None:
        """Encode what is left to encode, write everything, and count it."""
        if self.changes:
            index.catalog.set_fact("links", "due")
        tell.show("encoding")
        with span("encode", files=len(self._loaded), encoder=index.text_encoder.info.id):
            encoded = encode_items(self._loaded, index=index, config=config)
        tell.show("writing")
        with span("write", files=len(self._loaded), removed=len(self._gone)):
            _write(encoded.records, self._gone, encoded.entries, index=index)
        index.catalog.touch(self._touched)
        updated = sum(file.source.path in self._known for file in self._loaded)
        counts.updated += updated
        counts.added += len(self._loaded) - updated
        counts.unchanged += len(self._touched)
        counts.encoded += encoded.count
        counts.failed += self.failed
        counts.done += self.size


def _write(
    records: Mapping[Collection, Sequence[Record]],
    gone: Sequence[str],
    entries: Sequence[Entry],
    *,
    index: Index,
) -> None:
    # The order is what makes a crash harmless: announce, change the store, commit.
    old = index.catalog.records([entry.source.path for entry in entries] + list(gone))
    new = [
        (entry.source.path, collection, id_)
        for entry in entries
        for collection, ids in entry.records.items()
        for id_ in ids
    ]
    index.catalog.announce([*old, *new])
    kept = {(collection, id_) for _, collection, id_ in new}
    stale: dict[Collection, list[str]] = {}
    for _, collection, id_ in old:
        if (collection, id_) not in kept:
            stale.setdefault(collection, []).append(id_)
    for collection, ids in stale.items():
        index.store.delete(collection, ids)
    for collection, some in records.items():
        index.store.upsert(collection, some)
    index.catalog.commit(entries, removed=gone)


def _warnings(missing: Sequence[tuple[str, int, str]]) -> tuple[str, ...]:
    return tuple(
        f"{path!r} describes {count} {'file' if count == 1 else 'files'} that the index does not "
        f"hold, such as {one!r}; the rest of it is used."
        for path, count, one in missing
    )


def _batches(things: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]
