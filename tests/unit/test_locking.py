"""One writer at a time, and the others are told who it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.errors import IndexLockedError, StoreError
from florilegium.locking import Holder, is_written, read_holder, writers_lock

HOLD = """
import sys
from pathlib import Path
from florilegium.locking import writers_lock
with writers_lock(Path(sys.argv[1]), doing="testing"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def other_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def note_and_let_go(
    process: subprocess.Popen[str], waited_for: list[Holder | None]
) -> Callable[[Holder | None], None]:
    """Return what notes who is waited for, and lets the other process end."""

    def let_go(holder: Holder | None) -> None:
        waited_for.append(holder)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()

    return let_go


def test_the_holder_is_named(tmp_path: Path) -> None:
    with (
        other_process(tmp_path) as process,
        pytest.raises(IndexLockedError, match=f"process {process.pid} on .*, testing, since 20"),
        writers_lock(tmp_path, doing="waiting"),
    ):
        pass


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with other_process(tmp_path) as process:
        process.kill()
        process.wait()
        with writers_lock(tmp_path, doing="mine"):
            holder = read_holder(tmp_path)

    assert holder is not None
    assert (holder.doing, holder.process) == ("mine", os.getpid())
    assert read_holder(tmp_path) is None


def test_a_second_writer_may_wait(tmp_path: Path) -> None:
    waited_for: list[Holder | None] = []
    with other_process(tmp_path) as process:
        let_go = note_and_let_go(process, waited_for)
        with writers_lock(tmp_path, doing="mine", wait=60, on_wait=let_go):
            assert process.wait(timeout=60) == 0

    assert [one and one.process for one in waited_for] == [process.pid]


def test_waiting_ends(tmp_path: Path) -> None:
    started = time.monotonic()
    with (
        other_process(tmp_path),
        pytest.raises(IndexLockedError, match="testing"),
        writers_lock(tmp_path, doing="mine", wait=0.3),
    ):
        pass

    assert 0.3 <= time.monotonic() - started < 10


@pytest.mark.parametrize("content", ["", "[]", '{"doing": 1}', "{"])
def test_a_damaged_note_of_the_holder_hinders_nothing(tmp_path: Path, content: str) -> None:
    with other_process(tmp_path):
        (tmp_path / "lock.json").write_text(content, encoding="utf-8")

        with (
            pytest.raises(IndexLockedError, match=r"writing to the index of '[^']*'\."),
            writers_lock(tmp_path, doing="mine"),
        ):
            pass


def test_an_error_of_the_system_is_one_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    with (
        pytest.raises(StoreError, match="No space left"),
        writers_lock(tmp_path, doing="mine"),
    ):
        raise OSError(28, "No space left on device")
    with (
        pytest.raises(StoreError, match="cannot be written"),
        writers_lock(file / "at all", doing="mine"),
    ):
        pass


@pytest.mark.parametrize("kind", [BrokenPipeError, ConnectionResetError])
def test_an_error_of_a_pipe_is_none_of_the_index(tmp_path: Path, kind: type[OSError]) -> None:
    with pytest.raises(kind), writers_lock(tmp_path, doing="mine"):
        raise kind(32, "Broken pipe")

    assert read_holder(tmp_path) is None


def test_two_ingests_at_once(tiny_library: Library) -> None:
    folder = tiny_library.root / ".florilegium"
    waited_for: list[Holder | None] = []
    with other_process(folder) as process:
        with pytest.raises(IndexLockedError, match=f"process {process.pid}"):
            tiny_library.ingest()
        report = tiny_library.ingest(wait=60, on_wait=note_and_let_go(process, waited_for))

    assert report.unchanged == 7
    assert len(waited_for) == 1


def test_a_library_is_written_as_long_as_another_process_holds_its_lock(tmp_path: Path) -> None:
    assert not is_written(tmp_path)

    with other_process(tmp_path):
        assert is_written(tmp_path)

    assert not is_written(tmp_path)


def test_the_note_of_a_writer_that_was_killed_keeps_nobody_out(tmp_path: Path) -> None:
    with other_process(tmp_path) as process:
        process.kill()
        process.wait()
        assert read_holder(tmp_path) is not None

        assert not is_written(tmp_path)

    assert read_holder(tmp_path) is None
    with writers_lock(tmp_path, doing="testing"):
        assert is_written(tmp_path)
