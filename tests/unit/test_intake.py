"""Files arrive in order, read and encoded ahead; nothing is read twice, and nobody is held up.

Loaders and consumers wait for each other by events, so nothing depends on how fast they are.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image

from florilegium.encode import Loaded
from florilegium.errors import EncoderError, UnreadableFileError
from florilegium.ids import hash_file
from florilegium.intake import Arrived, Failed, Unchanged
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Item, Source
from tests.conftest import draw
from tests.unit.intake_samples import AlbumLoader, Folder, SmallEncoder
from tests.unit.test_encode import Encoder

PATIENCE = 30.0  # seconds until a test gives up that would else hang


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path, encoder=Encoder(dim=16))
    yield folder
    folder.close()


@pytest.fixture
def small_folder(tmp_path: Path) -> Iterator[Folder]:
    """Return a folder whose encoder sees small pictures."""
    folder = Folder(tmp_path, encoder=SmallEncoder())
    yield folder
    folder.close()


def path_of(arrived: Arrived) -> str:
    """Return which file arrived."""
    return arrived.path if isinstance(arrived, Failed) else arrived.source.path


def loaded(arrived: Arrived) -> Loaded:
    """Return a file that must have been loaded."""
    assert isinstance(arrived, Loaded)
    return arrived


def failed(arrived: Arrived) -> Failed:
    """Return a file that must have failed."""
    assert isinstance(arrived, Failed)
    return arrived


# -- what arrives --


def test_files_arrive_in_their_order_whatever_takes_long(folder: Folder) -> None:
    names = folder.fill("a.png", "b.txt", "c.png", "d.txt", "e.txt", "f.png", "g.txt")

    assert [path_of(one) for one in folder.arrivals(*names)] == list(names)


def test_a_file_arrives_with_its_items_and_the_embeddings_of_its_pictures(folder: Folder) -> None:
    picture, text = map(loaded, folder.arrivals(*folder.fill("a.png", "b.txt")))

    assert [item.text for item in text.items] == ["This is called b.txt."]
    assert text.pictures == {}
    (item,) = picture.items
    wanted = FakeEncoder(dim=16).encode_images([draw("red", "square")])[0]
    assert list(picture.pictures) == [item.id]
    assert np.array_equal(picture.pictures[item.id], wanted)
    assert picture.source.content_hash == hash_file(folder.root / "a.png")


def test_a_file_with_known_content_is_not_loaded(folder: Folder) -> None:
    folder.fill("a.png", "b.txt")
    folder.pictures.before_load = lambda source: pytest.fail("it is loaded")
    known = {"a.png": hash_file(folder.root / "a.png"), "b.txt": "something else"}

    first, second = folder.arrivals("a.png", "b.txt", known=known)

    assert isinstance(first, Unchanged)
    assert first.source.content_hash == known["a.png"]
    assert isinstance(second, Loaded)


def test_a_file_that_cannot_be_read_fails_alone(folder: Folder) -> None:
    names = folder.fill("a.png", "b.png", "c.txt", "d.png")
    data = (folder.root / "b.png").read_bytes()
    (folder.root / "b.png").write_bytes(data[: len(data) // 2])
    (folder.root / "c.txt").write_bytes(bytes(range(256)) * 8)

    first, cut, binary, last = folder.arrivals(*names)

    assert (failed(cut).path, failed(cut).error.code) == ("b.png", "source_unreadable")
    assert (failed(binary).path, failed(binary).error.code) == ("c.txt", "source_unreadable")
    assert len(loaded(first).pictures) == len(loaded(last).pictures) == 1


def test_a_file_that_may_not_be_opened_is_named(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("florilegium.reading.os.open", refuse)

    (arrived,) = folder.arrivals(*folder.fill("a.txt"))

    assert failed(arrived).error.message == "'a.txt' cannot be read: Permission denied."
    assert failed(arrived).error.hint


def test_a_picture_that_changes_before_it_is_decoded_fails(folder: Folder) -> None:
    names = folder.fill("a.png")
    folder.pictures.before_read = lambda item: draw("blue", "square", size=99).save(
        item.source.file
    )

    (arrived,) = folder.arrivals(*names)

    assert "changed while it was read" in failed(arrived).error.message
    assert folder.encoder.batches == []


def test_no_files_are_no_arrivals(folder: Folder) -> None:
    assert list(folder.arrivals()) == []


# -- batches of pictures --


@pytest.mark.parametrize("batch_files", [1, 2, 100])
def test_the_encoder_is_given_full_batches_across_files(folder: Folder, batch_files: int) -> None:
    names = folder.fill(*(f"{n}.png" for n in range(7)), "a.txt", "b.txt")

    arrived = list(folder.arrivals(*names, batch_files=batch_files, batch_pictures=3))

    assert folder.encoder.batches == [3, 3, 1]
    assert folder.encoded == 7
    assert {path_of(one) for one in arrived} == set(names)


def test_large_pictures_do_not_wait_for_a_full_batch(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("florilegium.intake._MOST_PIXELS", 70 * 70)

    list(folder.arrivals(*folder.fill("a.png", "b.png", "c.png")))

    assert folder.encoder.batches == [2, 1]


def test_files_of_the_same_content_are_encoded_once(folder: Folder) -> None:
    folder.fill("a.png")
    names = ["a.png", *(f"copy {n}.png" for n in range(5))]
    for name in names[1:]:
        shutil.copy(folder.root / "a.png", folder.root / name)

    files = [loaded(one) for one in folder.arrivals(*names)]

    assert folder.encoder.batches == [1]
    assert len(folder.pictures.read) == 1
    assert folder.encoded == 1
    rows = [row for file in files for row in file.pictures.values()]
    assert len(rows) == 6
    assert all(np.array_equal(row, rows[0]) for row in rows)
    assert len({item for file in files for item in file.pictures}) == 6


def test_a_copy_stands_in_for_a_picture_that_has_gone(folder: Folder) -> None:
    folder.fill("0.png")
    for name in ("1.png", "2.png"):
        shutil.copy(folder.root / "0.png", folder.root / name)

    def vanish(item: Item) -> None:
        if len(folder.pictures.read) < 3:
            raise UnreadableFileError(f"{item.source.path!r} has gone.")

    folder.pictures.before_read = vanish

    arrived = list(folder.arrivals("0.png", "1.png", "2.png"))

    gone = [one for one in arrived if isinstance(one, Failed)]
    (whole,) = (one for one in arrived if isinstance(one, Loaded))
    assert [one.error.message for one in gone] == [f"{one.path!r} has gone." for one in gone]
    assert {path_of(one) for one in arrived} == {"0.png", "1.png", "2.png"}
    assert len(whole.pictures) == 1


def test_a_picture_in_the_cache_is_not_decoded(folder: Folder) -> None:
    names = folder.fill("a.png", "b.png")
    first = [loaded(one) for one in folder.arrivals(*names)]
    folder.pictures.before_read = lambda item: pytest.fail("it is decoded")

    second = [loaded(one) for one in folder.arrivals(*names)]

    assert (folder.encoder.batches, folder.encoded) == ([2], 2)
    for before, after in zip(first, second, strict=True):
        (id_,) = before.pictures
        assert np.array_equal(after.pictures[id_], before.pictures[id_])


def test_every_picture_of_a_file_has_its_row(folder: Folder) -> None:
    folder.by_suffix[".album"] = AlbumLoader()

    (arrived,) = folder.arrivals(*folder.fill("a.album"), batch_pictures=2)

    colours = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    wanted = FakeEncoder(dim=16).encode_images(colours)
    rows = [loaded(arrived).pictures[item.id] for item in loaded(arrived).items]
    assert np.array_equal(rows, wanted)
    assert folder.encoder.batches == [2, 1]


def test_a_file_whose_pictures_are_broken_fails_once(folder: Folder) -> None:
    folder.by_suffix[".album"] = AlbumLoader(0, 2)

    first, second = folder.arrivals(*folder.fill("a.album", "b.txt"))

    assert failed(first).error.code == "source_unreadable"
    assert isinstance(second, Loaded)


# -- how pictures are prepared --


def test_the_encoder_is_given_what_it_prepared_from_a_picture_of_twice_its_side(
    small_folder: Folder,
) -> None:
    list(small_folder.arrivals(*small_folder.fill("a.png")))

    assert small_folder.pictures.read == [("a.png", 16)]
    assert isinstance(small_folder.encoder, SmallEncoder)
    assert small_folder.encoder.sizes == [(8, 8)]


def test_an_encoder_that_says_no_side_is_given_whole_pictures(folder: Folder) -> None:
    list(folder.arrivals(*folder.fill("a.png")))

    assert folder.pictures.read == [("a.png", None)]


# -- one file that takes long --


def test_a_huge_file_is_overtaken_by_the_rest(folder: Folder) -> None:
    names = folder.fill("a.png", *(f"{n}.png" for n in range(20)))
    rest_is_done = Event()
    folder.pictures.before_read = lambda item: (
        item.source.path != "a.png" or rest_is_done.wait(PATIENCE) or pytest.fail("stalled")
    )
    arrived: list[str] = []
    for one in folder.arrivals(*names, batch_files=1, batch_pictures=1):
        arrived.append(path_of(one))
        if len(arrived) == 18:  # the rest may still be behind it
            rest_is_done.set()

    assert set(arrived) == set(names)
    assert "a.png" not in arrived[:18]


def test_files_count_as_ready_before_the_first_one_lets_them_be_given_out(folder: Folder) -> None:
    names = folder.fill("a.png", *(f"{n}.png" for n in range(8)))

    def wait(item: Item) -> None:
        if item.source.path == "a.png":
            for _ in range(round(PATIENCE / 0.01)):
                if len(folder.ready) == 8:
                    return
                Event().wait(0.01)
            pytest.fail("The rest did not count.")

    folder.pictures.before_read = wait

    arrived = [path_of(one) for one in folder.arrivals(*names, batch_pictures=1)]

    assert arrived == list(names)
    assert folder.ready == list(range(1, 10))


def test_a_file_that_is_a_little_late_keeps_its_place(folder: Folder) -> None:
    names = folder.fill("a.txt", *(f"{n}.png" for n in range(8)))
    pictures_are_read = Event()
    folder.texts.before_load = lambda source: pictures_are_read.wait(PATIENCE)

    def note(item: Item) -> None:
        if len(folder.pictures.read) == 8:
            pictures_are_read.set()

    folder.pictures.before_read = note

    assert [path_of(one) for one in folder.arrivals(*names)] == list(names)
    assert len(folder.pictures.read) == 8


# -- how much is ahead --


class Lead:
    """How many files are begun before those that have arrived, at most."""

    def __init__(self) -> None:
        self.arrived = 0
        self.most = 0
        self._begun = 0
        self._lock = threading.Lock()

    def begin(self, _: Source) -> None:
        with self._lock:
            self._begun += 1
            self.most = max(self.most, self._begun - self.arrived)


def lead_of(folder: Folder, *names: str, batch_files: int, batch_pictures: int) -> int:
    """Return how many files were ahead at most while all were taken in."""
    lead = Lead()
    folder.texts.before_load = lead.begin
    for _ in folder.arrivals(*names, batch_files=batch_files, batch_pictures=batch_pictures):
        lead.arrived += 1
    assert lead.arrived == len(names)
    return lead.most


@pytest.mark.parametrize(
    ("batch_files", "batch_pictures", "most"), [(1, 1, 4), (3, 2, 12), (1, 5, 20)]
)
def test_files_ahead_are_at_most_four_batches(
    folder: Folder, batch_files: int, batch_pictures: int, most: int
) -> None:
    names = folder.fill(*(f"{n}.txt" for n in range(60)))

    lead = lead_of(folder, *names, batch_files=batch_files, batch_pictures=batch_pictures)

    assert 1 <= lead <= most


def test_large_texts_are_not_gathered(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    names = folder.fill(*(f"{n}.txt" for n in range(10)))  # of 21 bytes each
    monkeypatch.setattr("florilegium.intake.ROOM", 45)

    assert lead_of(folder, *names, batch_files=32, batch_pictures=16) <= 2


# -- the end --


def test_what_is_no_fault_of_a_file_ends_everything(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FakeEncoder, image: Image.Image) -> Image.Image:
        raise EncoderError("The encoder takes texts only.")

    monkeypatch.setattr(FakeEncoder, "prepare_image", fail)

    with pytest.raises(EncoderError, match="texts only"):
        list(folder.arrivals(*folder.fill("a.png", "b.txt")))


def test_unusable_rows_end_everything_and_are_not_kept(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = folder.fill("a.png", "b.txt")
    with monkeypatch.context() as patch:
        patch.setattr(FakeEncoder, "encode_images", lambda self, images: np.zeros((3, 16)))
        with pytest.raises(EncoderError, match=r"\(3, 16\)"):
            list(folder.arrivals(*names))

    list(folder.arrivals(*names))
    assert folder.encoded == 1


def test_who_stops_asking_leaves_no_thread(folder: Folder) -> None:
    names = folder.fill(*(f"{n}.png" for n in range(30)))

    with closing(folder.arrivals(*names, batch_files=1, batch_pictures=1)) as arriving:
        first = next(arriving)

    assert path_of(first) in names  # whichever was read first
