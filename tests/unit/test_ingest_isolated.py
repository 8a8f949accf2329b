"""Ingest with workers: the same index, one failure for each file that breaks one, nothing left."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from florilegium import Library
from florilegium.report import FailedFile, IngestReport
from florilegium.worker_process import WorkerProcess
from tests.conftest import FAKES, ROOT, draw
from tests.unit.index_state import State, state_of
from tests.unit.trap_loader import install_traps
from tests.unit.worker_samples import children, open_files, read_pid, runs, wait_until

ISOLATED = FAKES | {"ingest.isolate": True}

# A run in a process of its own, so that it can be killed; it prints whether it was interrupted.
PROGRAM = """
import signal, sys
from florilegium import Library
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
with Library.open(sys.argv[1]) as library:
    print("begun", flush=True)
    print("interrupted" if library.ingest().interrupted else "done", flush=True)
"""


def write_all_kinds(folder: Path) -> None:
    """Write pictures of all kinds, sidecars and tables, and some that are broken."""
    whole = draw("blue", "triangle", size=90)
    turned = Image.Exif()
    turned[0x0112], turned[0x010E] = 6, "a blue triangle"
    whole.crop((0, 0, 90, 60)).save(folder / "turned.jpg", exif=turned)
    whole.convert("CMYK").save(folder / "cmyk.jpg")
    whole.convert("CMYK").save(folder / "cmyk.tif")
    whole.convert("RGBA").save(folder / "alpha.webp", lossless=True)
    whole.convert("P").save(folder / "palette.bmp")
    whole.save(folder / "moving.gif", save_all=True, append_images=[draw("red", "circle")])
    Image.new("I;16", (40, 30), 30_000).save(folder / "deep.png")
    Image.new("F", (40, 30), 0.25).save(folder / "float.tiff")
    Image.new("L", (1, 1)).save(folder / "dot.png")
    Image.new("1", (2000, 1000)).save(folder / "large.png")  # more than the limit of the tests
    data = (folder / "alpha.webp").read_bytes()
    (folder / "cut.webp").write_bytes(data[: len(data) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("no picture", encoding="utf-8")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 8)
    (folder / "page.html").write_text("<h1>Title</h1><p>A red square.</p><img src=cmyk.jpg>")
    (folder / "captions.csv").write_text("file,caption\ndeep.png,a grey area\ngone.png,nothing\n")
    (folder / "dot.json").write_text('{"caption": "\\u00e9 one pixel"}', encoding="utf-8")
    (folder / "cmyk.yaml").write_text("caption: [1, 2", encoding="utf-8")
    (folder / "turned.xmp").write_text("<broken", encoding="utf-8")


def index_of(folder: Path, overrides: dict[str, object]) -> tuple[State, IngestReport]:
    """Ingest a folder anew and return what came of it."""
    shutil.rmtree(folder / ".florilegium", ignore_errors=True)
    (folder / "florilegium.toml").unlink(missing_ok=True)
    limits = {"ingest.max_image_megapixels": 1.0}
    with Library.create(folder, overrides=overrides | limits) as library:
        report = library.ingest()
        return state_of(library), report


def test_the_index_is_the_same_with_workers_and_without(tiny_folder: Path) -> None:
    write_all_kinds(tiny_folder)

    direct, first = index_of(tiny_folder, dict(FAKES))
    isolated, second = index_of(tiny_folder, dict(ISOLATED))

    assert isolated == direct
    assert second.failed == first.failed
    assert second.warnings == first.warnings
    assert {one.path for one in first.failed} == {
        *("large.png", "cut.webp", "empty.jpg", "text.png", "binary.txt"),
        *("cmyk.yaml", "turned.xmp"),
    }
    assert len(isolated.items) > 15


def test_files_that_break_their_process_cost_themselves_alone(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_traps(tmp_path / "traps", monkeypatch)
    wanted = {
        "a segfault": ("source_unreadable", "SIGSEGV"),
        "b hang": ("source_too_slow", "longer than 8 seconds"),
        "c eat": ("source_too_large", "more than 300 megabytes of memory"),
        "d defect": ("source_unreadable", "KeyError: 'colour'"),
        "e exit": ("source_unreadable", "exit code 3"),
        "f segfault-picture": ("source_unreadable", "SIGSEGV"),
        "g odd": ("source_odd", "It is odd"),
    }
    for name in [*wanted, "h fine", "i print"]:
        (tiny_folder / f"{name}.trap").write_text(name.split()[1], encoding="utf-8")
    before = children(), set(threading.enumerate()), open_files()
    limits = {"ingest.file_seconds": 8, "ingest.worker_megabytes": 300}
    with Library.create(tiny_folder, overrides=ISOLATED | limits) as library:
        report = library.ingest()
        assert children() <= before[0]
        assert set(threading.enumerate()) <= before[1]
        state_of(library)

        failed = {Path(one.path).stem: (one.code, one.message) for one in report.failed}
        assert failed.keys() == wanted.keys()
        for name, (code, words) in wanted.items():
            assert failed[name][0] == code, failed[name]
            assert re.search(words, failed[name][1]), failed[name]
        assert (report.added, report.seen) == (9, 16)
        assert library.statistics().failed == report.failed
    assert not open_files() - before[2]


def test_a_defect_of_a_loader_is_a_failure_without_workers_too(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_traps(tmp_path / "traps", monkeypatch)
    (tiny_folder / "a.trap").write_text("defect", encoding="utf-8")
    reports: list[tuple[FailedFile, ...]] = []
    with Library.create(tiny_folder, overrides=FAKES) as library:
        reports.append(library.ingest().failed)
    with Library.open(tiny_folder, overrides=ISOLATED) as library:
        reports.append(library.ingest().failed)

    assert reports[0] == reports[1]
    assert [(one.path, one.code) for one in reports[0]] == [("a.trap", "source_unreadable")]


def test_a_run_with_nothing_to_do_starts_no_worker(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.create(tiny_folder, overrides=ISOLATED) as library:
        library.ingest()
        monkeypatch.setattr(WorkerProcess, "__init__", lambda self: pytest.fail("it starts"))

        assert library.ingest().unchanged == 7


def test_no_more_workers_are_started_than_threads_read(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[WorkerProcess] = []
    start = WorkerProcess.__init__

    def count(self: WorkerProcess) -> None:
        started.append(self)
        start(self)

    monkeypatch.setattr(WorkerProcess, "__init__", count)
    with Library.create(tiny_folder, overrides=ISOLATED) as library:
        library.ingest()

    assert 1 <= len(started) <= min(os.cpu_count() or 1, 8)


# -- ended from outside --


@pytest.fixture
def start_hanging(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[subprocess.Popen[str], int]]:
    """Return a function that starts a run which hangs in a worker; give both processes."""
    install_traps(tmp_path / "traps", monkeypatch)
    file = tmp_path / "pid"
    (tiny_folder / "a.trap").write_text(f"hang {file}", encoding="utf-8")
    Library.create(tiny_folder, overrides=ISOLATED | {"ingest.file_seconds": 3600}).close()

    def start() -> tuple[subprocess.Popen[str], int]:
        run = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tiny_folder)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "traps"), str(ROOT)])},
            text=True,
        )
        return run, read_pid(file)

    return start


def test_workers_end_with_the_process_that_was_killed(
    start_hanging: Callable[[], tuple[subprocess.Popen[str], int]],
) -> None:
    run, worker = start_hanging()
    with run:
        workers = children(run.pid)
        assert worker in workers
        run.kill()

    wait_until(lambda: not any(map(runs, workers)))


def test_ctrl_c_ends_a_hanging_worker_and_leaves_the_index_in_order(
    start_hanging: Callable[[], tuple[subprocess.Popen[str], int]], tiny_folder: Path
) -> None:
    run, worker = start_hanging()
    with run:
        run.send_signal(signal.SIGINT)
        try:
            out, _ = run.communicate(timeout=60)
        finally:
            run.kill()

    assert out.split() == ["begun", "interrupted"]
    assert run.returncode == 0
    assert not runs(worker)
    (tiny_folder / "a.trap").unlink()
    with Library.open(tiny_folder) as library:
        report = library.ingest()
        assert (report.seen, report.failed) == (7, ())
        state_of(library)
