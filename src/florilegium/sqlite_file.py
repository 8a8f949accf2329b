"""Opens an SQLite file: to write where the system allows it, else to read alone.

So that a library on a read-only medium can be searched. Says in words what went wrong.
"""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TIMEOUT: Final = 30.0
"""Seconds to wait for another process that writes."""

_POLL = 0.05  # seconds
_PRIMARY = 0xFF  # the bits of an error code that say what kind it is


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """A connection that any thread may use, and whether it can only read."""

    connection: sqlite3.Connection
    read_only: bool


def open_sqlite(file: Path, *, page_size: int | None = None, timeout: float = TIMEOUT) -> Opened:
    """Open a file, which is made if it is absent, with a write-ahead log.

    What is committed is on the disk when the commit returns. Several connections may read while
    one writes; a second writer waits.

    Args:
        file: The file.
        page_size: Bytes of a page, if the file is made.
        timeout: Seconds to wait for another writer.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    if is_read_only(file):
        return Opened(connection=_open_to_read(file, timeout=timeout), read_only=True)
    connection = sqlite3.connect(file, check_same_thread=False, timeout=timeout)
    try:
        if page_size is not None:
            connection.execute(f"PRAGMA page_size={page_size}")
        use_write_ahead_log(connection, timeout=timeout)
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return Opened(connection=connection, read_only=False)


def use_write_ahead_log(connection: sqlite3.Connection, *, timeout: float = TIMEOUT) -> None:
    """Switch a file to a write-ahead log; one that has it stays as it is. Raises sqlite3.Error."""
    end = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not wait here by itself when another process makes the same switch.
            if not is_busy(error) or time.monotonic() >= end:
                raise
            time.sleep(_POLL)
        else:
            return


def is_read_only(file: Path) -> bool:
    """Return whether a file is there, and it or its folder cannot be written."""
    return file.exists() and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK))


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection was writing for longer than we waited."""
    return _kind(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_damaged(error: sqlite3.Error) -> bool:
    """Return whether the file is damaged, or no database."""
    return _kind(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def explain(error: sqlite3.Error, *, timeout: float = TIMEOUT) -> str:
    """Return what an error of SQLite means, without a full stop."""
    if is_busy(error):
        return f"another process has been writing to it for more than {timeout:g} s"
    if _kind(error) == sqlite3.SQLITE_FULL:
        return "the disk is full"
    if _kind(error) == sqlite3.SQLITE_READONLY:
        return "it can only be read"
    return str(error)


def _kind(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)  # errors of the module itself have none
    return None if code is None else int(code) & _PRIMARY


def _open_to_read(file: Path, *, timeout: float) -> sqlite3.Connection:
    try:
        return _connect_to_read(file, "mode=ro", timeout=timeout)
    except sqlite3.OperationalError as error:
        log = file.with_name(f"{file.name}-wal")
        unreachable = _kind(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not unreachable or (log.exists() and log.stat().st_size):
            raise
    # Without a log and the right to make one, nobody writes here: no lock is needed either.
    return _connect_to_read(file, "mode=ro&immutable=1", timeout=timeout)


def _connect_to_read(file: Path, how: str, *, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?{how}", uri=True, check_same_thread=False, timeout=timeout
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
