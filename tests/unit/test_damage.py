"""What is damaged is told from what is only out of reach."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from florilegium.damage import is_damage
from florilegium.errors import StoreError


def error_from(cause: BaseException | None) -> StoreError:
    """Return an error of ours that this one caused."""
    error = StoreError("failed")
    error.__cause__ = cause
    return error


def sqlite_error(file: Path, sql: str) -> sqlite3.Error:
    """Return what SQLite raises for a statement on this file."""
    connection = sqlite3.connect(file, timeout=0)
    try:
        connection.execute(sql)
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError("nothing was raised")


def test_a_file_that_is_no_database_or_lacks_a_table_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"no database at all" * 100)

    assert is_damage(error_from(sqlite_error(tmp_path / "a.db", "SELECT * FROM sqlite_master")))
    assert is_damage(error_from(sqlite_error(tmp_path / "b.db", "SELECT * FROM sources")))


def test_a_busy_database_is_not_damaged(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "a.db")
    holder.execute("CREATE TABLE a (b)")
    holder.execute("BEGIN EXCLUSIVE")

    assert not is_damage(error_from(sqlite_error(tmp_path / "a.db", "INSERT INTO a VALUES (1)")))
    holder.close()


def test_a_closed_connection_is_not_damaged() -> None:
    assert not is_damage(
        error_from(sqlite3.ProgrammingError("Cannot operate on a closed database."))
    )


@pytest.mark.parametrize(
    ("cause", "damaged"),
    [
        (OSError(errno.ENOENT, "No such file"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (OSError(errno.EACCES, "Permission denied"), False),
        (OSError(errno.EROFS, "Read-only file system"), False),
        (ValueError("not a zip file"), True),
        (RuntimeError("error returned from database: database is locked"), False),
        (RuntimeError("database or disk is full"), False),
        (RuntimeError("Error loading hnsw index"), True),
        (None, False),
    ],
)
def test_causes(cause: BaseException | None, damaged: bool) -> None:
    assert is_damage(error_from(cause)) is damaged
