"""Whatever a file does to the process that reads it, it costs that file alone."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from florilegium.config import TextEncoderConfig
from florilegium.config_sections import IngestConfig
from florilegium.errors import (
    FileTooLargeError,
    FileTooSlowError,
    SourceError,
    UnreadableFileError,
    WeightsNotFoundError,
    WorkerError,
)
from florilegium.isolation import IsolatedJobs, memory_limit
from florilegium.types import Source
from tests.unit.trap_loader import install_traps
from tests.unit.worker_samples import children, open_files, read_pid, runs, wait_until


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install_traps(tmp_path / "traps", monkeypatch)
    processes, files, threads = children(), open_files(), set(threading.enumerate())
    yield
    assert children() <= processes
    assert not open_files() - files
    assert set(threading.enumerate()) <= threads


@pytest.fixture
def open_jobs() -> Iterator[Callable[..., IsolatedJobs]]:
    """Return a function that opens jobs with some settings, which are closed at the end."""
    opened: list[IsolatedJobs] = []

    def open_jobs(**settings: object) -> IsolatedJobs:
        values = {"file_seconds": 60, "worker_megabytes": 300} | settings
        jobs = IsolatedJobs(
            ingest=IngestConfig.model_validate(values),
            text_encoder=TextEncoderConfig(name="fake:32"),
            cache_folder=Path("unused"),
        )
        opened.append(jobs)
        return jobs

    yield open_jobs
    for jobs in opened:
        jobs.close()


@pytest.fixture
def trap(tmp_path: Path) -> Callable[[str], Source]:
    """Return a function that writes a file with a trap in it."""

    def write(what: str) -> Source:
        (tmp_path / "a.trap").write_text(what, encoding="utf-8")
        return Source(root=tmp_path, path="a.trap", size=1, modified_ns=0, content_hash="")

    return write


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("segfault", UnreadableFileError, r"crashed \(signal 11, SIGSEGV\)"),
        ("abort", UnreadableFileError, r"crashed \(signal 6, SIGABRT\)"),
        ("killed", UnreadableFileError, "was killed, perhaps because .* out of memory"),
        ("exit", UnreadableFileError, "ended with exit code 3"),
        ("close", UnreadableFileError, "the process that read it"),
        ("eat", FileTooLargeError, "took more than 300 megabytes of memory"),
        ("eat-pieces", FileTooLargeError, "took more than 300 megabytes of memory"),
        ("eat-and-tell", FileTooLargeError, "took more than 300 megabytes of memory"),
    ],
)
def test_a_file_that_ends_its_process_fails_and_says_why(
    open_jobs: Callable[..., IsolatedJobs],
    trap: Callable[[str], Source],
    name: str,
    kind: type[SourceError],
    words: str,
) -> None:
    jobs = open_jobs()

    with pytest.raises(kind, match=words) as caught:
        jobs.load(trap(name))

    assert "'a.trap'" in caught.value.message
    assert caught.value.hint
    assert [item.text for item in jobs.load(trap("fine"))] == ["fine "]


@pytest.mark.parametrize("name", ["loop", "hang", "sleep"])
def test_a_file_that_takes_too_long_is_given_up(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source], name: str
) -> None:
    jobs = open_jobs(file_seconds=0.5)

    with pytest.raises(FileTooSlowError, match=r"'a\.trap' took longer than 0\.5 seconds"):
        jobs.load(trap(name))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("defect", "its loader failed: KeyError: 'colour'"),
        ("warn", "its loader failed: UserWarning: strange"),
        ("leave", "its loader failed: SystemExit: 3"),
        ("recurse", "its loader failed: RecursionError: maximum recursion depth"),
    ],
)
def test_a_defect_of_a_loader_costs_the_file_and_not_the_worker(
    open_jobs: Callable[..., IsolatedJobs],
    trap: Callable[[str], Source],
    name: str,
    words: str,
) -> None:
    jobs = open_jobs()
    jobs.load(trap("fine"))
    before = children()

    with pytest.raises(UnreadableFileError, match=words):
        jobs.load(trap(name))

    jobs.load(trap("fine"))
    assert children() == before


def test_an_error_of_another_package_keeps_its_code(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source]
) -> None:
    with pytest.raises(SourceError) as caught:
        open_jobs().load(trap("odd"))

    error = caught.value
    assert (error.code, error.message, error.hint) == ("source_odd", "It is odd.", "Even it out.")


def test_an_error_that_is_not_of_the_file_is_raised_as_it_is(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source]
) -> None:
    with pytest.raises(WeightsNotFoundError, match="no weights"):
        open_jobs().load(trap("no-weights"))


def test_what_a_loader_prints_goes_nowhere(
    open_jobs: Callable[..., IsolatedJobs],
    trap: Callable[[str], Source],
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert len(open_jobs().load(trap("print"))) == 1
    assert capfd.readouterr() == ("", "")


def test_a_picture_that_crashes_its_decoder_fails(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source]
) -> None:
    jobs = open_jobs()
    (item,) = jobs.load(trap("segfault-picture"))

    with pytest.raises(UnreadableFileError, match="SIGSEGV"):
        jobs.read_image(item, least_side=None)


def test_a_picture_of_another_mode_is_a_defect_of_its_loader(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source]
) -> None:
    jobs = open_jobs()
    (item,) = jobs.load(trap("fine-picture P"))

    with pytest.raises(UnreadableFileError, match="in the mode 'P', not RGB"):
        jobs.read_image(item, least_side=None)


def test_a_file_is_not_blamed_for_what_an_earlier_one_did(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source]
) -> None:
    jobs = open_jobs()
    jobs.load(trap("damage"))

    assert len(jobs.load(trap("crash-if-damaged"))) == 1


def test_the_children_of_a_worker_end_with_it(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source], tmp_path: Path
) -> None:
    with pytest.raises(FileTooSlowError):
        open_jobs(file_seconds=6).load(trap(f"child {tmp_path / 'pid'}"))

    child = read_pid(tmp_path / "pid")
    wait_until(lambda: not runs(child))


def test_closing_ends_a_job_at_once(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source], tmp_path: Path
) -> None:
    jobs = open_jobs()
    errors: list[SourceError] = []

    def load() -> None:
        with pytest.raises(SourceError) as caught:
            jobs.load(trap(f"hang {tmp_path / 'pid'}"))
        errors.append(caught.value)

    thread = threading.Thread(target=load)
    thread.start()
    worker = read_pid(tmp_path / "pid")
    jobs.close()
    thread.join(60)

    assert not thread.is_alive()
    assert not runs(worker)
    assert len(errors) == 1


def test_nothing_is_done_after_closing(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source]
) -> None:
    jobs = open_jobs()
    jobs.load(trap("fine"))
    jobs.close()

    with pytest.raises(WorkerError, match="the run has ended"):
        jobs.load(trap("fine"))


def test_one_thread_needs_one_worker(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source]
) -> None:
    before, jobs = children(), open_jobs()
    assert children() == before

    for _ in range(3):
        jobs.load(trap("fine"))

    assert len(children() - before) == 1


def test_a_worker_that_has_too_little_memory_to_start_stops_everything(
    open_jobs: Callable[..., IsolatedJobs], trap: Callable[[str], Source]
) -> None:
    with pytest.raises(WorkerError, match="cannot be started: it came to the limit") as caught:
        open_jobs(worker_megabytes=16).load(trap("fine"))

    assert "ingest.worker_megabytes" in (caught.value.hint or "")


def test_a_large_grey_picture_of_sixteen_bits_needs_little_memory(
    open_jobs: Callable[..., IsolatedJobs], tmp_path: Path
) -> None:
    Image.new("I;16", (4000, 4000), 40_000).save(tmp_path / "a.tif", compression="tiff_lzw")
    source = Source(root=tmp_path, path="a.tif", size=1, modified_ns=0, content_hash="")
    jobs = open_jobs(worker_megabytes=400)  # all at once it takes 700 besides the interpreter
    (item,) = jobs.load(source)

    image = jobs.read_image(item, least_side=None)

    assert image.size == (4000, 4000)
    assert image.getextrema() == ((156, 156),) * 3


def test_a_picture_comes_over_pixel_by_pixel(
    open_jobs: Callable[..., IsolatedJobs], tmp_path: Path
) -> None:
    made = Image.effect_noise((1500, 1301), 80).convert("RGB")  # more than one strip
    made.save(tmp_path / "a.png")
    source = Source(root=tmp_path, path="a.png", size=1, modified_ns=0, content_hash="")
    jobs = open_jobs()
    (item,) = jobs.load(source)

    image = jobs.read_image(item, least_side=None)

    assert (image.mode, image.size) == ("RGB", (1500, 1301))
    assert image.tobytes() == made.tobytes()


def test_the_memory_that_is_allowed_grows_with_what_pictures_and_files_may_be() -> None:
    assert memory_limit(IngestConfig()) == 512 + 4 * 64 + 28 * 64
    assert memory_limit(IngestConfig(max_image_megapixels=100)) == 512 + 4 * 64 + 28 * 100
    assert memory_limit(IngestConfig(max_text_megabytes=100)) == 512 + 4 * 100 + 28 * 64
    assert memory_limit(IngestConfig(worker_megabytes=700)) == 700


def test_a_pipe_that_took_the_place_of_a_file_is_refused(
    open_jobs: Callable[..., IsolatedJobs], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "a.jpg")

    with pytest.raises(UnreadableFileError, match=re.escape("'a.jpg' is no regular file")):
        open_jobs().hash(tmp_path, "a.jpg")
