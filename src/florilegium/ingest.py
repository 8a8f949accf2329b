"""Make the index agree with the folder. Knows loaders, encoders and stores by their protocols only.

Files are worked on in batches. Each batch is announced in the catalog, written to the vector store
and then committed in the catalog at once; what was announced and not committed when a run died is
deleted at the start of the next run and done again, with embeddings from the cache.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from florilegium.cards import caption, card_text
from florilegium.config import Config
from florilegium.encode import encode_captions, encode_items
from florilegium.entries import Card, Entry
from florilegium.errors import SourceError, UnreadableFileError
from florilegium.ids import hash_bytes, hash_file, record_id
from florilegium.index import Index
from florilegium.languages import can_read
from florilegium.links import find_links
from florilegium.protocols import Loader
from florilegium.report import FailedFile, IngestReport, Progress
from florilegium.scan import Scan, Seen, check_unchanged, scan_folder
from florilegium.types import Collection, Item, Link, Modality, Part, Record, Source

logger = logging.getLogger(__name__)

# Raised when loaders or the cutting of texts give other items than before.
_LOADING_VERSION = 1
_CARDS_AT_A_TIME = 256
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Which files are to be done. Hashing finds out whether a file with a new time is changed."""

    to_do: tuple[Seen, ...]
    unchanged: int
    removed: tuple[str, ...]
    loading: str
    """What loading depends on besides the files."""
    reload: bool
    """Whether files with the same content give other items than before."""


class _Counts:
    """What a run has done so far; the only state of it that changes."""

    def __init__(self) -> None:
        self.added = 0
        self.updated = 0
        self.unchanged = 0
        self.removed = 0
        self.encoded = 0
        self.done = 0
        self.failed: list[FailedFile] = []


def ingest(
    root: Path,
    *,
    index: Index,
    loaders: Sequence[Loader],
    config: Config,
    progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Make the index agree with the folder `root` and return what was done.

    A file that fails is in the report and stops nothing. Ctrl-C ends the run after putting the
    index in order; what was done is kept, and the next run goes on from there.

    Raises:
        SourceError: The folder holds no file that any loader reads.
        EncoderError, StoreError: Encoding or writing failed; nothing half-written is left.
    """
    started = time.monotonic()
    by_suffix = {suffix: loader for loader in loaders for suffix in loader.suffixes}
    scan = scan_folder(root, suffixes=by_suffix, exclude=config.ingest.exclude)
    if not scan.files and not scan.failed:
        raise _nothing_to_ingest(root, scan, by_suffix, kept=len(index.catalog.sources()))
    recover(index)
    plan = _plan(scan, index=index, config=config)
    counts = _Counts()
    counts.unchanged = plan.unchanged
    counts.failed += scan.failed
    interrupted = False
    try:
        _run(root, plan, by_suffix, index=index, config=config, counts=counts, progress=progress)
    except KeyboardInterrupt:
        recover(index)
        interrupted = True
    failed = tuple(sorted(counts.failed, key=lambda failure: failure.path))
    index.catalog.set_failures(failed)
    return IngestReport(
        added=counts.added,
        updated=counts.updated,
        unchanged=counts.unchanged,
        removed=counts.removed,
        failed=failed,
        remaining=len(plan.to_do) - counts.done if interrupted else 0,
        ignored=scan.ignored,
        encoded=counts.encoded,
        seconds=time.monotonic() - started,
        interrupted=interrupted,
    )


def recover(index: Index) -> None:
    """Undo what a run that died had announced and not committed."""
    for collection, ids in index.catalog.roll_back().items():
        index.store.delete(collection, ids)
    index.catalog.settle()


def _plan(scan: Scan, *, index: Index, config: Config) -> _Plan:
    known = index.catalog.sources()
    loading = hash_bytes(f"{_LOADING_VERSION} {config.ingest.chunk_tokens}".encode())
    reload = index.catalog.fact("loading") != loading
    to_do = tuple(
        seen for seen in scan.files if reload or not _same_stat(known.get(seen.path), seen)
    )
    # Files in a folder that cannot be read today are not gone.
    unreadable = tuple(f"{failure.path}/" for failure in scan.failed)
    present = {seen.path for seen in scan.files} | {failure.path for failure in scan.failed}
    removed = [path for path in known if path not in present and not path.startswith(unreadable)]
    return _Plan(
        to_do=to_do,
        unchanged=len(scan.files) - len(to_do),
        removed=tuple(sorted(removed)),
        loading=loading,
        reload=reload,
    )


def _run(
    root: Path,
    plan: _Plan,
    by_suffix: Mapping[str, Loader],
    *,
    index: Index,
    config: Config,
    counts: _Counts,
    progress: Callable[[Progress], None] | None,
) -> None:
    started = time.monotonic()
    known = index.catalog.sources()
    if plan.reload:
        # A run that dies now leaves files of both kinds, unless it was the first.
        index.catalog.set_fact("loading", "due" if known else plan.loading)
    # Set before the first change, so that a run that dies leaves the links to be found again.
    links_due = bool(plan.removed) or index.catalog.fact("links") != "found"
    for gone in _batches(plan.removed, config.ingest.batch_files):
        index.catalog.set_fact("links", "due")
        _write({}, gone, [], index=index)
        counts.removed += len(gone)
    for files in _batches(plan.to_do, config.ingest.batch_files):
        batch = _Batch(root, by_suffix, index=index, config=config)
        for seen in files:
            if progress is not None:
                progress(
                    Progress(
                        done=counts.done + batch.size,
                        total=len(plan.to_do),
                        path=seen.path,
                        failed=len(counts.failed) + len(batch.failed),
                        seconds=time.monotonic() - started,
                    )
                )
            batch.load(seen, known.get(seen.path), reload=plan.reload)
        links_due |= batch.changes
        batch.finish(counts, known)
    index.catalog.set_fact("loading", plan.loading)
    if links_due:
        counts.encoded += _connect(index=index, config=config)
    if progress is not None:
        seconds = time.monotonic() - started
        total = len(plan.to_do)
        progress(
            Progress(done=total, total=total, path="", failed=len(counts.failed), seconds=seconds)
        )
    if plan.to_do or plan.removed:
        logger.info("ingest: %s files done, %s failed", counts.done, len(counts.failed))


class _Batch:
    """Files that are loaded, encoded and written together."""

    def __init__(
        self, root: Path, by_suffix: Mapping[str, Loader], *, index: Index, config: Config
    ) -> None:
        self._root = root
        self._by_suffix = by_suffix
        self._index = index
        self._config = config
        self._touched: list[Source] = []
        self._loaded: list[tuple[Source, tuple[Item, ...]]] = []
        self.failed: list[FailedFile] = []
        self._gone: list[str] = []

    @property
    def size(self) -> int:
        """Return how many files were loaded, whatever came of them."""
        return len(self._touched) + len(self._loaded) + len(self.failed)

    @property
    def changes(self) -> bool:
        """Return whether any file has new content."""
        return bool(self._loaded or self._gone)

    def load(self, seen: Seen, known: Source | None, *, reload: bool) -> None:
        """Read one file's items, or note why that failed."""
        try:
            source = self._source(seen)
            if known and known.content_hash == source.content_hash and not reload:
                self._touched.append(source)
                return
            loader = self._by_suffix[Path(seen.path).suffix.lower()]
            items = tuple(loader.load(source))
            check_unchanged(source)
            self._loaded.append((source, items))
        except SourceError as error:
            self._fail(seen.path, error, was_known=known is not None)

    def finish(self, counts: _Counts, known: Mapping[str, Source]) -> None:
        """Encode and write what was loaded, and count it."""
        size = self.size
        if self.changes:
            self._index.catalog.set_fact("links", "due")
        encoded = encode_items(
            self._loaded, by_suffix=self._by_suffix, index=self._index, config=self._config
        )
        for path, error in encoded.failed.items():
            self._fail(path, error, was_known=path in known)
        entries = [entry for entry in encoded.entries if entry.source.path not in encoded.failed]
        _write(encoded.records, self._gone, entries, index=self._index)
        self._index.catalog.touch(self._touched)
        updated = sum(entry.source.path in known for entry in entries)
        counts.updated += updated
        counts.added += len(entries) - updated
        counts.unchanged += len(self._touched)
        counts.encoded += encoded.count
        counts.failed += self.failed
        counts.done += size

    def _source(self, seen: Seen) -> Source:
        try:
            content_hash = hash_file(self._root / seen.path)
        except OSError as error:
            raise UnreadableFileError(
                f"The file {seen.path!r} cannot be read: {error.strerror}.",
                hint="Give yourself the right to read it, or exclude it in florilegium.toml.",
            ) from error
        return Source(
            root=self._root,
            path=seen.path,
            size=seen.size,
            modified_ns=seen.modified_ns,
            content_hash=content_hash,
        )

    def _fail(self, path: str, error: SourceError, *, was_known: bool) -> None:
        self.failed.append(
            FailedFile(path=path, code=error.code, message=error.message, hint=error.hint)
        )
        if was_known:  # what the index held of it is no longer true
            self._gone.append(path)


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


def _connect(*, index: Index, config: Config) -> int:
    """Find all links anew, and renew the cards of pictures whose words have changed."""
    catalog = index.catalog
    texts: dict[str, list[Item]] = {}
    for item, _ in catalog.all_items(Modality.TEXT):
        texts.setdefault(item.source.path, []).append(item)
    images = list(catalog.all_items(Modality.IMAGE))
    links = find_links(
        list(dict.fromkeys(item.source.path for item, _ in images)),
        list(texts),
        {path: [r for item in items for r in item.references] for path, items in texts.items()},
    )
    catalog.set_links(links)
    encoded = 0
    for batch in _batches(_outdated_cards(images, links, index=index), _CARDS_AT_A_TIME):
        encoded += _renew_cards(batch, index=index, config=config)
    catalog.set_fact("links", "found")
    return encoded


def _outdated_cards(
    images: Sequence[tuple[Item, str]], links: Sequence[Link], *, index: Index
) -> list[Card]:
    words = _words_at_links(links)
    known = set(index.catalog.record_ids().get(index.cards, ()))
    outdated: list[Card] = []
    for item, labels in images:
        said = caption(item.source.path, words.get(item.source.path, ()))
        text = card_text(item.source.path, said, labels)
        wanted = bool(said) and can_read(index.text_encoder.info.languages, said)
        if text != item.text or wanted != (_card_id(item) in known):
            outdated.append(Card(item=replace(item, text=text), caption=said, labels=labels))
    return outdated


def _renew_cards(batch: Sequence[Card], *, index: Index, config: Config) -> int:
    cards, records, count = encode_captions(batch, index=index, config=config)
    changing = [(card.item.source.path, index.cards, _card_id(card.item)) for card in cards]
    index.catalog.announce(changing)
    index.store.delete(index.cards, [_card_id(c.item) for c in cards if not c.record_ids])
    index.store.upsert(index.cards, records)
    index.catalog.commit_cards(cards, collection=index.cards)
    return count


def _card_id(item: Item) -> str:
    return record_id(item.id, Part.CARD, 0)


def _words_at_links(links: Sequence[Link]) -> dict[str, tuple[str, ...]]:
    # What the texts that refer to a picture call it.
    words: dict[str, tuple[str, ...]] = {}
    for link in links:
        if link.words:
            words[link.path] = (*words.get(link.path, ()), link.words)
    return words


def _same_stat(known: Source | None, seen: Seen) -> bool:
    return known is not None and (known.size, known.modified_ns) == (seen.size, seen.modified_ns)


def _batches(things: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _nothing_to_ingest(
    root: Path, scan: Scan, by_suffix: Mapping[str, Loader], *, kept: int
) -> SourceError:
    kinds = ", ".join(sorted(by_suffix))
    others = f" ({scan.ignored} files of other kinds)" if scan.ignored else ""
    if kept:
        # An unmounted disk looks just like this.
        return SourceError(
            f"The folder {str(root)!r} holds no picture or text{others}, but its index has "
            f"{kept} files; the index was kept.",
            hint="Mount the folder again; if the files are really gone, delete .florilegium in it.",
        )
    return SourceError(
        f"The folder {str(root)!r} holds no picture or text{others}.",
        hint=f"Put files of these kinds into it: {kinds}.",
    )
