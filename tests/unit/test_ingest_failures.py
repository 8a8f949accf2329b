"""A file that fails is in the report with its reason, costs no other file, and is tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import filelock
import numpy as np
import pytest
from PIL import Image

from florilegium import Library
from florilegium.errors import (
    EncoderError,
    IndexLockedError,
    IndexNotFoundError,
    SourceError,
    StoreError,
    UnreadableFileError,
)
from florilegium.file_jobs import DirectJobs
from florilegium.ids import hash_file
from florilegium.ingest import ingest
from florilegium.loaders.image import ImageLoader
from florilegium.report import FailedFile
from florilegium.testing.chat_model import FakeChatModel
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Embeddings, Item, Modality
from tests.conftest import FAKES, TEXTS, draw
from tests.unit.index_state import paths, state_of
from tests.unit.test_ingest import make_later


def cut_off(file: Path) -> None:
    """Write half of a picture."""
    draw("blue", "square").save(file)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    make_later(file)


def binary(file: Path) -> None:
    """Write bytes that are no text in any encoding."""
    file.write_bytes(bytes(range(256)) * 8)
    make_later(file)


def empty(file: Path) -> None:
    """Write nothing."""
    file.write_bytes(b"")
    make_later(file)


def too_large(file: Path) -> None:
    """Write a picture of more than a million pixels."""
    Image.new("RGB", (1100, 1000)).save(file)


def summary(failed: Sequence[FailedFile]) -> list[tuple[str, str]]:
    """Return path and code of each failure."""
    return [(one.path, one.code) for one in failed]


@pytest.mark.parametrize(
    ("name", "spoil", "code"),
    [
        ("cut.png", cut_off, "source_unreadable"),
        ("empty.png", empty, "source_unreadable"),
        ("text.jpg", binary, "source_unreadable"),
        ("large.png", too_large, "source_too_large"),
        ("binary.txt", binary, "source_unreadable"),
    ],
)
def test_a_broken_file_is_reported_and_all_others_are_ingested(
    tiny_folder: Path, name: str, spoil: Callable[[Path], None], code: str
) -> None:
    spoil(tiny_folder / name)
    overrides = {**FAKES, "ingest.max_image_megapixels": 1.0}
    with Library.create(tiny_folder, overrides=overrides) as library:
        report = library.ingest()

        assert summary(report.failed) == [(name, code)]
        assert name in report.failed[0].message
        assert report.failed[0].hint
        assert (report.added, report.seen) == (7, 8)
        assert library.statistics().failed == report.failed
        assert name not in library.index.catalog.sources()
        state_of(library)


def test_an_empty_text_is_no_failure_and_holds_nothing(tiny_library: Library) -> None:
    empty(tiny_library.root / "empty.txt")

    assert (tiny_library.ingest().added, tiny_library.ingest().unchanged) == (1, 8)
    assert tiny_library.index.catalog.items_of(["empty.txt"]) == []
    state_of(tiny_library)


def test_files_of_unknown_kinds_are_counted_and_not_seen(tiny_library: Library) -> None:
    (tiny_library.root / "film.mp4").write_bytes(b"x")

    report = tiny_library.ingest()

    assert (report.ignored, report.seen, report.failed) == (1, 7, ())


@pytest.mark.parametrize(
    ("name", "spoil"), [("red square.png", cut_off), ("red square.txt", binary)]
)
def test_a_good_file_that_breaks_leaves_the_index(
    tiny_library: Library, name: str, spoil: Callable[[Path], None]
) -> None:
    spoil(tiny_library.root / name)

    report = tiny_library.ingest()

    assert summary(report.failed) == [(name, "source_unreadable")]
    assert (report.unchanged, report.updated, report.removed, report.seen) == (6, 0, 0, 7)
    assert name not in paths(tiny_library.search("red square", top_k=100))
    state_of(tiny_library)


def test_a_failed_file_is_tried_again_until_it_is_mended(tiny_library: Library) -> None:
    file = tiny_library.root / "late.png"
    cut_off(file)
    first, second = tiny_library.ingest(), tiny_library.ingest()
    draw("yellow", "square").save(file)
    third = tiny_library.ingest()

    assert summary(first.failed) == summary(second.failed) == [("late.png", "source_unreadable")]
    assert (third.failed, third.added, third.unchanged) == ((), 1, 7)
    assert tiny_library.statistics().failed == ()
    assert paths(tiny_library.search("yellow", modality="image"))[0] == "late.png"


def test_a_failed_file_that_is_removed_is_forgotten(tiny_library: Library) -> None:
    cut_off(tiny_library.root / "late.png")
    tiny_library.ingest()
    (tiny_library.root / "late.png").unlink()

    report = tiny_library.ingest()

    assert (report.failed, report.removed) == ((), 0)
    assert tiny_library.statistics().failed == ()


def test_a_picture_that_vanishes_before_it_is_encoded_fails_alone(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ImageLoader.read_image

    def vanish(self: ImageLoader, item: Item, *, least_side: int | None = None) -> Image.Image:
        if item.source.path == "circle.png":
            raise UnreadableFileError("'circle.png' cannot be read: no such file.")
        return read(self, item, least_side=least_side)

    monkeypatch.setattr(ImageLoader, "read_image", vanish)
    with Library.create(tiny_folder, overrides=FAKES) as library:
        report = library.ingest()

        assert summary(report.failed) == [("circle.png", "source_unreadable")]
        assert (report.added, report.seen) == (6, 7)
        assert "circle.png" not in library.index.catalog.sources()
        assert paths(library.search("red", modality="image"))[0] == "red square.png"
        state_of(library)


def test_progress_counts_the_files_that_failed(tiny_library: Library) -> None:
    for name in ("a.png", "b.png"):
        cut_off(tiny_library.root / name)
    counts: list[int] = []

    tiny_library.ingest(progress=lambda progress: counts.append(progress.failed))

    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2}


def _no_rows(self: FakeEncoder, images: Sequence[Image.Image]) -> Embeddings:
    return np.zeros((0, 32), dtype=np.float32)


def _not_finite(self: FakeEncoder, images: Sequence[Image.Image]) -> Embeddings:
    return np.full((len(images), 32), np.nan, dtype=np.float32)


@pytest.mark.parametrize("encode_images", [_no_rows, _not_finite])
def test_an_encoder_that_fails_stops_the_run_and_spoils_nothing(
    tiny_library: Library,
    monkeypatch: pytest.MonkeyPatch,
    encode_images: Callable[[FakeEncoder, Sequence[Image.Image]], Embeddings],
) -> None:
    before = state_of(tiny_library)
    draw("yellow", "square").save(tiny_library.root / "new.png")
    with monkeypatch.context() as patch:
        patch.setattr(FakeEncoder, "encode_images", encode_images)
        with pytest.raises(EncoderError):
            tiny_library.ingest()

    assert state_of(tiny_library) == before
    assert tiny_library.ingest().added == 1
    state_of(tiny_library)


def test_only_one_process_writes_at_a_time(tiny_library: Library) -> None:
    before = state_of(tiny_library)
    (tiny_library.root / "circle.md").unlink()
    other = filelock.FileLock(tiny_library.root / ".florilegium" / "lock")
    with other.acquire(timeout=0):
        with pytest.raises(IndexLockedError, match=r"Another process is writing.*tiny"):
            tiny_library.ingest()
        with pytest.raises(IndexLockedError):
            tiny_library.ingest(rebuild=True)

        assert state_of(tiny_library) == before
    assert tiny_library.ingest().removed == 1


def test_the_lock_is_free_again_after_a_run_that_failed(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("florilegium.ingest.scan_folder", fail)
        with pytest.raises(StoreError, match="No space left on device"):
            tiny_library.ingest()

    assert tiny_library.ingest().unchanged == 7


def test_searching_goes_on_while_another_process_writes(tiny_library: Library) -> None:
    other = filelock.FileLock(tiny_library.root / ".florilegium" / "lock")
    with other.acquire(timeout=0):
        assert paths(tiny_library.search("red", modality="image"))[0] == "red square.png"


def test_pictures_of_a_failed_batch_keep_the_right_embeddings(tiny_folder: Path) -> None:
    # A failed picture must not shift the embeddings of those after it.
    for n, colour in enumerate(["yellow", "orange", "purple", "black"]):
        draw(colour, "square").save(tiny_folder / f"{n}.png")
    cut_off(tiny_folder / "1.png")
    with Library.create(tiny_folder, overrides=FAKES) as library:
        library.ingest()
        index = library.index
        items = {item.source.path: item.id for item, _ in index.catalog.all_items(Modality.IMAGE)}
        found = {
            record.item_id: int(record.embedding.argmax())
            for record in index.store.get(index.pictures, sorted(index.store.ids(index.pictures)))
        }
        wanted = {
            name: int(FakeEncoder(dim=32).encode_images([draw(colour, "square")]).argmax())
            for name, colour in (("0.png", "yellow"), ("2.png", "purple"), ("3.png", "black"))
        }

    assert {name: found[items[name]] for name in wanted} == wanted


# -- nothing to ingest --


def test_an_empty_folder_is_refused_with_the_kinds_that_can_be_read(tmp_path: Path) -> None:
    with (
        Library.create(tmp_path / "new", overrides=FAKES) as library,
        pytest.raises(SourceError, match="holds no picture or text") as refused,
    ):
        library.ingest()

    assert ".jpg" in (refused.value.hint or "")
    assert ".md" in (refused.value.hint or "")


def test_a_folder_of_other_kinds_only_is_refused_with_their_number(tmp_path: Path) -> None:
    for name in ("a.mp3", "b.zip"):
        (tmp_path / name).write_bytes(b"x")
    with (
        Library.create(tmp_path, overrides=FAKES) as library,
        pytest.raises(SourceError, match=r"\(2 files of other kinds\)"),
    ):
        library.ingest()


def test_a_folder_that_was_emptied_keeps_its_index(tiny_library: Library) -> None:
    # A disk that is not mounted looks the same.
    before = state_of(tiny_library)
    for name in [*TEXTS, "red square.png", "circle.png", "notes/triangle.png"]:
        (tiny_library.root / name).unlink()

    with pytest.raises(SourceError):
        tiny_library.ingest()
    assert state_of(tiny_library) == before


def test_a_missing_folder_is_refused(tiny_library: Library, tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        ingest(
            tmp_path / "gone",
            index=tiny_library.index,
            loaders=[],
            config=tiny_library.settings.config,
            open_chat_model=FakeChatModel,
        )


@pytest.mark.parametrize("name", ["red square.png", "circle.md"])
def test_a_file_that_changes_while_it_is_read_is_tried_again(
    tiny_folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of it must not be kept under the hash of its earlier content."""

    def hash_and_change(self: DirectJobs, root: Path, path: str) -> str:
        content_hash = hash_file(root / path)
        if path == name:
            make_later(root / path)
        return content_hash

    with Library.create(tiny_folder, overrides=FAKES) as library:
        with monkeypatch.context() as patch:
            patch.setattr(DirectJobs, "hash", hash_and_change)
            report = library.ingest()

        assert summary(report.failed) == [(name, "source_unreadable")]
        assert "changed while it was read" in report.failed[0].message
        assert library.ingest().added == 1
        state_of(library)
