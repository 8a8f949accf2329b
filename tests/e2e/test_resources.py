"""What a library took from the system is given back when it is closed, however its work ended."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from florilegium import Library
from florilegium.errors import IndexLockedError, IndexMismatchError, StoreError
from florilegium.report import Progress
from tests.conftest import FAKES, ROOT, draw, write_tiny_folder
from tests.held import Held, held, resident_bytes, settled

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="counts what Linux tells in /proc"
)

CYCLES = 50
QUERIES = 200
CONNECTIONS = 40  # ten, with the files of each; far fewer than the queries


@pytest.fixture(params=["chroma", "memory"])
def settings(request: pytest.FixtureRequest) -> dict[str, object]:
    """Return fakes for all but the store."""
    return {**FAKES, "chat.name": "extractive", "store.name": request.param}


@pytest.fixture
def folder(tmp_path: Path, settings: dict[str, object]) -> Path:
    """Return a library that was ingested and closed once.

    What is opened once in a process and stays, as Chroma's runtime does, is open then.
    """
    folder = tmp_path / "library"
    write_tiny_folder(folder)
    with Library.create(folder, overrides=settings) as library:
        library.ingest()
        use(library)
    return folder


@pytest.fixture
def before(folder: Path) -> Iterator[Held]:
    """Return what was held before a test, and see to it that the test ends with no more."""
    assert folder.is_dir()
    found = held()
    yield found
    assert settled(found).beyond(found) == []


def is_usual(what: str) -> bool:
    """Return whether Chroma opens and closes such a thing by itself.

    It keeps up to ten connections to its database, and threads that wait for it.
    """
    return "/chroma.sqlite3" in what or what == "tokio-runtime-w"


def use(library: Library) -> None:
    """Search and ask once in each way."""
    assert library.search("red square")[0].item.source.path
    assert library.search(image=draw("red", "square"), modality="image")
    assert library.search("green", image=draw("red", "circle"))
    assert library.ask("What colour is a red square?").text


def write_more(folder: Path, *, count: int = 30) -> None:
    """Write pictures and texts that are not in the index yet."""
    for number in range(count):
        draw("green", "circle", size=48 + number).save(folder / f"more {number}.png")
        (folder / f"more {number}.txt").write_text(f"A green circle, {number}.", encoding="utf-8")


@pytest.mark.usefixtures("before")
def test_a_closed_library_holds_nothing(folder: Path) -> None:
    write_more(folder)

    with Library.open(folder) as library:
        assert library.ingest().added == 60
        use(library)


@pytest.mark.usefixtures("before")
def test_an_open_library_is_what_holds_the_index(folder: Path, before: Held) -> None:
    with Library.open(folder) as library:
        use(library)

        assert held().files - before.files


@pytest.mark.usefixtures("before")
def test_a_library_that_was_closed_is_used_and_closed_again(folder: Path) -> None:
    library = Library.open(folder)
    for _ in range(3):
        use(library)
        library.close()


@pytest.mark.usefixtures("before")
def test_a_rebuilt_library_holds_nothing(folder: Path) -> None:
    with Library.open(folder) as library:
        use(library)
        report = library.ingest(rebuild=True)
        use(library)

    assert (report.added, report.encoded) == (7, 0)


@pytest.mark.usefixtures("before")
def test_an_interrupted_ingest_holds_nothing(folder: Path) -> None:
    write_more(folder)

    def interrupt(progress: Progress) -> None:
        if progress.done >= 20:
            raise KeyboardInterrupt

    with Library.open(folder) as library:
        assert library.ingest(progress=interrupt).interrupted


@pytest.mark.usefixtures("before")
def test_an_ingest_that_fails_holds_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from florilegium.testing.encoder import FakeEncoder

    write_more(folder)

    def fail(*_: object, **__: object) -> Any:
        raise MemoryError("a test says so")

    monkeypatch.setattr(FakeEncoder, "encode_images", fail)
    with Library.open(folder) as library, pytest.raises(MemoryError):
        library.ingest()


@pytest.mark.usefixtures("before")
def test_files_that_cannot_be_read_hold_nothing(folder: Path) -> None:
    for number in range(20):
        (folder / f"broken {number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
        (folder / f"broken {number}.txt").write_bytes(b"\x00" * 64)

    with Library.open(folder) as library:
        assert library.ingest().failed


@pytest.mark.usefixtures("before")
def test_an_index_of_other_encoders_that_is_refused_holds_nothing(folder: Path) -> None:
    others = {"encoder.name": "fake:16", "text_encoder.name": "fake:16"}

    with Library.open(folder, overrides=others) as library:
        for action in (library.ingest, lambda: library.search("red")):
            with pytest.raises(IndexMismatchError):
                action()


@pytest.mark.usefixtures("before")
def test_a_damaged_index_that_cannot_be_opened_holds_nothing(folder: Path) -> None:
    for file in (folder / ".florilegium").rglob("*"):
        if file.suffix in {".db", ".sqlite3", ".npz"}:
            file.write_bytes(b"no database, but as long as one" * 200)

    with Library.open(folder) as library, pytest.raises(StoreError):
        library.search("red")


@pytest.mark.usefixtures("before")
def test_a_second_ingest_that_is_refused_holds_nothing(folder: Path) -> None:
    write_more(folder, count=2)

    def ingest_too(_: Progress) -> None:
        with Library.open(folder) as other, pytest.raises(IndexLockedError):
            other.ingest()

    with Library.open(folder) as library:
        assert library.ingest(progress=ingest_too).added == 4


@pytest.mark.usefixtures("before")
def test_an_answer_that_is_left_half_way_holds_nothing(folder: Path) -> None:
    with Library.open(folder) as library:
        events = library.stream("What colour is a red square?")
        next(events)
        del events


@pytest.mark.usefixtures("before")
def test_several_libraries_of_one_folder_are_open_at_once_and_closed_in_any_order(
    folder: Path,
) -> None:
    first, second, third = (Library.open(folder) for _ in range(3))
    for library in (first, second, third):
        use(library)

    second.close()
    use(first)
    use(third)
    first.close()
    use(third)
    third.close()


def test_chroma_forgets_a_folder_when_the_libraries_of_it_are_closed(tmp_path: Path) -> None:
    from chromadb.api.shared_system_client import SharedSystemClient

    write_tiny_folder(tmp_path)
    with Library.create(tmp_path, overrides={**FAKES, "store.name": "chroma"}) as first:
        first.ingest()
        assert not here(SharedSystemClient._identifier_to_system, tmp_path)
        first.search("red")
        with Library.open(tmp_path) as second:
            second.search("red")

            assert len(here(SharedSystemClient._identifier_to_system, tmp_path)) == 2
        assert len(here(SharedSystemClient._identifier_to_refcount, tmp_path)) == 1

    assert not here(SharedSystemClient._identifier_to_system, tmp_path)
    assert not here(SharedSystemClient._identifier_to_refcount, tmp_path)


def here(known: dict[str, Any], folder: Path) -> list[str]:
    """Return what Chroma knows of a folder and those in it."""
    return [place for place in known if Path(place).is_relative_to(folder)]


def test_opening_and_closing_again_and_again_takes_no_more(folder: Path) -> None:
    def cycle() -> None:
        with Library.open(folder) as library:
            library.search("red square")
            library.search(image=draw("blue", "triangle"))

    assert_flat(cycle, count=CYCLES, warm=15, most=40_000_000)


def test_queries_take_no_more(folder: Path) -> None:
    with Library.open(folder) as library:

        def ask() -> None:
            library.search("red square")
            library.search(image=draw("blue", "triangle"))

        assert_flat(ask, count=QUERIES, warm=50, most=8_000_000)


def test_queries_leave_no_objects(folder: Path) -> None:
    with Library.open(folder) as library:

        def ask() -> None:
            library.search("red square")
            library.search(image=draw("blue", "triangle"))
            library.ask("What colour is a red square?")

        for _ in range(10):
            ask()
        tracemalloc.start()
        try:
            for _ in range(5):  # what the measuring itself keeps
                ask()
            held()
            start, _ = tracemalloc.get_traced_memory()
            for _ in range(25):
                ask()
            held()
            end, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert (end - start) / 25 < 1_000  # bytes per round; the smallest hit kept would be more


def assert_flat(action: Callable[[], None], *, count: int, warm: int, most: int) -> None:
    """Do something again and again; after the first times, it may neither hold nor take more.

    Args:
        action: What is done.
        count: How often.
        warm: How often before that, until allocators have what they need.
        most: Bytes that the process may grow by in the end.
    """
    for _ in range(warm):
        action()
    before, start = held(), resident_bytes()
    for _ in range(count):
        action()

    after = settled(before, is_usual)
    assert [one for one in after.beyond(before) if not is_usual(one)] == []
    assert (after.threads - before.threads).total() <= CONNECTIONS
    assert (after.files - before.files).total() <= CONNECTIONS
    assert after.pool - before.pool <= CONNECTIONS
    assert resident_bytes() - start < most


def test_one_runtime_of_chroma_is_left_in_a_process_however_many_libraries_were_open(
    tmp_path: Path,
) -> None:
    write_tiny_folder(tmp_path)
    with Library.create(tmp_path, overrides={**FAKES, "store.name": "chroma"}) as library:
        library.ingest()
    script = (
        "import sys; from florilegium import Library; from tests.held import held, settled\n"
        "begin = held()\n"
        "for count in (1, 10):\n"
        "    for _ in range(count):\n"
        "        with Library.open(sys.argv[1]) as library: library.search('red')\n"
        "    now = settled(begin, lambda one: sys.argv[1] not in one)\n"
        "    now.threads.pop('tokio-runtime-w', None)\n"
        "    print(now, now.pool, sep='; ')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    (once, few), (often, many) = (line.split("; ") for line in done.stdout.splitlines())
    assert once == often
    assert str(tmp_path) not in once
    assert int(many) <= int(few) + 4  # a thread left by each of ten libraries would be ten more
