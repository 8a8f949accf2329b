"""The embedding cache: content and encoder fingerprint in, vector out. Makes deriving cheap.

Holds the perceptual hashes and machine captions of pictures too. Knows nothing of items or stores.
One SQLite file; several readers and one writer.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from florilegium.errors import EncoderError, StoreError
from florilegium.ids import hash_bytes
from florilegium.near_duplicates import ALGORITHM
from florilegium.protocols import Encoder
from florilegium.types import Embeddings

_VARIABLES = 500  # SQLite allows at least 999 variables in one statement
_SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings (
    fingerprint TEXT NOT NULL,
    key TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (fingerprint, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hashes (
    content TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    hash BLOB NOT NULL,  -- empty for a picture that shows too little
    PRIMARY KEY (content, algorithm)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS captions (
    content TEXT NOT NULL,
    recipe TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed')),
    text TEXT NOT NULL CHECK ((text <> '') = (status = 'ok')),  -- never the text of an error
    error_code TEXT NOT NULL,
    tried INTEGER NOT NULL,
    max_tokens INTEGER NOT NULL,
    PRIMARY KEY (content, recipe)
) WITHOUT ROWID;
"""


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
    """Vectors by content and encoder; what was put is there after a crash."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(file, check_same_thread=False, timeout=30)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
            self._connection.commit()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unusable(error) from error

    def get(self, fingerprint: str, keys: Sequence[str], *, dim: int) -> dict[str, Embeddings]:
        """Return the vectors, shape (dim,), of those keys that are known."""
        found: dict[str, Embeddings] = {}
        for start in range(0, len(keys), _VARIABLES):
            some = keys[start : start + _VARIABLES]
            marks = ",".join("?" * len(some))
            sql = f"SELECT key, vector FROM embeddings WHERE fingerprint=? AND key IN ({marks})"  # noqa: S608 - only question marks are put in
            for key, blob in self._run(sql, (fingerprint, *some)):
                vector = np.frombuffer(blob, dtype="<f4")
                if vector.shape == (dim,):
                    found[key] = vector
        return found

    def put(self, fingerprint: str, vectors: dict[str, Embeddings]) -> None:
        """Keep vectors by key, for good when this returns."""
        rows = [
            (fingerprint, key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()
        ]
        self._write("REPLACE INTO embeddings VALUES (?, ?, ?)", rows)

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
        rows = [(key, ALGORITHM, hash_ or b"") for key, hash_ in hashes.items()]
        self._write("REPLACE INTO hashes VALUES (?, ?, ?)", rows)

    def captions(self, recipe: str, keys: Sequence[str]) -> dict[str, CaptionRecord]:
        """Return what came of captioning pictures, by key as `picture_key` gives it.

        Those that were never asked for by this recipe are left out.
        """
        found: dict[str, CaptionRecord] = {}
        for start in range(0, len(keys), _VARIABLES):
            some = keys[start : start + _VARIABLES]
            marks = ",".join("?" * len(some))
            sql = (
                "SELECT content, text, error_code, tried, max_tokens FROM captions"  # noqa: S608 - only question marks are put in
                f" WHERE recipe=? AND content IN ({marks})"
            )
            for key, text, code, tried, max_tokens in self._run(sql, (recipe, *some)):
                found[key] = CaptionRecord(
                    text=text, error_code=code, tried=tried, max_tokens=max_tokens
                )
        return found

    def put_caption(self, recipe: str, key: str, record: CaptionRecord) -> None:
        """Keep what came of captioning a picture, for good when this returns."""
        status = "ok" if record.text else "failed"
        row = (key, recipe, status, record.text, record.error_code, record.tried)
        self._write(
            "REPLACE INTO captions VALUES (?, ?, ?, ?, ?, ?, ?)", [(*row, record.max_tokens)]
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _hashes(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for start in range(0, len(keys), _VARIABLES):
            some = keys[start : start + _VARIABLES]
            marks = ",".join("?" * len(some))
            sql = f"SELECT content, hash FROM hashes WHERE algorithm=? AND content IN ({marks})"  # noqa: S608 - only question marks are put in
            yield from self._run(sql, (ALGORITHM, *some))

    def _write(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            with self._lock, self._connection:
                self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _run(self, sql: str, values: tuple[str, ...]) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _unusable(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"The embedding cache {str(self._file)!r} cannot be opened: {error}.",
            hint="Check that the folder is writable; a broken cache file may be deleted.",
        )

    def _failed(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"The embedding cache {str(self._file)!r} failed: {error}.",
            hint="Check the free space of the disk; a broken cache file may be deleted.",
        )


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
