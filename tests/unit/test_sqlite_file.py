"""Files are opened to write where that is possible, and read where it is not."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from florilegium import sqlite_file
from florilegium.sqlite_file import (
    explain,
    is_busy,
    is_damaged,
    is_read_only,
    open_sqlite,
    use_write_ahead_log,
)

READ = """
import sys
from pathlib import Path
from florilegium.sqlite_file import open_sqlite
opened = open_sqlite(Path(sys.argv[1]))
print(opened.read_only, opened.connection.execute("SELECT x FROM t").fetchall())
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with one table, in a folder of its own."""
    (tmp_path / "place").mkdir()
    return make(tmp_path / "place" / "a ?#%.db")


def make(file: Path) -> Path:
    """Make a file with one row, and return it."""
    connection = open_sqlite(file).connection
    with connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    return file


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def failure(file: Path, sql: str, **options: float) -> sqlite3.Error:
    """Return what a statement fails with."""
    connection = open_sqlite(file, **options).connection  # type: ignore[arg-type]  # timeout
    try:
        with pytest.raises(sqlite3.Error) as caught:
            connection.execute(sql)
    finally:
        connection.close()
    return caught.value


def test_what_is_committed_is_on_the_disk(file: Path) -> None:
    opened = open_sqlite(file)

    assert not opened.read_only
    assert pragma(opened.connection, "journal_mode") == "wal"
    assert pragma(opened.connection, "synchronous") == 2  # FULL
    opened.connection.close()


def test_a_new_file_has_the_pages_that_are_asked_for(tmp_path: Path) -> None:
    connection = open_sqlite(tmp_path / "new.db", page_size=16384).connection

    connection.execute("CREATE TABLE t (x)")

    assert pragma(connection, "page_size") == 16384
    connection.close()


def test_threads_may_share_a_connection(file: Path) -> None:
    connection = open_sqlite(file).connection
    found: list[object] = []

    thread = threading.Thread(target=lambda: found.append(pragma(connection, "user_version")))
    thread.start()
    thread.join()

    assert found == [0]
    connection.close()


def test_a_file_that_cannot_be_opened_fails_and_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_bytes(b"roses are red " * 100)

    with pytest.raises(sqlite3.OperationalError):
        open_sqlite(tmp_path / "absent" / "a.db")
    with pytest.raises(sqlite3.DatabaseError) as caught:
        open_sqlite(tmp_path / "text.db")
    assert is_damaged(caught.value)


def test_many_that_make_one_file_at_once_all_succeed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from florilegium.sqlite_file import open_sqlite\n"
        "c = open_sqlite(Path(sys.argv[1])).connection\n"
        "c.execute('CREATE TABLE IF NOT EXISTS t (x)'); c.close()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a.db")]

    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(6)]

    assert [one.communicate()[1] for one in processes] == [b""] * 6


def test_the_switch_to_a_log_gives_up_when_another_writes_on(tmp_path: Path) -> None:
    writer = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    writer.execute("CREATE TABLE t (x)")
    writer.execute("BEGIN EXCLUSIVE")
    other = sqlite3.connect(tmp_path / "a.db", timeout=0)

    with pytest.raises(sqlite3.OperationalError) as caught:
        use_write_ahead_log(other, timeout=0.1)

    assert is_busy(caught.value)
    writer.execute("ROLLBACK")
    use_write_ahead_log(other, timeout=0.1)
    assert pragma(other, "journal_mode") == "wal"
    other.close()
    writer.close()


# -- reading alone --


def test_what_cannot_be_written_is_opened_to_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "is_read_only", lambda file: True)

    opened = open_sqlite(file)

    assert opened.read_only
    assert opened.connection.execute("SELECT x FROM t").fetchall() == [(1,)]
    with pytest.raises(sqlite3.OperationalError) as caught:
        opened.connection.execute("INSERT INTO t VALUES (2)")
    assert explain(caught.value) == "it can only be read"
    opened.connection.close()


def test_an_absent_file_is_not_read_only(tmp_path: Path) -> None:
    assert not is_read_only(tmp_path / "absent.db")


def run_in_read_only_folder(
    command: Sequence[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command that cannot write this folder; skip the test where that cannot be made so."""
    if os.geteuid() == 0:  # rights do not bind root: only a mount does
        if shutil.which("unshare") is None:
            pytest.skip("needs unshare, as this user may write everywhere")
        mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", mount, str(folder), *command]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if "unshare:" in result.stderr or "mount:" in result.stderr:
            pytest.skip("needs the right to mount, as this user may write everywhere")
        return result
    folder.chmod(0o500)
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        folder.chmod(0o700)


def read_in_read_only_folder(file: Path) -> subprocess.CompletedProcess[str]:
    """Read the file in another process that cannot write its folder."""
    return run_in_read_only_folder([sys.executable, "-c", READ, str(file)], file.parent)


def test_a_file_on_a_read_only_medium_is_read(file: Path) -> None:
    result = read_in_read_only_folder(file)

    assert (result.stdout, result.stderr) == ("True [(1,)]\n", "")


def test_a_file_that_another_process_writes_is_read_with_what_it_wrote_last(file: Path) -> None:
    writer = open_sqlite(file).connection
    with writer:
        writer.execute("INSERT INTO t VALUES (2)")

    result = read_in_read_only_folder(file)

    assert (result.stdout, result.stderr) == ("True [(1,), (2,)]\n", "")
    writer.close()


def test_a_log_that_cannot_be_read_is_not_passed_over(file: Path) -> None:
    writer = open_sqlite(file).connection
    with writer:
        writer.execute("INSERT INTO t VALUES (2)")
    # As a copy made in the middle of a run looks, without the memory that processes share.
    copy = file.parent.parent / "copy"
    copy.mkdir()
    for name in (file.name, f"{file.name}-wal"):
        shutil.copy(file.parent / name, copy / name)
    writer.close()

    result = read_in_read_only_folder(copy / file.name)

    assert result.stdout in {"", "True [(1,), (2,)]\n"}
    assert bool(result.stdout) != ("OperationalError" in result.stderr)


# -- telling errors apart --


def test_errors_are_told_in_words(file: Path) -> None:
    writer = open_sqlite(file).connection
    writer.execute("BEGIN IMMEDIATE")

    busy = failure(file, "INSERT INTO t VALUES (3)", timeout=0.01)

    writer.execute("ROLLBACK")
    writer.close()
    assert is_busy(busy)
    assert not is_damaged(busy)
    assert explain(busy, timeout=0.5) == (
        "another process has been writing to it for more than 0.5 s"
    )
    other = failure(file, "SELECT absent")
    assert not is_busy(other)
    assert explain(other) == "no such column: absent"
    assert explain(sqlite3.ProgrammingError("closed")) == "closed"


def test_a_full_disk_is_told_in_words(file: Path) -> None:
    connection = open_sqlite(file).connection
    connection.execute(f"PRAGMA max_page_count={pragma(connection, 'page_count')}")

    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")

    assert explain(caught.value) == "the disk is full"
    connection.close()
