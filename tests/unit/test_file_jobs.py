"""Jobs of one file in this process: what goes wrong with it is its error, and no other."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from florilegium.config_sections import IngestConfig
from florilegium.errors import (
    FileTooLargeError,
    SourceError,
    UnreadableFileError,
    UnsupportedFileError,
    WeightsNotFoundError,
)
from florilegium.file_jobs import DirectJobs, JobLoader, loaders_by_suffix
from florilegium.ids import hash_bytes
from florilegium.types import Item, Modality, Source
from tests.unit import trap_loader
from tests.unit.trap_loader import TrapLoader


@pytest.fixture
def jobs() -> DirectJobs:
    return DirectJobs(
        loaders_by_suffix([TrapLoader()]).get, config=IngestConfig(max_file_megabytes=0.001)
    )


def source_of(folder: Path, text: str, name: str = "a.trap") -> Source:
    (folder / name).write_text(text, encoding="utf-8")
    return Source(root=folder, path=name, size=len(text), modified_ns=0, content_hash="")


def picture_of(source: Source, text: str) -> Item:
    return Item(
        id="1", source=source, modality=Modality.IMAGE, ordinal=0, title="", text=text, fields=()
    )


def test_a_file_is_hashed_and_loaded(jobs: DirectJobs, tmp_path: Path) -> None:
    source = source_of(tmp_path, "fine")

    assert jobs.hash(tmp_path, "a.trap") == hash_bytes(b"fine")
    assert [item.text for item in jobs.load(source)] == ["fine "]


def test_a_file_up_to_the_larger_limit_is_hashed(tmp_path: Path) -> None:
    source_of(tmp_path, "x" * 1500)
    small = {"max_text_megabytes": 0.001, "max_file_megabytes": 0.001}
    for limits in ({"max_text_megabytes": 0.002}, {"max_file_megabytes": 0.002}):
        config = IngestConfig.model_validate(small | limits)
        assert DirectJobs(loaders_by_suffix([]).get, config=config).hash(tmp_path, "a.trap")
    with pytest.raises(FileTooLargeError, match="has 1500 bytes, more than the limit of 1000"):
        DirectJobs(loaders_by_suffix([]).get, config=IngestConfig.model_validate(small)).hash(
            tmp_path, "a.trap"
        )


def test_a_sidecar_is_described_within_the_limit(jobs: DirectJobs, tmp_path: Path) -> None:
    (one,) = jobs.describe(source_of(tmp_path, '{"caption": "red"}', "rose.json"))

    assert (one.target, one.fields) == ("rose", (("caption", "red"),))
    with pytest.raises(FileTooLargeError):
        jobs.describe(source_of(tmp_path, " " * 1001, "rose.json"))


def test_a_file_without_a_loader_is_refused(jobs: DirectJobs, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFileError, match=r"No loader reads 'a\.odd' any more"):
        jobs.load(source_of(tmp_path, "", "a.odd"))


@pytest.mark.parametrize(
    ("trap", "words"),
    [
        ("defect", "its loader failed: KeyError: 'colour'."),
        ("leave", "its loader failed: SystemExit: 3."),
        ("recurse", "its loader failed: RecursionError: maximum"),
    ],
)
def test_a_defect_of_a_loader_is_an_error_of_the_file(
    jobs: DirectJobs, tmp_path: Path, trap: str, words: str
) -> None:
    source = source_of(tmp_path, trap)
    with pytest.raises(UnreadableFileError) as loading:
        jobs.load(source)
    with pytest.raises(UnreadableFileError) as reading:
        jobs.read_image(picture_of(source, trap), least_side=None)

    for caught in (loading, reading):
        assert caught.value.message.startswith(f"'a.trap' cannot be read, since {words}")
        assert caught.value.hint


def test_a_lack_of_memory_is_an_error_of_the_file(
    jobs: DirectJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(given: str) -> None:
        raise MemoryError

    monkeypatch.setitem(trap_loader.TRAPS, "fine", fail)

    with pytest.raises(FileTooLargeError, match="takes more memory than there is"):
        jobs.load(source_of(tmp_path, "fine"))


def test_errors_of_ours_come_through_as_they_are(jobs: DirectJobs, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^It is odd\.$"):
        jobs.load(source_of(tmp_path, "odd"))
    with pytest.raises(WeightsNotFoundError):
        jobs.load(source_of(tmp_path, "no-weights"))


def test_ctrl_c_is_not_blamed_on_a_file(
    jobs: DirectJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(given: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(trap_loader.TRAPS, "fine", press)

    with pytest.raises(KeyboardInterrupt):
        jobs.load(source_of(tmp_path, "fine"))


def test_a_picture_must_be_rgb(jobs: DirectJobs, tmp_path: Path) -> None:
    source = source_of(tmp_path, "fine-picture")

    assert jobs.read_image(picture_of(source, "fine"), least_side=None).mode == "RGB"
    with pytest.raises(UnreadableFileError, match="in the mode 'P', not RGB"):
        jobs.read_image(picture_of(source, "fine P"), least_side=None)


def test_a_picture_that_is_decoded_late_is_decoded_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: DirectJobs
) -> None:
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "cut.png")
    data = (tmp_path / "cut.png").read_bytes()
    source = source_of(tmp_path, "fine-picture")
    cut = Image.open(io.BytesIO(data[: len(data) // 2]))
    monkeypatch.setattr(TrapLoader, "read_image", lambda *_, **__: cut)

    with pytest.raises(UnreadableFileError, match="its loader failed: OSError"):
        jobs.read_image(picture_of(source, ""), least_side=None)


def test_a_loader_has_its_work_done_by_jobs(jobs: DirectJobs, tmp_path: Path) -> None:
    loader = JobLoader(frozenset({".trap"}), jobs)
    (item,) = loader.load(source_of(tmp_path, "fine-picture"))

    assert loader.suffixes == {".trap"}
    assert loader.read_image(item).size == (8, 8)
    with pytest.raises(UnreadableFileError):
        list(loader.load(source_of(tmp_path, "defect")))
