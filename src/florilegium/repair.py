"""Mends what `inspection` finds. Works under the writers' lock, which whoever calls holds.

The files of the folder are the truth, and no encoder runs for what cache or store still have. What
is damaged as a whole is made anew beside it; single records and rows are put right in place.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from florilegium.cache import EmbeddingCache
from florilegium.catalog import Catalog
from florilegium.differences import Suspect, compare, read_vectors, suspects
from florilegium.entries import checksum
from florilegium.errors import FlorilegiumError, StoreError
from florilegium.generations import CACHE, CATALOG, CURRENT, STORE, Generations
from florilegium.ids import item_of
from florilegium.index import Index
from florilegium.inspection import BROKEN, Finding, find_leftovers, inspect
from florilegium.parts import Parts
from florilegium.report import IngestReport
from florilegium.salvage import CopiedRecords, fill_cache, salvage_cache
from florilegium.types import Collection, Record

logger = logging.getLogger(__name__)

_ROUNDS: Final = 6  # each mends one kind of damage, which may have hidden another
_BATCH: Final = 500
_MUCH: Final = 0.1

_ANEW: Final = {"corrupt", "lost", "unfound"}
_SINGLY: Final = {"orphans", "missing", "wrong", "uncached", "rows"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """What was found, and what was done about it."""

    finding: Finding
    done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What a repair did, what is wrong still, and what the ingest at its end did.

    `encoded` counts all inputs that an encoder ran on because neither cache nor store had them.
    """

    mends: tuple[Mend, ...]
    left: tuple[Finding, ...]
    ingest: IngestReport
    encoded: int


class Ingest(Protocol):
    """Makes the index agree with the folder, or with `rebuild` makes it anew."""

    def __call__(self, *, rebuild: bool) -> IngestReport:
        """Return what was done."""


def repair(
    parts: Parts,
    folder: Path,
    *,
    ingest: Ingest,
    tell: Callable[[str], None] | None = None,
) -> RepairReport:
    """Mend a library until nothing is wrong with it, and make its index agree with its folder.

    Args:
        parts: The opened parts of the library.
        folder: The folder `.florilegium`.
        ingest: Makes the index agree with the folder, or makes it anew.
        tell: Told in a sentence before more than a tenth of the library is done anew.

    Raises:
        FlorilegiumError: As `ingest` does. What was mended by then stays mended.
    """
    work = _Repair(parts, folder, ingest=ingest, tell=tell or logger.info)
    for _ in range(_ROUNDS):
        parts.close_index()
        found = inspect(parts, folder, deep=True)
        if not found or not work.mend(found):
            break
    report = work.ingest(rebuild=False)
    parts.close_index()
    return RepairReport(
        mends=tuple(work.mends),
        left=tuple(inspect(parts, folder, deep=True)),
        ingest=report,
        encoded=work.encoded,
    )


class _Repair:
    """One repair: what it has done so far."""

    def __init__(
        self,
        parts: Parts,
        folder: Path,
        *,
        ingest: Ingest,
        tell: Callable[[str], None],
    ) -> None:
        self._parts = parts
        self._folder = folder
        self._ingest = ingest
        self._tell = tell
        self._generations = Generations(folder)
        self.mends: list[Mend] = []
        self.encoded = 0

    def ingest(self, *, rebuild: bool) -> IngestReport:
        """Run an ingest and count what it encoded."""
        report = self._ingest(rebuild=rebuild)
        if report.interrupted:
            raise KeyboardInterrupt
        self.encoded += report.encoded
        return report

    def mend(self, found: Sequence[Finding]) -> bool:
        """Mend what has to come first of what was found; return whether anything was done."""
        before = len(self.mends)
        pointer = [one for one in found if one.code == "pointer"]
        cache = [one for one in found if (one.part, one.code) == ("cache", "corrupt")]
        whole = [one for one in found if one.part != "cache" and one.code in _ANEW]
        single = [one for one in found if one.code in _SINGLY]
        if pointer:
            self._note(pointer, self._mend_pointer())
        elif cache:
            self._note(cache, self._replace_cache())
        elif whole:
            self._note(whole, self._rebuild())
        elif single:
            self._note(single, self._mend_records())
        else:
            self._note(found, self._remove_leftovers())
        return len(self.mends) > before

    def _note(self, findings: Iterable[Finding], done: str) -> None:
        # What was mended in vain is not mended again.
        known = {(mend.finding.part, mend.finding.code) for mend in self.mends}
        new = [one for one in findings if (one.part, one.code) not in known]
        self.mends += [Mend(finding=one, done=done) for one in new]

    # -- the folder --

    def _mend_pointer(self) -> str:
        usable = [path for path in self._candidates() if _is_whole(path)]
        if not usable:
            (self._folder / CURRENT).unlink(missing_ok=True)
            return "No index is left; it is made anew from the cache."
        self._generations.switch(usable[-1])
        return f"The index in {usable[-1].name!r} is in use."

    def _candidates(self) -> list[Path]:
        return [path for path in self._generations.all() if (path / CATALOG).exists()]

    def _remove_leftovers(self) -> str:
        leftovers = find_leftovers(self._folder)
        for path in leftovers:
            if path.name.startswith(CACHE) and not path.name.endswith(("-wal", "-shm")):
                self._salvage(path)
        for path in leftovers:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return f"{len(leftovers)} leftovers were deleted."

    # -- the cache as a whole --

    def _replace_cache(self) -> str:
        aside = self._folder / f"{CACHE}{BROKEN}{time.time_ns()}"
        for end in ("-wal", "-shm", ""):  # the file last: without it nothing is found amiss
            file = self._folder / f"{CACHE}{end}"
            if file.exists():
                file.rename(f"{aside}{end}")
        read = self._salvage(aside)
        return f"A new cache took its place, with {read} rows that could still be read."

    def _salvage(self, broken: Path) -> int:
        with closing(EmbeddingCache(self._folder / CACHE)) as cache:
            return salvage_cache(broken, cache)

    # -- the index as a whole --

    def _rebuild(self) -> str:
        saved = self._save_vectors()
        count = len(self._parts.sources_in_use())
        files = f"{count} files" if count else "files"
        self._tell(f"The index is made anew beside the damaged one, with all its {files}.")
        report = self.ingest(rebuild=True)
        first = f"{saved} vectors were saved from it; " if saved else ""
        return f"{first}the index was made anew: {report.seen} files, {report.encoded} encoded."

    def _save_vectors(self) -> int:
        """Put into the cache what only the damaged store has, as far as it can be read."""
        current = self._generations.current()
        self._parts.close_index()
        try:
            with (
                self._parts.using() as backends,
                closing(Catalog(current / CATALOG, root=self._folder.parent)) as catalog,
                closing(CopiedRecords(current / STORE)) as store,
                closing(EmbeddingCache(self._folder / CACHE)) as cache,
            ):
                index = Index(
                    catalog=catalog,
                    store=store,
                    cache=cache,
                    encoder=backends.encoder(),
                    text_encoder=backends.text_encoder(),
                    query_encoder=backends.query_encoder(),
                    query_text_encoder=backends.query_text_encoder(),
                )
                return fill_cache(index)
        except (StoreError, sqlite3.Error) as error:
            logger.info("Nothing is saved from the damaged index: %s", error)
            return 0

    # -- single records and rows --

    def _mend_records(self) -> str:
        with self._parts.mending() as opened:
            done = self._mend_records_of(opened.index)
            opened.note_change()
        return done

    def _mend_records_of(self, index: Index) -> str:
        broken = list(index.cache.verify())
        index.cache.delete(broken)
        differences = compare(index, deep=False)
        deleted = 0
        for collection, ids in differences.orphans.items():
            index.store.delete(collection, ids)
            deleted += len(ids)
        filled = fill_cache(index)  # before anything is forgotten
        troubled = [one for one in suspects(index) if one.trouble != "uncached"]
        put, lost = _put_again(index, troubled)
        put += _put_back(index, differences.missing, troubled)
        paths = sorted({suspect.path for suspect in lost})
        if len(paths) > _MUCH * len(index.catalog.sources()):
            self._tell(f"{len(paths)} files are read anew, since nothing else has their vectors.")
        for start in range(0, len(paths), _BATCH):
            _forget(index, paths[start : start + _BATCH])
        done = {
            "orphans deleted": deleted,
            "vectors put again": put,
            "files to be read anew": len(paths),
            "broken rows of the cache deleted": len(broken),
            "vectors put into the cache from the store": filled,
        }
        said = ", ".join(f"{count} {what}" for what, count in done.items() if count)
        return f"{said or 'Nothing was left to do'}."


def _put_again(index: Index, troubled: Sequence[Suspect]) -> tuple[int, list[Suspect]]:
    """Put vectors from the cache into the store; return how many, and what the cache lacks."""
    sums = {collection: index.catalog.checksums(collection) for collection in index.collections}
    put, lost = 0, []
    for start in range(0, len(troubled), _BATCH):
        some = troubled[start : start + _BATCH]
        vectors = read_vectors(index, {one.id: one.key for one in some if one.key is not None})
        records: dict[Collection, list[Record]] = defaultdict(list)
        for one in some:
            vector, sum_ = vectors.get(one.id), sums[one.collection].get(one.id)
            if vector is None or (sum_ is not None and checksum(vector) != sum_):
                lost.append(one)
            else:
                record = Record(id=one.id, item_id=item_of(one.id), embedding=vector)
                records[one.collection].append(record)
        for collection, new in records.items():
            index.store.upsert(collection, new)
            put += len(new)
    return put, lost


def _put_back(
    index: Index, missing: Mapping[Collection, Sequence[str]], troubled: Sequence[Suspect]
) -> int:
    """Put records again that the store lists no more though it still has their vectors."""
    handled = {(one.collection, one.id) for one in troubled}
    put = 0
    for collection, ids in missing.items():
        rest = [id_ for id_ in ids if (collection, id_) not in handled]
        records = index.store.get(collection, rest)
        if records:
            index.store.upsert(collection, records)
            put += len(records)
    return put


def _forget(index: Index, paths: Sequence[str]) -> None:
    # In the order of an ingest, so that being killed meanwhile does no harm.
    records = index.catalog.records(paths)
    index.catalog.set_fact("links", "due")
    index.catalog.announce(records)
    by_collection: dict[Collection, list[str]] = defaultdict(list)
    for _, collection, id_ in records:
        by_collection[collection].append(id_)
    for collection, ids in by_collection.items():
        index.store.delete(collection, ids)
    index.catalog.commit([], removed=paths)


def _is_whole(folder: Path) -> bool:
    """Return whether an index was completed, and not only begun."""
    try:
        with closing(Catalog(folder / CATALOG, root=folder.parent.parent)) as catalog:
            return catalog.fact("statistics") is not None
    except FlorilegiumError:
        return False
