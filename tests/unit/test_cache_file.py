"""Files of schema 0 become like new ones and lose nothing; newer ones are refused untouched."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from florilegium import cache_file, sqlite_file
from florilegium.cache import CaptionRecord, EmbeddingCache
from florilegium.cache_file import PAGE_SIZE, SCHEMA_VERSION, open_cache
from florilegium.errors import IndexMismatchError
from tests.conftest import ROOT
from tests.unit.worker_samples import open_files

FIXTURE = ROOT / "tests" / "fixtures" / "embeddings-0.sql"
A = "0123456789abcdef" * 2
B = "f" * 32
D = "00112233445566778899aabbccddeeff"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a file that florilegium wrote before schemas had numbers."""
    return make_old(tmp_path / "embeddings.db")


def make_old(file: Path) -> Path:
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(FIXTURE.read_text(encoding="utf-8"))
    connection.close()
    return file


def pragma(file: Path, name: str) -> int:
    connection = sqlite3.connect(file)
    value = connection.execute(f"PRAGMA {name}").fetchone()[0]
    connection.close()
    return int(value)


def assert_whole(file: Path) -> None:
    """Check that all that the fixture holds is found, bit by bit."""
    cache = EmbeddingCache(file)
    pictures = cache.get("pictures-1", [A, f"{A}#2", B], dim=4)
    texts = cache.get("texts-1", [A, D], dim=8)
    assert {key: row.tobytes().hex() for key, row in pictures.items()} == {
        A: "0000003f000000bfcdcccc3dabaaaa3e",
        f"{A}#2": "9a99193f000000000000000000000080",
        B: "00" * 16,
    }
    assert {key: row.tobytes().hex() for key, row in texts.items()} == {
        A: "00" * 28 + "01000000",
        D: "cdcc4c3f9a99193f" + "00" * 24,
    }
    assert cache.hashes([A, B]) == {A: bytes(range(80))}
    assert cache.hashed([A, B]) == {A, B}
    assert cache.captions("model 1", [A, f"{A}#2", B]) == {
        A: CaptionRecord(text="A red rose, 一朵红玫瑰.", max_tokens=200),
        f"{A}#2": CaptionRecord(error_code="caption_empty", tried=3, max_tokens=100),
    }
    assert cache.captions("model 2", [B])[B].text == "A wall."
    assert list(cache.verify()) == []
    stats = cache.stats()
    assert [(one.fingerprint, one.count) for one in stats.encoders] == [
        ("pictures-1", 3),
        ("texts-1", 2),
    ]
    assert (stats.hashes, stats.captions) == (2, 3)
    cache.close()


def test_a_file_of_schema_0_is_migrated_and_loses_nothing(old: Path) -> None:
    assert_whole(old)

    assert pragma(old, "user_version") == SCHEMA_VERSION
    assert pragma(old, "page_size") == PAGE_SIZE
    assert pragma(old, "freelist_count") == 0


def test_a_migrated_file_stays_as_it_is(old: Path) -> None:
    assert_whole(old)
    before = old.read_bytes()

    assert_whole(old)

    assert old.read_bytes() == before


def test_a_new_file_has_our_pages_and_schema(tmp_path: Path) -> None:
    open_cache(tmp_path / "new.db").connection.close()

    assert pragma(tmp_path / "new.db", "user_version") == SCHEMA_VERSION
    assert pragma(tmp_path / "new.db", "page_size") == PAGE_SIZE


def test_a_file_from_before_hashes_and_captions_is_migrated(old: Path) -> None:
    connection = sqlite3.connect(old)
    connection.execute("DROP TABLE hashes")
    connection.execute("DROP TABLE captions")
    connection.close()

    cache = EmbeddingCache(old)

    assert len(cache.get("pictures-1", [A, B], dim=4)) == 2
    assert cache.hashed([A]) == set()
    cache.put_hashes({A: b"x"})
    cache.close()


def test_broken_vectors_of_schema_0_are_left_behind(old: Path) -> None:
    connection = sqlite3.connect(old)
    with connection:
        connection.execute("UPDATE embeddings SET vector=x'00' WHERE key=?", (D,))
        connection.execute("UPDATE embeddings SET vector=x'0000807f' WHERE key=?", (B,))
    connection.close()

    cache = EmbeddingCache(old)

    assert [one.count for one in cache.stats().encoders] == [2, 1]
    cache.close()


def test_a_newer_file_is_refused_and_not_touched(old: Path) -> None:
    connection = sqlite3.connect(old)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    before = old.read_bytes()

    with pytest.raises(IndexMismatchError, match="has schema 2, which is newer than 1") as caught:
        open_cache(old)

    assert "Update florilegium" in (caught.value.hint or "")
    assert old.read_bytes() == before


def test_an_older_file_that_cannot_be_written_says_what_to_do(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "is_read_only", lambda file: True)

    with pytest.raises(IndexMismatchError, match="older schema and can only be read") as caught:
        open_cache(old)

    assert "florilegium ingest" in (caught.value.hint or "")


def test_a_migration_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("no more")

    with monkeypatch.context() as patch:
        patch.setitem(cache_file._TAKE_OVER, "captions", fail)
        with pytest.raises(sqlite3.OperationalError, match="no more"):
            open_cache(old)

    assert pragma(old, "user_version") == 0
    assert_whole(old)


def test_an_old_file_that_another_has_open_is_migrated_and_not_made_smaller(
    old: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = sqlite3.connect(old)
    reader.execute("SELECT count(*) FROM embeddings").fetchone()

    with caplog.at_level(logging.WARNING):
        assert_whole(old)

    assert "is not made smaller: it is in use" in caplog.text
    assert pragma(old, "page_size") == 4096
    assert pragma(old, "user_version") == SCHEMA_VERSION
    reader.close()


def test_many_that_open_one_old_file_at_once_migrate_it_once(old: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from florilegium.cache import EmbeddingCache\n"
        "EmbeddingCache(Path(sys.argv[1])).close()"
    )
    command = [sys.executable, "-c", script, str(old)]

    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]

    for process in processes:
        errors = process.communicate()[1].decode()
        assert process.returncode == 0, errors
    assert_whole(old)


DYING = """
import os, signal, sqlite3, sys
from pathlib import Path
from florilegium import cache_file

class Dying(sqlite3.Connection):
    def execute(self, *arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*arguments)

connect = sqlite3.connect
sqlite3.connect = lambda *a, **k: connect(*a, factory=Dying, **k)
for left, name in enumerate(sys.argv[1:]):
    child = os.fork()
    if child == 0:
        cache_file.open_cache(Path(name)).connection.close()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_being_killed_before_any_statement_of_a_migration_does_no_harm(tmp_path: Path) -> None:
    files = [make_old(tmp_path / f"{n}.db") for n in range(50)]

    done = subprocess.run(
        [sys.executable, "-c", DYING, *map(str, files)], capture_output=True, text=True, check=True
    )

    ends = [int(line) for line in done.stdout.split()]
    killed = ends.count(-signal.SIGKILL)
    assert ends == [-signal.SIGKILL] * killed + [0] * (50 - killed)
    assert 20 < killed < 50
    for file in files:
        assert_whole(file)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="counts open files by /proc")
def test_a_refused_file_is_closed(old: Path) -> None:
    connection = sqlite3.connect(old)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = open_files()

    with pytest.raises(IndexMismatchError):
        open_cache(old)

    assert not open_files() - before


def test_vectors_without_zeros_at_their_end_are_half_the_size_of_before(tmp_path: Path) -> None:
    rows = {f"{i:032x}": np.eye(1, 1664, i, dtype=np.float32)[0] for i in range(384)}
    old = sqlite3.connect(tmp_path / "old.db")
    old.executescript(FIXTURE.read_text(encoding="utf-8"))
    with old:
        old.executemany(
            "INSERT INTO embeddings VALUES ('f', ?, ?)",
            [(key, row.tobytes()) for key, row in rows.items()],
        )
    old.close()
    before = (tmp_path / "old.db").stat().st_size

    cache = EmbeddingCache(tmp_path / "old.db")
    found = cache.get("f", list(rows), dim=1664)
    cache.close()

    assert all(found[key].tobytes() == row.tobytes() for key, row in rows.items())
    assert (tmp_path / "old.db").stat().st_size < before / 2
