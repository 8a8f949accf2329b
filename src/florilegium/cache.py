"""The embedding cache: content and encoder fingerprint in, vector out. Makes deriving cheap.

Holds the perceptual hashes and machine captions of pictures too. Knows nothing of items or stores.
One SQLite file; several readers and one writer. No row is returned whose checksum does not fit.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from florilegium import cache_upkeep
from florilegium.cache_file import (
    PUT_CAPTION,
    PUT_EMBEDDING,
    PUT_HASH,
    TABLES,
    make_number,
    number_of,
    open_cache,
)
from florilegium.cache_rows import checksum, pack_key, pack_vector, unpack_key, unpack_vector
from florilegium.cache_upkeep import BrokenRow, CachePruning, CacheStats
from florilegium.errors import EncoderError, StoreError
from florilegium.ids import hash_bytes
from florilegium.near_duplicates import ALGORITHM
from florilegium.protocols import Encoder
from florilegium.sqlite_file import TIMEOUT, explain, is_damaged
from florilegium.types import Embeddings

logger = logging.getLogger(__name__)

_VARIABLES = 500  # SQLite allows at least 999 variables in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRecord:
    """What came of asking for a machine caption: its text, or the code of what went wrong.

    `tried` is in how many runs it was asked for, with replies of at most `max_tokens` tokens.
    """

    text: str = ""
    error_code: str = ""
    tried: int = 1
    max_tokens: int

    def __post_init__(self) -> None:
        if bool(self.text) == bool(self.error_code):
            raise ValueError("A caption has either a text or the code of an error.")


class EmbeddingCache:
    """Vectors by content and encoder; what was put is there after a crash, and a loss of power."""

    def __init__(self, file: Path, *, timeout: float = TIMEOUT) -> None:
        """Open the file, which is made if it is absent and migrated if it is older.

        Args:
            file: The file. If it or its folder cannot be written, it is opened to read.
            timeout: Seconds to wait while another process writes.

        Raises:
            IndexMismatchError: It is newer than this program, or older and cannot be written.
            StoreError: It cannot be opened.
        """
        self._file = file
        self._timeout = timeout
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._warned = False
        try:
            opened = open_cache(file, timeout=timeout)
        except sqlite3.Error as error:
            raise self._error("cannot be opened", error) from error
        self._connection, self._read_only = opened.connection, opened.read_only

    def get(self, fingerprint: str, keys: Sequence[str], *, dim: int) -> dict[str, Embeddings]:
        """Return the vectors, shape (dim,), of those keys that are known."""
        sql = "SELECT key, dim, vector, checksum FROM embeddings WHERE encoder=? AND key IN ({})"
        found = self._find(sql, fingerprint, keys)
        return {key: unpack_vector(row[1], dim=dim) for key, row in found if row[0] == dim}

    def put(self, fingerprint: str, vectors: Mapping[str, Embeddings]) -> None:
        """Keep vectors, shape (dim,), by key, for good when this returns. Raises StoreError."""
        rows = [
            (pack_key(key), vector.shape[0], pack_vector(vector)) for key, vector in vectors.items()
        ]
        self._put(PUT_EMBEDDING, fingerprint, rows)

    def hashes(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the perceptual hashes of pictures by key: content hash, as `picture_key` gives it.

        Pictures that were not hashed yet or that show too little are left out.
        """
        return {key: hash_ for key, hash_ in self._hashes(keys) if hash_}

    def hashed(self, keys: Sequence[str]) -> set[str]:
        """Return those keys whose pictures were hashed, with or without success."""
        return {key for key, _ in self._hashes(keys)}

    def put_hashes(self, hashes: Mapping[str, bytes | None]) -> None:
        """Keep perceptual hashes by key; None says that a picture shows too little."""
        self._put(
            PUT_HASH, ALGORITHM, [(pack_key(key), hash_ or b"") for key, hash_ in hashes.items()]
        )

    def captions(self, recipe: str, keys: Sequence[str]) -> dict[str, CaptionRecord]:
        """Return what came of captioning pictures, by key as `picture_key` gives it.

        Those that were never asked for by this recipe are left out.
        """
        sql = (
            "SELECT key, text, error_code, tried, max_tokens, checksum FROM captions"
            " WHERE recipe=? AND key IN ({})"
        )
        return {
            key: CaptionRecord(text=text, error_code=code, tried=tried, max_tokens=max_tokens)
            for key, (text, code, tried, max_tokens) in self._find(sql, recipe, keys)
        }

    def put_caption(self, recipe: str, key: str, record: CaptionRecord) -> None:
        """Keep what came of captioning a picture, for good when this returns."""
        row = (pack_key(key), record.text, record.error_code, record.tried, record.max_tokens)
        self._put(PUT_CAPTION, recipe, [row])

    def verify(self) -> Iterator[BrokenRow]:
        """Read all there is and yield each row that is broken. Raises StoreError.

        A broken row counts as missing until it is put anew, or deleted.
        """
        for table in TABLES:
            last: int | None = 0
            while last is not None:
                with self._reading() as connection:
                    broken, last = cache_upkeep.broken_rows(connection, table, after=last)
                yield from broken

    def delete(self, rows: Iterable[BrokenRow]) -> None:
        """Delete broken rows. Raises StoreError."""
        with self._changing() as connection:
            cache_upkeep.delete_rows(connection, rows)

    def stats(self) -> CacheStats:
        """Count what is in the cache. Raises StoreError."""
        with self._reading() as connection:
            return cache_upkeep.read_stats(connection, file_bytes=self._file_bytes())

    def prune(
        self,
        used: Iterable[tuple[str, str]],
        *,
        fingerprints: Sequence[str],
        other_encoders: bool = False,
        dry_run: bool = False,
    ) -> CachePruning:
        """Remove the vectors that are not used, and hashes and captions of pictures that are gone.

        Args:
            used: (fingerprint, key) of all vectors in use, those of pictures among them; it is
                read once, and must not ask this cache.
            fingerprints: The encoders in use.
            other_encoders: Remove the vectors of all other encoders too.
            dry_run: Count, and remove nothing.

        Raises:
            StoreError: The cache cannot be read or written; nothing is removed then.
        """
        with self._changing(how="BEGIN") as connection:
            # Takes long, and writes nothing that others have to wait for.
            cache_upkeep.note_used(connection, used, fingerprints=fingerprints)
        with self._reading() as connection:
            cache_upkeep.empty_log(connection)
        before = self._file_bytes()
        with self._changing() as connection:
            conditions = cache_upkeep.unused(
                connection, algorithm=ALGORITHM, other_encoders=other_encoders
            )
            counts = {
                table: cache_upkeep.count_rows(connection, table, condition)
                for table, condition in conditions.items()
            }
            if not dry_run:
                for table, condition in conditions.items():
                    cache_upkeep.delete_unused(connection, table, condition)
            cache_upkeep.forget_used(connection)
        size = sum(size for _, size in counts.values())
        if not dry_run:
            with self._reading() as connection:
                cache_upkeep.shrink(connection, self._file, removed=size)
        return CachePruning(
            **{table: count for table, (count, _) in counts.items()},
            bytes=size,
            freed_bytes=max(0, before - self._file_bytes()),
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _hashes(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        sql = "SELECT key, hash, checksum FROM hashes WHERE algorithm=? AND key IN ({})"
        for key, (hash_,) in self._find(sql, ALGORITHM, keys):
            yield key, hash_

    def _find(
        self, sql: str, name: str, keys: Sequence[str]
    ) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield the rows of these keys: what comes between key and checksum, which is checked."""
        packed = [pack_key(key) for key in keys]
        for start in range(0, len(packed), _VARIABLES):
            some = packed[start : start + _VARIABLES]
            with self._reading() as connection:
                number = self._number(connection, name)
                marked = sql.format(",".join("?" * len(some)))
                rows = (
                    [] if number is None else connection.execute(marked, (number, *some)).fetchall()
                )
            for key, *values, sum_ in rows:
                if checksum(name, key, *values) == sum_:
                    yield unpack_key(key), tuple(values)
                else:
                    self._warn(unpack_key(key))

    def _put(self, sql: str, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._changing() as connection:
            number = self._numbers.get(name) or make_number(connection, name)
            connection.executemany(sql, [(number, *row, checksum(name, *row)) for row in rows])
        self._numbers[name] = number

    def _number(self, connection: sqlite3.Connection, name: str) -> int | None:
        if name not in self._numbers:
            number = number_of(connection, name)
            if number is None:
                return None
            self._numbers[name] = number
        return self._numbers[name]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._connection
        except sqlite3.Error as error:
            raise self._error("failed", error) from error

    @contextmanager
    def _changing(self, how: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """Run the block in one transaction."""
        if self._read_only:
            raise StoreError(
                f"The embedding cache {str(self._file)!r} can only be read.",
                hint="Check that you may write to the library's folder, and to the disk at all.",
            )
        with self._reading() as connection:
            connection.execute(how)
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _file_bytes(self) -> int:
        log = self._file.with_name(f"{self._file.name}-wal")
        return sum(file.stat().st_size for file in (self._file, log) if file.exists())

    def _warn(self, key: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "The embedding cache %s has broken rows, such as that of %s; what they held is "
                "made anew. `florilegium doctor` looks at all of them.",
                self._file,
                key,
            )

    def _error(self, what: str, error: sqlite3.Error) -> StoreError:
        hint = "Check that the folder is writable, and the free space of the disk."
        if is_damaged(error):
            hint = (
                "Run `florilegium doctor --repair`. A broken cache file may be deleted; what it "
                "held is encoded again then."
            )
        reason = explain(error, timeout=self._timeout)
        return StoreError(f"The embedding cache {str(self._file)!r} {what}: {reason}.", hint=hint)


def text_key(text: str) -> str:
    """Return what the embedding of a text is cached under."""
    return hash_bytes(f"document\0{text}".encode("utf-8", "surrogatepass"))


def encode_texts(
    encoder: Encoder, texts: Sequence[str], *, cache: EmbeddingCache, batch_size: int
) -> tuple[Embeddings, int]:
    """Return document embeddings, shape (len(texts), dim), and how many the encoder ran on."""
    info = encoder.info
    keys = [text_key(text) for text in texts]
    wanted = dict(zip(keys, texts, strict=True))
    known = cache.get(info.fingerprint, list(wanted), dim=info.dim)
    missing = [key for key in wanted if key not in known]
    for start in range(0, len(missing), batch_size):
        batch = missing[start : start + batch_size]
        rows = encoder.encode_texts([wanted[key] for key in batch], purpose="document")
        check_embeddings(rows, count=len(batch), encoder=encoder)
        new = dict(zip(batch, rows, strict=True))
        cache.put(info.fingerprint, new)
        known.update(new)
    embeddings = np.empty((len(keys), info.dim), dtype=np.float32)
    for i, key in enumerate(keys):
        embeddings[i] = known[key]
    return embeddings, len(missing)


def check_embeddings(embeddings: Embeddings, *, count: int, encoder: Encoder) -> Embeddings:
    """Return `embeddings` if they are count finite rows of the encoder's dimension.

    Raises:
        EncoderError: They are not, so writing them would shift or spoil rows.
    """
    expected = (count, encoder.info.dim)
    if embeddings.shape != expected:
        raise EncoderError(
            f"The encoder {encoder.info.id!r} returned shape {embeddings.shape}, not {expected}.",
            hint="This is a defect of the encoder; nothing was written.",
        )
    if not np.isfinite(embeddings).all():
        raise EncoderError(
            f"The encoder {encoder.info.id!r} returned numbers that are not finite.",
            hint="Run `florilegium doctor`; nothing was written.",
        )
    return embeddings
