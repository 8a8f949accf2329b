"""Other processes at the same library: they hold its files, write at the same time, or search."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.config import INDEX_FOLDER
from florilegium.courtesy import going_first
from florilegium.errors import IndexLockedError, StoreError
from tests.conftest import FAKES, write_tiny_folder
from tests.reliability.processes import at_work, run, start
from tests.reliability.scenarios import CHROMA, Scenario, prepare, write_folder
from tests.reliability.trials import different
from tests.reliability.worker import Job, Outcome
from tests.unit.index_state import paths, state_of
from tests.unit.test_ingest_recovery import change

FILES = {"catalog": "index-1/catalog.db", "cache": "embeddings.db",
         "chroma": "index-1/store/chroma/chroma.sqlite3",
         "records": "index-1/store/chroma/florilegium-records.sqlite3"}  # fmt: skip
FOUND = {
    "red square": {"red square.png", "red square.txt"},
    "green circle corners": {"circle.md", "circle.png"},
    "roses want water": {"notes/garden.md"},
}


def library_of(place: Path, **more: object) -> Path:
    """Return a library on Chroma that was ingested and has changed since."""
    folder = place / "library"
    prepare(Scenario(name="", settings={**CHROMA, **more}, fill=write_folder), folder)
    return folder


def undisturbed(folder: Path, place: Path) -> Outcome:
    """Return what ingest makes of a library, once nobody is in its way."""
    return run(Job(folder=folder, log=place / "log"))


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold the lock that writers of an SQLite file need."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def paused(folder: Path) -> Iterator[Callable[[], None]]:
    """Let an ingest wait before its first file; give what lets it go on."""
    with ExitStack() as pause:
        pause.enter_context(going_first(folder / INDEX_FOLDER))
        yield pause.close


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_another_process_holds_for_a_moment_is_waited_for(
    name: str, tmp_path: Path
) -> None:
    folder = library_of(tmp_path)
    change(folder)
    job = Job(folder=folder, log=tmp_path / "log")
    with held(folder / ".florilegium" / FILES[name]):
        running = start(job)
        time.sleep(1)
        assert running.process.is_alive(), "it did not wait"
    found = running.join()

    assert isinstance(found, Outcome), found
    assert list(different(undisturbed(folder, tmp_path), found)) == []


@pytest.mark.parametrize("name", ["catalog", "cache", "records"])
def test_a_file_that_is_held_for_too_long_is_named_and_the_next_run_goes_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, connect = library_of(tmp_path), sqlite3.connect
    change(folder)
    monkeypatch.setattr(
        sqlite3, "connect", lambda *words, **more: connect(*words, **{**more, "timeout": 0.2})
    )
    file = folder / ".florilegium" / FILES[name]
    with Library.open(folder) as library:
        with held(file), pytest.raises(StoreError) as caught:
            library.ingest()
        library.ingest()
        found = state_of(library)

    assert str(file.parent) in caught.value.message
    assert any(word in caught.value.message for word in ("locked", "writing"))
    assert undisturbed(folder, tmp_path).state == found


def test_of_two_that_ingest_at_once_the_second_says_who_the_first_is(tmp_path: Path) -> None:
    folder = library_of(tmp_path)
    change(folder)
    with paused(folder) as go_on, at_work(Job(folder=folder, log=tmp_path / "log")) as first:
        lock = folder / ".florilegium" / "lock.json"
        while not lock.exists():
            assert first.process.is_alive(), "it ended before it was seen"
            time.sleep(0.001)
        with Library.open(folder) as library:
            with pytest.raises(IndexLockedError, match=f"process {first.pid} ") as caught:
                library.ingest()
            go_on()
            library.ingest(wait=60)
            found = state_of(library)
        assert isinstance(first.join(), Outcome)

    assert "--wait" in (caught.value.hint or "")
    assert undisturbed(folder, tmp_path).state == found


def test_two_that_wait_for_each_other_both_get_their_turn(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    write_tiny_folder(folder)
    reports: list[int] = []
    Library.create(folder, overrides=FAKES).close()

    def ingest() -> None:
        with Library.open(folder) as library:
            reports.append(library.ingest(wait=60).seen)

    threads = [threading.Thread(target=ingest) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert reports == [7, 7, 7]


@pytest.mark.parametrize("settings", [FAKES, CHROMA], ids=["memory", "chroma"])
@pytest.mark.parametrize("rebuild", [True, False], ids=["rebuild", "ingest"])
def test_who_searches_meanwhile_sees_no_error_and_no_half(
    settings: dict[str, object], rebuild: bool, tmp_path: Path
) -> None:
    folder = library_of(tmp_path, **settings)
    if not rebuild:
        for number in range(12):
            text = f"Shelf {number} has {number * 3} pots of cactus seeds.\n"
            (folder / f"shelf {number}.txt").write_text(text, encoding="utf-8")
    job = Job(
        folder=folder, log=tmp_path / "log", rebuild=rebuild, overrides={"ingest.batch_files": 2}
    )
    with Library.open(folder) as library:

        def search() -> list[list[str]]:
            found = [paths(library.search(query, top_k=len(FOUND[query]))) for query in FOUND]
            # While files are added, ranks change: what is near is compared with what there is.
            return found if rebuild else [sorted(some) for some in found]

        before, searches = search(), 0
        with paused(folder) as go_on, at_work(job) as running:
            while running.process.is_alive() and not running.pipe.poll():
                assert search() == before
                searches += 1
                if searches == 2:
                    go_on()
            assert isinstance(running.join(), Outcome)
        after = search()

    assert after == before
    assert [set(some) for some in after] == list(FOUND.values())
    assert searches > 1
