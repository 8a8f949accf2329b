"""A run that ends early, at any point, leaves an index that the next run completes exactly."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from florilegium import Library
from florilegium.catalog import Catalog
from florilegium.report import IngestReport, Progress
from florilegium.stores.chroma import ChromaStore
from florilegium.stores.memory import MemoryStore
from tests.conftest import FAKES, draw, write_tiny_folder
from tests.unit.index_state import State, state_of
from tests.unit.test_ingest import make_later, rewrite
from tests.unit.test_ingest_failures import cut_off

WRITES: dict[type | ModuleType, tuple[str, ...]] = {
    MemoryStore: ("upsert", "delete"),
    ChromaStore: ("upsert", "delete"),
    Catalog: ("announce", "commit", "commit_cards", "touch", "set_fact", "set_links",
              "set_failures", "settle", "roll_back"),
    shutil: ("rmtree",),
    Path: ("unlink",),
}  # fmt: skip


class KilledError(BaseException):
    """Stands for the death of the process: nothing in the code under test catches it."""


class Killer:
    """Ends a run just before write number `at`, counted from 1."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._at = 0
        self.count = 0
        self._error: type[BaseException] = KilledError
        for kind, names in WRITES.items():
            for name in names:
                monkeypatch.setattr(kind, name, self._wrap(getattr(kind, name)))

    def run(
        self,
        folder: Path,
        at: int,
        *,
        error: type[BaseException] = KilledError,
        rebuild: bool = False,
    ) -> IngestReport | None:
        """Run ingest in a new library object and return its report, or None if it was ended."""
        self._at, self.count, self._error = at, 0, error
        with Library.open(folder) as library:
            try:
                return library.ingest(rebuild=rebuild)
            except error:
                return None
            finally:
                self._at = 0

    def _wrap(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self._at:
                raise self._error
            return write(*arguments, **options)

        return wrapped


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    """Return what ends runs."""
    return Killer(monkeypatch)


def change(folder: Path) -> None:
    """Do one of everything to the files of a tiny folder."""
    rewrite(folder / "red square.txt", "A crimson quadrangle ![of clay](circle.png).\n")
    (folder / "notes" / "garden.md").unlink()
    (folder / "notes" / "triangle.png").rename(folder / "triangle.png")
    cut_off(folder / "red square.png")
    make_later(folder / "circle.md")
    draw("yellow", "circle").save(folder / "sun.png")
    shutil.copy(folder / "circle.png", folder / "IMG_0001.png")


class Work:
    """A library folder with work to do, which can be put back to where it was."""

    def __init__(self, place: Path, *, changed: bool, **overrides: object) -> None:
        self.folder, self._saved = place / "library", place / "saved"
        write_tiny_folder(self.folder)
        with Library.create(self.folder, overrides={**FAKES, **overrides}) as library:
            if changed:
                library.ingest()
                change(self.folder)
        shutil.copytree(self.folder, self._saved)

    def reset(self) -> None:
        """Undo all that ingest did."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._saved, self.folder)

    def finish(self) -> State:
        """Run ingest to its end, as the next process would, and return what there is then."""
        with Library.open(self.folder) as library:
            library.ingest()
            return state_of(library)


@pytest.fixture(params=[False, True], ids=["first run", "later run"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Work:
    """Return a folder that was never ingested, and one where everything has changed since."""
    return Work(tmp_path, changed=request.param, **{"ingest.batch_files": 4})


def press_at(at: int) -> Callable[[Progress], None]:
    """Return a callback that presses Ctrl-C at file `at` to be written, from 0, or the last one."""
    gathered = itertools.count(1)

    def progress(state: Progress) -> None:
        if state.step == "writing" and state.path and next(gathered) == min(at + 1, state.total):
            raise KeyboardInterrupt

    return progress


# -- Ctrl-C --


@pytest.mark.parametrize("at", range(7))
def test_ctrl_c_at_any_file_leaves_the_rest_to_the_next_run(work: Work, at: int) -> None:
    complete = work.finish()
    total = len(complete.sources) + len(complete.failures)
    work.reset()
    with Library.open(work.folder) as library:
        report = library.ingest(progress=press_at(at))

        assert report.interrupted
        assert report.seen == total
        state_of(library)

    assert work.finish() == complete


def test_the_next_run_begins_after_the_last_batch_that_was_done(tmp_path: Path) -> None:
    work = Work(tmp_path, changed=False, **{"ingest.batch_files": 3})
    with Library.open(work.folder) as library:
        first = library.ingest(progress=press_at(5))
        second = library.ingest()

    assert (first.added, first.remaining, first.unchanged) == (3, 4, 0)
    assert (second.added, second.unchanged, second.updated) == (4, 3, 0)
    assert (second.interrupted, second.remaining) == (False, 0)


def test_ctrl_c_in_a_later_run_keeps_what_was_unchanged(tmp_path: Path) -> None:
    work = Work(tmp_path, changed=True, **{"ingest.batch_files": 32})
    with Library.open(work.folder) as library:
        report = library.ingest(progress=press_at(0))

    # Unchanged are circle.png and the Chinese text; removed are the garden and the moved picture.
    assert (report.unchanged, report.removed, report.remaining) == (2, 2, 6)


@pytest.mark.slow
def test_ctrl_c_at_any_write_leaves_the_rest_to_the_next_run(
    tmp_path: Path, killer: Killer
) -> None:
    work = Work(tmp_path, changed=True, **{"ingest.batch_files": 32})
    complete = work.finish()
    total = len(complete.sources) + len(complete.failures)
    for at in itertools.count(1):
        work.reset()
        report = killer.run(work.folder, at, error=KeyboardInterrupt)
        if report is not None:
            assert report.seen == total, at
            if not report.interrupted:
                break
        assert work.finish() == complete, at

    assert at > 10


# -- kill -9 --


@pytest.mark.slow
def test_a_run_that_dies_at_any_write_is_completed_by_the_next(work: Work, killer: Killer) -> None:
    complete = work.finish()
    for at in itertools.count(1):
        work.reset()
        if killer.run(work.folder, at) is not None:
            break
        assert work.finish() == complete, at

    assert at > 10


@pytest.mark.slow
def test_a_run_that_dies_while_it_mends_the_last_is_completed_too(
    tmp_path: Path, killer: Killer
) -> None:
    work = Work(tmp_path, changed=True, **{"ingest.batch_files": 32})
    complete = work.finish()
    ended = 0
    for first, second in itertools.product((3, 4, 5, 6, 8, 9, 11), (1, 2, 3, 4)):
        work.reset()
        assert killer.run(work.folder, first) is None
        ended += killer.run(work.folder, second) is None
        assert work.finish() == complete, (first, second)

    assert ended == 28


@pytest.mark.slow
def test_a_rebuild_that_dies_at_any_write_is_completed_by_the_next_run(
    tmp_path: Path, killer: Killer
) -> None:
    work = Work(tmp_path, changed=True, **{"ingest.batch_files": 32})
    complete = work.finish()
    for at in itertools.count(1):
        work.reset()
        if killer.run(work.folder, at, rebuild=True) is not None:
            break
        assert work.finish() == complete, at

    assert at > 10


@pytest.mark.parametrize("changed", [False, True])
def test_a_run_that_dies_leaves_chroma_to_be_completed(
    tmp_path: Path, killer: Killer, changed: bool
) -> None:
    work = Work(tmp_path, changed=changed, **{"store.name": "chroma"})
    complete = work.finish()
    for at in (4, 6, 8, 9):
        work.reset()
        assert killer.run(work.folder, at) is None
        assert work.finish() == complete, at


def test_a_half_finished_change_of_chunks_is_noticed_when_it_is_taken_back(
    tmp_path: Path, killer: Killer
) -> None:
    work = Work(tmp_path, changed=False, **{"ingest.batch_files": 1})
    (work.folder / "a.txt").write_text("Tulips stand by the old wall. " * 40, encoding="utf-8")
    complete = work.finish()
    with Library.open(work.folder, overrides={"ingest.chunk_tokens": 32}) as library:
        report = library.ingest(progress=press_at(2))

        assert report.updated == 2
        assert len(library.index.catalog.items_of(["a.txt"])) > 1

    assert work.finish() == complete


def test_failures_of_an_interrupted_run_are_kept(tmp_path: Path) -> None:
    work = Work(tmp_path, changed=False, **{"ingest.batch_files": 1})
    cut_off(work.folder / "a.png")
    with Library.open(work.folder) as library:
        report = library.ingest(progress=press_at(2))

        assert [failure.path for failure in library.statistics().failed] == ["a.png"]
    assert (len(report.failed), report.added, report.remaining) == (1, 1, 6)
