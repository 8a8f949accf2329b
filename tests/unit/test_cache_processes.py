"""Several processes on one cache: readers beside a writer, writers in turn, and a writer killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from florilegium.cache import EmbeddingCache
from florilegium.errors import StoreError
from tests.unit.test_sqlite_file import run_in_read_only_folder

BATCH = 20

PRELUDE = """
import sys
from pathlib import Path
import numpy as np
from florilegium.cache import EmbeddingCache
from florilegium.errors import StoreError
file = Path(sys.argv[1])
def batch(name, n):
    return {f"{name}{n}.{i}": np.full(64, n + 1, dtype=np.float32) for i in range(20)}
"""
WRITE = """
cache = EmbeddingCache(file)
for n in range(int(sys.argv[3])):
    cache.put("f", batch(sys.argv[2], n))
    print(n, flush=True)
"""
READ = """
cache = EmbeddingCache(file)
print("reading", flush=True)
seen = 0
while seen < int(sys.argv[3]):
    found = cache.get("f", list(batch(sys.argv[2], seen)), dim=64)
    assert len(found) in (0, 20), len(found)
    assert all((row == seen + 1).all() for row in found.values())
    seen += bool(found)
print("all", flush=True)
"""
HOLD = """
cache = EmbeddingCache(file)
cache._connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
TRY = """
cache = EmbeddingCache(file)
print(len(cache.get("f", ["k"], dim=4)), len(cache.hashes(["k"])), cache.stats().hashes)
try:
    cache.put("f", {"k": np.ones(4, dtype=np.float32)})
except StoreError as error:
    print(error.message.rpartition("'")[2], error.hint)
"""


@contextmanager
def process(body: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Give a running process of that code, which is ended with the block."""
    running = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + body, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running:
        try:
            yield running
        finally:
            running.kill()


def ended(running: subprocess.Popen[str]) -> str:
    """Return the last line of a process that must end well."""
    output, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    return output.split("\n")[-2]


def line_of(running: subprocess.Popen[str]) -> str:
    """Return the next line of a process."""
    assert running.stdout is not None
    return running.stdout.readline().strip()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return an empty cache in a folder of its own."""
    (tmp_path / "place").mkdir()
    file = tmp_path / "place" / "embeddings.db"
    EmbeddingCache(file).close()
    return file


def test_readers_see_whole_batches_while_another_writes(file: Path) -> None:
    with process(READ, file, "a", 60) as one, process(READ, file, "a", 60) as two:
        assert line_of(one) == line_of(two) == "reading"
        with process(WRITE, file, "a", 60) as writer:
            assert ended(writer) == "59"
        assert ended(one) == ended(two) == "all"


def test_two_writers_take_turns_and_lose_nothing(file: Path) -> None:
    with process(WRITE, file, "a", 40) as one, process(WRITE, file, "b", 40) as two:
        assert ended(one) == ended(two) == "39"

    cache = EmbeddingCache(file)
    assert cache.stats().encoders[0].count == 2 * 40 * BATCH
    assert list(cache.verify()) == []
    cache.close()


def test_a_writer_that_waits_too_long_says_who_it_waited_for(file: Path) -> None:
    cache = EmbeddingCache(file, timeout=0.2)
    with process(HOLD, file) as holder:
        assert line_of(holder) == "held"

        started = time.monotonic()
        with pytest.raises(
            StoreError, match=r"another process has been writing to it for more than 0\.2 s"
        ):
            cache.put("f", {"k": np.ones(4, dtype=np.float32)})
        assert time.monotonic() - started >= 0.2
        assert cache.get("f", ["k"], dim=4) == {}  # reading is possible all the time

    cache.put("f", {"k": np.ones(4, dtype=np.float32)})
    assert len(cache.get("f", ["k"], dim=4)) == 1
    cache.close()


def test_what_a_killed_writer_had_written_is_there(file: Path) -> None:
    with process(WRITE, file, "a", 100_000) as writer:
        while int(line_of(writer)) < 5:
            pass
        os.kill(writer.pid, signal.SIGKILL)
        output, _ = writer.communicate(timeout=60)
    last = max(5, *map(int, output.split())) if output.split() else 5

    cache = EmbeddingCache(file)
    count = cache.stats().encoders[0].count
    keys = [f"a{n}.{i}" for n in range(last + 1) for i in range(BATCH)]
    assert len(cache.get("f", keys, dim=64)) == len(keys)
    assert count % BATCH == 0
    assert list(cache.verify()) == []
    cache.close()


def test_a_cache_on_a_read_only_medium_is_read_and_refuses_to_be_written(file: Path) -> None:
    cache = EmbeddingCache(file)
    cache.put("f", {"k": np.ones(4, dtype=np.float32)})
    cache.put_hashes({"k": b"x"})
    cache.close()

    result = run_in_read_only_folder([sys.executable, "-c", PRELUDE + TRY, str(file)], file.parent)

    assert result.stderr == ""
    read, refused = result.stdout.splitlines()
    assert read == "1 1 1"
    assert refused.startswith(" can only be read. Check that you may write")
