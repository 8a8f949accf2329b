"""Many threads search and ask through one library object while its index changes under them."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from florilegium import Library, Modality
from florilegium.opened_index import OpenedIndex
from florilegium.testing.encoder import FakeEncoder
from tests.conftest import FAKES, ROOT, draw, write_tiny_folder
from tests.e2e.serving import wait_until
from tests.held import held, settled

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="counts what Linux tells in /proc"
)

THREADS = 8
CHANGES = 6
PATIENCE = 120.0  # seconds until a test that hangs fails
COLOURS = ("red", "green", "blue")

# Says one thing, then another; every second time the index is made anew beside the old one.
INGEST = f"""
import sys
from pathlib import Path
from florilegium import Library
from tests.e2e.test_threads import change
for number in range(1, {CHANGES} + 1):
    change(Path(sys.argv[1]), number)
    with Library.open(sys.argv[1]) as library:
        assert not library.ingest(rebuild=number % 2 == 0).failed
"""


def change(folder: Path, number: int) -> None:
    """Change a text, and let another come or go."""
    (folder / "changing.txt").write_text(wording(number), encoding="utf-8")
    coming = folder / "coming.txt"
    if number % 2:
        coming.write_text("A yellow hexagon comes and goes.", encoding="utf-8")
    else:
        coming.unlink(missing_ok=True)


def wording(number: int) -> str:
    """Return what the changing text says after a number of changes."""
    return f"The painted square is number {number}."


KNOWN = {wording(number) for number in range(CHANGES + 1)}


@pytest.fixture(params=["chroma", "memory"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    folder = tmp_path / "library"
    write_tiny_folder(folder)
    change(folder, 0)
    settings = {**FAKES, "chat.name": "extractive", "store.name": request.param}
    with Library.create(folder, overrides=settings) as library:
        library.ingest()
        yield library


def use(library: Library, number: int) -> None:
    """Search and ask in one way or another; what comes is of one state or another."""
    colour = COLOURS[number % len(COLOURS)]
    way = number % 5
    if way == 0:
        found = list(library.search(f"{colour} painted square", modality="text"))
    elif way == 1:
        found = library.search(image=draw(colour, "square"))
    elif way == 2:
        found = list(library.ask(f"What colour is the {colour} painted square?").hits)
    elif way == 3:
        hits = library.search(colour, modality="image", top_k=1)
        assert library.read_image(hits[0].item).width == 64
        found = [*hits]
    else:
        assert library.statistics().images == 3
        assert library.threshold().value > 0
        item = library.search("painted square number", modality="text")[0].item
        found = library.search("corners", where=None)
        assert item.text
    assert found
    for hit in found:
        path = hit.item.source.path
        assert path == "coming.txt" or (library.root / path).exists()
        if path == "changing.txt":
            assert hit.item.text in KNOWN
        assert hit.item.modality is Modality.TEXT or hit.item.width == 64


@contextmanager
def busy(library: Library) -> Iterator[Callable[[], int]]:
    """Search and ask in threads until the block ends; give how often that was done.

    Raises the first error of any thread.
    """
    over, numbers = threading.Event(), count()
    done: list[int] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not over.is_set():
                number = next(numbers)
                use(library, number)
                done.append(number)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to fail with it
            errors.append(error)
            over.set()

    def how_often() -> int:
        if errors:
            raise errors[0]
        return len(done)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield how_often
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def files_of(folder: Path) -> list[str]:
    """Return the files of indexes that this process has open."""
    return [file for file in held().files if str(folder / ".florilegium" / "index-") in file]


def test_threads_find_valid_states_while_another_process_ingests_and_rebuilds(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    # A record that is kept holds its error, and so all that the error went through.
    caplog.set_level(logging.ERROR, "florilegium.stores")
    use(library, 0)
    with busy(library) as done:
        subprocess.run(
            [sys.executable, "-c", INGEST, str(library.root)],
            cwd=ROOT,
            check=True,
            timeout=PATIENCE,
        )
        assert done() > CHANGES * THREADS

    found = library.search("painted square number", modality="text", top_k=1)
    assert found[0].item.text == wording(CHANGES)
    library.ingest()  # removes what was made again in the moment in which it was removed
    library.search("red")
    (left,) = (library.root / ".florilegium").glob("index-*")
    assert left.name == f"index-{1 + CHANGES // 2}"

    def is_left(file: str) -> bool:
        return "(deleted)" not in file and f"/{left.name}/" in file

    wait_until(lambda: all(map(is_left, files_of(library.root))))  # Chroma closes some late
    assert files_of(library.root)
    gc.collect()
    assert len([one for one in gc.get_objects() if isinstance(one, OpenedIndex)]) == 1


def test_threads_find_valid_states_while_the_same_object_ingests_and_rebuilds(
    library: Library,
) -> None:
    with busy(library) as done:
        for number in range(1, CHANGES + 1):
            change(library.root, number)
            assert not library.ingest(rebuild=number % 3 == 0).failed
        assert done()

    found = library.search("painted square number", modality="text", top_k=1)
    assert found[0].item.text == wording(CHANGES)


def test_a_library_that_is_closed_again_and_again_answers_all_the_same(library: Library) -> None:
    library.close()
    before = held()
    with busy(library) as done:
        while done() < 12 * THREADS:
            library.close()
    library.close()

    usual = {"tokio-runtime-w"}
    assert set(settled(before, usual.__contains__).beyond(before)) <= usual
    assert files_of(library.root) == []


def test_an_answer_goes_on_when_the_library_is_closed_and_then_lets_its_models_go(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.close()
    closed: list[FakeEncoder] = []
    monkeypatch.setattr(FakeEncoder, "close", lambda encoder: closed.append(encoder))
    events = library.stream("What colour is the red square?")
    next(events)

    library.close()
    assert not closed
    assert list(events)

    assert closed
