"""The files that an index holds, read from a catalog of any schema. Changes nothing.

Used where a catalog cannot be opened as it should, and its files are to be counted all the same.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from florilegium.errors import StoreError
from florilegium.types import Source


def read_sources(file: Path, *, root: Path) -> dict[str, Source]:
    """Return all files of the catalog in `file` by path. Raises StoreError."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            # The same in all schemas.
            rows = connection.execute("SELECT path, size, modified_ns, content_hash FROM sources")
            return {
                path: Source(
                    root=root, path=path, size=size, modified_ns=modified_ns, content_hash=hash_
                )
                for path, size, modified_ns, hash_ in rows
            }
    except sqlite3.Error as error:
        raise StoreError(
            f"The catalog {str(file)!r} cannot be read: {error}.",
            hint="Run `florilegium doctor --repair`.",
        ) from error
