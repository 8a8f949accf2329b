"""What a worker does is what would be done here, with its own limits and its own encoder."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from florilegium import worker
from florilegium.config import TextEncoderConfig
from florilegium.config_sections import IngestConfig
from florilegium.errors import SourceError, UnreadableFileError
from florilegium.file_jobs import DirectJobs, FileJobs, loaders_by_suffix
from florilegium.ids import hash_file
from florilegium.isolation import IsolatedJobs
from florilegium.registry import open_loaders
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Description, Item, Source
from tests.conftest import write_tiny_folder
from tests.unit.worker_samples import children

Outcome = tuple[tuple[Item, ...], tuple[Description, ...], list[bytes], str]


def open_isolated() -> IsolatedJobs:
    """Return jobs for workers; none is started yet."""
    return IsolatedJobs(
        ingest=IngestConfig(worker_megabytes=600, chunk_tokens=32),
        text_encoder=TextEncoderConfig(name="fake:32"),
        cache_folder=Path("unused"),
    )


@pytest.fixture(scope="module")
def isolated() -> Iterator[IsolatedJobs]:
    with closing(open_isolated()) as jobs:
        yield jobs


@pytest.fixture
def direct() -> DirectJobs:
    config = IngestConfig(chunk_tokens=32)
    loaders = open_loaders(config=config, count_tokens=FakeEncoder(dim=32).count_tokens)
    return DirectJobs(loaders_by_suffix(loaders).get, config=config)


def attempt(do: Callable[[], tuple[Item, ...]]) -> tuple[Item, ...] | tuple[str, ...]:
    """Return what a job gives, or the code, message and hint of its error."""
    try:
        return do()
    except SourceError as error:
        return error.code, error.message, error.hint or ""


def test_a_worker_gives_what_this_process_would(
    isolated: IsolatedJobs, direct: DirectJobs, tmp_path: Path
) -> None:
    write_tiny_folder(tmp_path / "a")
    long = "It is a sentence with some words in it. " * 50
    (tmp_path / "a" / "long.md").write_text(f"# A title\n\n{long}\n\n![x](circle.png)\n")
    (tmp_path / "a" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    files = sorted(path for path in (tmp_path / "a").rglob("*") if path.is_file())
    for file in files:
        found = [one(file, tmp_path / "a") for one in (doing(isolated), doing(direct))]
        assert found[0] == found[1]
    assert len(files) == 9


def doing(jobs: FileJobs) -> Callable[[Path, Path], object]:
    """Return a function that has all jobs done with a file."""

    def do(file: Path, root: Path) -> object:
        path = file.relative_to(root).as_posix()
        content_hash = jobs.hash(root, path)
        assert content_hash == hash_file(file)
        source = Source(root=root, path=path, size=1, modified_ns=2, content_hash=content_hash)
        items = attempt(lambda: jobs.load(source))
        pictures = [
            jobs.read_image(item, least_side=16).tobytes()
            for item in items
            if isinstance(item, Item) and item.width
        ]
        return items, pictures

    return do


def test_a_worker_reads_sidecars(isolated: IsolatedJobs, tmp_path: Path) -> None:
    (tmp_path / "rose.json").write_text('{"caption": "a \\ud800 rose"}', encoding="utf-8")
    source = Source(root=tmp_path, path="rose.json", size=1, modified_ns=0, content_hash="")

    jobs = DirectJobs(loaders_by_suffix([]).get, config=IngestConfig())

    assert isolated.describe(source) == jobs.describe(source)
    (tmp_path / "rose.json").write_text("{", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="says nothing of pictures"):
        isolated.describe(source)


def test_a_worker_may_take_no_more_memory_than_it_was_told_and_leaves_no_core(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_text("Words.", encoding="utf-8")
    before = children()  # of other tests, which may have servers running
    with closing(open_isolated()) as jobs:
        jobs.hash(tmp_path, "a.txt")
        (pid,) = children() - before

        assert resource.prlimit(pid, resource.RLIMIT_DATA)[0] == 600_000_000
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        score = Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii")
        assert int(score) >= 500


def test_memory_that_is_lacking_is_found_behind_other_errors() -> None:
    hidden = SourceError("It is too much.")
    hidden.__cause__ = ValueError()
    assert not worker._lacks_memory(hidden)
    hidden.__cause__.__cause__ = MemoryError()
    assert worker._lacks_memory(hidden)
