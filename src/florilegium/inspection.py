"""What is wrong with the files of a library: folder, catalog, vector store, embedding cache.

Reads only; what is found is mended by `repair`. Settings, encoders and chat model are for `checks`.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from florilegium.checks import Check
from florilegium.damage import is_damage
from florilegium.differences import Trouble, compare, suspects
from florilegium.errors import (
    FlorilegiumError,
    IndexLockedError,
    IndexMismatchError,
    IndexNotFoundError,
    StoreError,
)
from florilegium.generations import CACHE, CATALOG, CURRENT, STORE, Generations
from florilegium.index import Index
from florilegium.parts import Parts
from florilegium.protocols import SelfChecking
from florilegium.types import Collection
from florilegium.word_index import check_words

MEND: Final = "Run `florilegium doctor --repair`; what is in cache or index is not encoded again."
BROKEN: Final = ".broken-"
"""Stands in the names of files that a repair has set aside and not yet replaced."""

Part = Literal["folder", "catalog", "store", "cache"]

_TROUBLES: Final[Mapping[Trouble, tuple[Part, str]]] = {
    "missing": ("store", "The vector store lacks {} that the catalog knows"),
    "wrong": ("store", "The vector store has another vector than was put there for {}"),
    "uncached": ("cache", "The cache lacks the vectors of {} of the index"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with the files of a library, and how often.

    `code` names the kind of damage; it stays the same when messages change.
    """

    part: Part
    code: str
    message: str
    count: int = 1
    mendable: bool = True
    hint: str = MEND


def inspect(parts: Parts, folder: Path, *, deep: bool) -> list[Finding]:
    """Return all that is wrong with the library whose index folder is `folder`.

    Nothing is changed, and nothing is wrong with what the next ingest settles: a run that was
    stopped or killed, or settings that were changed.

    Args:
        parts: The opened parts of the library.
        folder: The folder `.florilegium`.
        deep: Read every vector and every row of the cache, instead of samples.

    Raises:
        StoreError: A file is out of reach: busy, or not to be read.
        FlorilegiumError: An encoder cannot be opened, without which nothing can be compared.
    """
    findings = inspect_folder(folder)
    if any(one.code == "pointer" for one in findings):
        return findings
    broken = inspect_databases(folder, Generations(folder).current())
    if broken:
        return [*findings, *broken]
    try:
        with parts.reading() as opened:
            return [*findings, *inspect_index(opened.index, deep=deep)]
    except (IndexNotFoundError, IndexMismatchError):
        return findings  # nothing there yet, or there by other settings: no damage
    except StoreError as error:
        parts.close_index()
        if not is_damage(error):
            raise
        return [*findings, _corrupt("store", error.message)]


def check_files(look: Callable[[], Sequence[Finding]]) -> list[Check]:
    """Return what `look` found as checks, one for each finding, or one that says all is well."""
    try:
        found = look()
    except IndexLockedError as error:
        hint = "Run `florilegium doctor` again when it has ended."
        return [Check(name="files", ok=True, message=f"Not compared. {error.message}", hint=hint)]
    except StoreError as error:
        return [Check(name="files", ok=False, message=error.message, hint=error.hint)]
    except FlorilegiumError as error:  # of an encoder, which has a check of its own
        return [Check(name="files", ok=True, message=f"Not compared. {error.message}")]
    checks = [
        Check(name=f"files: {one.part}", ok=False, message=one.message, hint=one.hint)
        for one in found
    ]
    return checks or [Check(name="files", ok=True, message="catalog, store and cache agree")]


def inspect_folder(folder: Path) -> list[Finding]:
    """Return whether the index in use is named and there, and what nobody uses any more."""
    generations = Generations(folder)
    try:
        current = generations.current()
    except StoreError as error:
        return [Finding(part="folder", code="pointer", message=error.message)]
    if not current.exists() and ((folder / CURRENT).exists() or generations.all()):
        message = f"The index in use should be {current.name!r} in {str(folder)!r}: it is gone."
        return [Finding(part="folder", code="pointer", message=message)]
    unused = find_leftovers(folder)
    if not unused:
        return []
    names = ", ".join(repr(path.name) for path in unused[:5])
    message = f"Nobody uses {names}{' and more' if len(unused) > 5 else ''} in {str(folder)!r}."
    return [Finding(part="folder", code="leftovers", message=message, count=len(unused))]


def find_leftovers(folder: Path) -> list[Path]:
    """Return the files and folders of ours that nobody uses. Raises StoreError.

    The index after the one in use is none: the run that began it, or the next one, goes on with it.
    """
    generations = Generations(folder)
    current = generations.current()
    unused = [*folder.glob(f"*{BROKEN}*"), *folder.glob(f"index-*/*{BROKEN}*")]
    unused += [*folder.glob(f"{STORE}.deleted"), *folder.glob(f"index-*/{STORE}.deleted")]
    kept = (current, generations.next())
    unused += [path for path in generations.all() if path not in kept]
    if current != folder:
        unused += [*folder.glob(f"{CATALOG}*"), *folder.glob(STORE)]
    return sorted(set(unused))


def inspect_databases(folder: Path, current: Path) -> list[Finding]:
    """Return which databases are gone, or are not whole by SQLite's own check.

    Args:
        folder: The folder `.florilegium`.
        current: The folder of the index in use.
    """
    found: list[Finding] = []
    catalog, store, cache = current / CATALOG, current / STORE, folder / CACHE
    files: list[tuple[Part, Path]] = [("cache", cache), ("catalog", catalog)]
    files += [("store", file) for file in sorted(store.rglob("*.sqlite3"))]
    for part, file in files:
        problem = check_database(file, words=part == "catalog")
        if problem is not None:
            found.append(_corrupt(part, f"The file {str(file)!r} is damaged: {problem}."))
    if found:
        return found
    if not _has(catalog, "facts WHERE name='manifest'") and store.is_dir() and any(store.iterdir()):
        message = f"The catalog {str(catalog)!r} is gone, but its vector store is there."
        found.append(Finding(part="catalog", code="lost", message=message))
    elif _has(catalog, "sources") and not _has_files(store):
        message = f"The vector store {str(store)!r} is gone."
        found.append(Finding(part="store", code="lost", message=message))
    return found


def check_database(file: Path, *, words: bool = False) -> str | None:
    """Return what SQLite finds wrong with a file, None if it is well, absent or empty.

    With `words`, it is the catalog, whose index of words is checked too.
    """
    if not file.exists() or not file.stat().st_size:
        return None
    try:
        with closing(_open(file)) as connection:
            ((said,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
        if words and said == "ok" and os.access(file, os.W_OK):
            with closing(sqlite3.connect(file, timeout=30)) as connection:
                check_words(connection)
    except sqlite3.OperationalError as error:
        # A file that is busy or out of reach is not damaged; who opens it will say what it is.
        return str(error) if "malformed" in str(error) else None
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if said == "ok" else str(said)


def inspect_index(index: Index, *, deep: bool) -> list[Finding]:
    """Return what is wrong within an opened index and its cache. Raises StoreError."""
    findings: list[Finding] = []
    # A run that died may have left files in doubt, which the next one puts right.
    if isinstance(index.store, SelfChecking) and not index.catalog.pending_ids():
        index.store.check_files()
    differences = compare(index, deep=deep)
    findings += _in_store(
        differences.orphans, "orphans", "The vector store has {} that the catalog does not know"
    )
    if not deep:
        findings += _in_store(differences.missing, "missing", _TROUBLES["missing"][1])
    findings += _in_store(
        differences.unfound, "unfound", "A search does not find {} by their own vectors"
    )
    if not deep:
        return [*findings, *_inspect_quickly(index)]
    broken = sum(1 for _ in index.cache.verify())
    if broken:
        message = f"{broken} rows of the cache do not have the checksum they were put with."
        findings.append(Finding(part="cache", code="rows", message=message, count=broken))
    counts = Counter(suspect.trouble for suspect in suspects(index))
    for trouble, (part, message) in _TROUBLES.items():
        if counts[trouble]:
            findings.append(_counted(part, trouble, message, counts[trouble]))
    return findings


def _inspect_quickly(index: Index) -> Iterator[Finding]:
    """Say whether the cache is empty though the index is not."""
    if index.catalog.sources() and not index.cache.stats().encoders:
        message = "The embedding cache is empty, but the index is not."
        yield Finding(part="cache", code="uncached", message=message)


def _in_store(ids: Mapping[Collection, Sequence[str]], code: str, message: str) -> list[Finding]:
    count = sum(map(len, ids.values()))
    return [_counted("store", code, message, count)] if count else []


def _counted(part: Part, code: str, message: str, count: int) -> Finding:
    records = f"{count} record{'' if count == 1 else 's'}"
    return Finding(part=part, code=code, message=f"{message.format(records)}.", count=count)


def _corrupt(part: Part, message: str) -> Finding:
    return Finding(part=part, code="corrupt", message=message)


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() for path in folder.rglob("*"))


def _has(file: Path, rows: str) -> bool:
    try:
        with closing(_open(file)) as connection:
            return connection.execute(f"SELECT 1 FROM {rows} LIMIT 1").fetchone() is not None  # noqa: S608 - constants
    except sqlite3.Error:
        return False


def _open(file: Path) -> sqlite3.Connection:
    uri = f"{file.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=30)
