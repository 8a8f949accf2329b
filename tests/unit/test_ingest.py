"""The index follows the folder: what is added, changed, moved and removed, and what each costs.

Runs that end early are in test_ingest_recovery.py, broken files in test_ingest_failures.py.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

from florilegium import Library
from florilegium.errors import IndexMismatchError
from florilegium.file_jobs import DirectJobs
from florilegium.report import Progress
from florilegium.stores.memory import MemoryStore
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Embeddings, Modality, Purpose
from tests.conftest import FAKES, draw
from tests.unit.index_state import paths, state_of

PICTURE = "<picture>"
Reopen = Callable[..., Library]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a growing list of what encoders ran on for the index, in order."""
    inputs: list[str] = []
    texts, images = FakeEncoder.encode_texts, FakeEncoder.encode_images

    def encode_texts(self: FakeEncoder, some: Sequence[str], *, purpose: Purpose) -> Embeddings:
        inputs.extend(some if purpose == "document" else ())
        return texts(self, some, purpose=purpose)

    def encode_images(self: FakeEncoder, some: Sequence[Image.Image]) -> Embeddings:
        inputs.extend(PICTURE for _ in some)
        return images(self, some)

    monkeypatch.setattr(FakeEncoder, "encode_texts", encode_texts)
    monkeypatch.setattr(FakeEncoder, "encode_images", encode_images)
    return inputs


@pytest.fixture
def reopen(tiny_library: Library) -> Iterator[Reopen]:
    """Return what opens the tiny library again, as another process would, with some overrides."""
    opened: list[Library] = []

    def open_again(**overrides: object) -> Library:
        tiny_library.close()
        values: Mapping[str, object] = {k.replace("__", "."): v for k, v in overrides.items()}
        opened.append(Library.open(tiny_library.root, overrides={**FAKES, **values}))
        return opened[-1]

    yield open_again
    for library in opened:
        library.close()


def make_later(file: Path) -> None:
    """Give a file a later time, whatever the clock's resolution."""
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))


def rewrite(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    make_later(file)


# -- the first run --


def test_the_first_run_adds_every_file(tiny_folder: Path) -> None:
    (tiny_folder / "song.mp3").write_bytes(b"ID3")
    with Library.create(tiny_folder, overrides=FAKES) as library:
        report = library.ingest()

    assert (report.added, report.updated, report.unchanged, report.removed) == (7, 0, 0, 0)
    assert (report.failed, report.remaining, report.ignored, report.seen) == ((), 0, 1, 7)
    assert not report.interrupted


def test_each_different_text_and_picture_is_encoded_once(
    tiny_folder: Path, encoded: list[str]
) -> None:
    with Library.create(tiny_folder, overrides=FAKES) as library:
        report = library.ingest()

    assert encoded.count(PICTURE) == 3
    assert len(encoded) == len(set(encoded)) + 2
    assert report.encoded == len(encoded)


def test_the_size_of_batches_does_not_change_the_index(
    tiny_library: Library, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "tiny"
    shutil.copytree(
        tiny_library.root, other, ignore=shutil.ignore_patterns(".florilegium", "*.toml")
    )
    overrides = {**FAKES, "ingest.batch_files": 1, "encoder.batch_size": 1}
    with Library.create(other, overrides=overrides) as library:
        library.ingest()

        one_by_one = state_of(library)

    assert one_by_one.vectors == state_of(tiny_library).vectors
    assert one_by_one.hits == state_of(tiny_library).hits


def test_the_name_of_a_picture_is_searched_by_meaning_too(tiny_library: Library) -> None:
    index = tiny_library.index

    assert len(index.store.ids(index.cards)) == 3


def test_progress_counts_each_file_when_it_is_read_and_when_it_is_done(
    tiny_folder: Path,
) -> None:
    seen: list[Progress] = []
    overrides = {**FAKES, "ingest.batch_files": 3}
    with Library.create(tiny_folder, overrides=overrides) as library:
        library.ingest(progress=seen.append)

        known = sorted(library.index.catalog.sources())

    assert sorted({one.path for one in seen if one.step == "reading"} - {""}) == known
    assert sorted({one.path for one in seen if one.step == "writing"} - {""}) == known
    assert {one.path for one in seen if one.step == "encoding"} == {""}
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert {one.done for one in seen} == set(range(8))
    assert {one.read for one in seen} == set(range(1, 8))
    assert {one.total for one in seen} == {7}


def test_progress_moves_while_many_pictures_wait_for_one_batch(tmp_path: Path) -> None:
    for number in range(10):
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(tmp_path / f"{number}.png")
    seen: list[Progress] = []

    with Library.create(tmp_path, overrides={**FAKES, "encoder.batch_size": 10}) as library:
        library.ingest(progress=seen.append)

    before = seen[: next(at for at, one in enumerate(seen) if one.step == "encoding")]
    assert [one.read for one in before] == list(range(1, 11))
    assert {one.done for one in before} == {0}


# -- nothing is done twice --


def test_a_second_run_opens_no_file_encodes_nothing_and_writes_nothing(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened, or a record was written")

    before = state_of(tiny_library)
    monkeypatch.setattr(DirectJobs, "hash", fail)
    monkeypatch.setattr(MemoryStore, "upsert", fail)
    monkeypatch.setattr(MemoryStore, "delete", fail)

    report = tiny_library.ingest()

    assert (report.unchanged, report.seen, report.encoded) == (7, 7, 0)
    assert state_of(tiny_library) == before


def test_a_file_with_a_new_time_and_the_same_bytes_is_unchanged(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_later(tiny_library.root / "circle.png")
    first = tiny_library.ingest()
    monkeypatch.setattr(DirectJobs, "hash", lambda *names: pytest.fail(str(names)))
    second = tiny_library.ingest()

    assert (first.unchanged, first.updated, first.encoded) == (7, 0, 0)
    assert second.unchanged == 7  # the new time was noted, so the file is not hashed again


def test_a_renamed_text_is_found_under_its_new_name_only_and_encodes_nothing(
    tiny_library: Library, encoded: list[str]
) -> None:
    (tiny_library.root / "circle.md").rename(tiny_library.root / "round.md")

    report = tiny_library.ingest()

    assert (report.added, report.removed, report.unchanged, report.encoded) == (1, 1, 6, 0)
    assert encoded == []
    found = paths(tiny_library.search("green circle corners", modality="text", top_k=100))
    assert found[0] == "round.md"
    assert "circle.md" not in found


def test_a_moved_picture_keeps_its_embedding_and_only_its_new_name_is_encoded(
    tiny_library: Library, encoded: list[str]
) -> None:
    (tiny_library.root / "shapes").mkdir()
    (tiny_library.root / "red square.png").rename(tiny_library.root / "shapes" / "box.png")

    report = tiny_library.ingest()

    assert (report.added, report.removed) == (1, 1)
    assert encoded == ["shapes box"]
    found = paths(tiny_library.search("red", modality="image", top_k=100))
    assert found[0] == "shapes/box.png"
    assert "red square.png" not in found


def test_a_picture_renamed_in_the_same_words_encodes_nothing(tiny_library: Library) -> None:
    (tiny_library.root / "red square.png").rename(tiny_library.root / "red_square-002.png")

    assert tiny_library.ingest().encoded == 0


def test_copies_encode_nothing_and_each_is_found(tiny_library: Library) -> None:
    root = tiny_library.root
    (root / "copies").mkdir()
    for name in ("circle.md", "notes/triangle.png"):
        shutil.copy(root / name, root / "copies" / f"IMG_00{len(name)}{Path(name).suffix}")

    report = tiny_library.ingest()

    assert (report.added, report.removed) == (2, 0)
    assert report.encoded == 1  # "copies", the name of the folder
    (best, *_) = tiny_library.search("blue", modality="image", top_k=100)
    found = {best.item.source.path, *(item.source.path for item in best.duplicates)}
    assert found == {"notes/triangle.png", "copies/IMG_0018.png"}


# -- changes --


def test_a_changed_text_replaces_its_old_chunks(tiny_library: Library) -> None:
    rewrite(tiny_library.root / "red square.txt", "A crimson quadrangle.\n")

    report = tiny_library.ingest()

    assert (report.added, report.updated, report.unchanged) == (0, 1, 6)
    everything = tiny_library.search("square tomato", modality="text", top_k=100)
    assert not any("tomato" in hit.item.text for hit in everything)
    words = tiny_library.index.catalog.search_words
    assert words("tomato", Modality.TEXT, top_k=9) == []
    assert len(words("quadrangle", Modality.TEXT, top_k=9)) == 1
    state_of(tiny_library)


def test_a_text_that_shrinks_leaves_no_record_behind(tiny_library: Library) -> None:
    file = tiny_library.root / "notes" / "garden.md"
    before = state_of(tiny_library)
    original = file.read_text(encoding="utf-8")
    rewrite(file, "\n\n".join(f"Paragraph {n} tells of tulips." * 40 for n in range(5)))
    tiny_library.ingest()
    grown = len(tiny_library.index.catalog.items_of(["notes/garden.md"]))
    rewrite(file, original)
    tiny_library.ingest()

    assert grown > 1
    assert state_of(tiny_library).vectors == before.vectors
    assert state_of(tiny_library).hits == before.hits


def test_a_changed_picture_is_found_by_what_it_shows_now(tiny_library: Library) -> None:
    draw("yellow", "circle").save(tiny_library.root / "circle.png")
    make_later(tiny_library.root / "circle.png")

    report = tiny_library.ingest()

    assert (report.updated, report.encoded) == (1, 1)
    assert paths(tiny_library.search("yellow", modality="image"))[0] == "circle.png"


def test_a_removed_file_is_found_no_more(tiny_library: Library) -> None:
    (tiny_library.root / "notes" / "garden.md").unlink()

    report = tiny_library.ingest()

    assert (report.removed, report.unchanged, report.seen) == (1, 6, 6)
    assert "notes/garden.md" not in paths(tiny_library.search("roses water", top_k=100))
    state_of(tiny_library)


def test_a_card_has_the_words_that_texts_use_at_a_link_as_long_as_they_do(
    tiny_library: Library,
) -> None:
    root = tiny_library.root

    def find_velvet() -> list[tuple[str, float]]:
        return tiny_library.index.catalog.search_words("velvet", Modality.IMAGE, top_k=9)

    draw("black", "square").save(root / "IMG_0234.png")
    rewrite(root / "notes" / "garden.md", "![velvet slate](../IMG_0234.png)\n")
    tiny_library.ingest()
    named = find_velvet()
    cards = len(tiny_library.index.store.ids(tiny_library.index.cards))
    rewrite(root / "notes" / "garden.md", "Nothing to see.\n")
    tiny_library.ingest()

    assert (len(named), cards) == (1, 4)
    assert find_velvet() == []
    assert len(tiny_library.index.store.ids(tiny_library.index.cards)) == 3
    state_of(tiny_library)


def test_a_link_appears_and_disappears_with_the_text_that_makes_it(tiny_library: Library) -> None:
    before = [link.other for link in tiny_library.index.catalog.links(["circle.png"])]
    (tiny_library.root / "circle.md").unlink()
    tiny_library.ingest()

    assert set(before) == {"circle.md"}
    assert tiny_library.index.catalog.links(["circle.png"]) == []


# -- other settings --


def test_another_chunk_size_cuts_anew_but_encodes_no_sentence_again(
    reopen: Reopen, encoded: list[str]
) -> None:
    file = reopen().root / "long.txt"
    sentences = [f"Number {n} of the tall tulips grows beside a stone wall." for n in range(12)]
    file.write_text(" ".join(sentences), encoding="utf-8")
    reopen().ingest()
    first, chunks = list(encoded), len(reopen().index.catalog.items_of(["long.txt"]))
    encoded.clear()

    library = reopen(ingest__chunk_tokens=32)
    report = library.ingest()

    assert (report.updated, report.added) == (8, 0)
    assert len(library.index.catalog.items_of(["long.txt"])) > chunks
    assert set(sentences) <= set(first)
    assert encoded
    assert not set(encoded) & set(first)
    state_of(library)


def test_after_another_chunk_size_the_next_run_is_quiet(reopen: Reopen) -> None:
    reopen(ingest__chunk_tokens=32).ingest()

    assert reopen(ingest__chunk_tokens=32).ingest().unchanged == 7


@pytest.mark.parametrize("store", ["memory", "chroma"])
def test_a_lost_store_is_made_again_without_encoding(
    tiny_folder: Path, store: str, encoded: list[str]
) -> None:
    overrides = {**FAKES, "store.name": store}
    with Library.create(tiny_folder, overrides=overrides) as library:
        library.ingest()
        before = state_of(library)
    encoded.clear()
    shutil.rmtree(tiny_folder / ".florilegium" / "index-1" / "store")
    with Library.open(tiny_folder, overrides=overrides) as library:
        report = library.ingest()

        assert (report.added, report.encoded, encoded) == (7, 0, [])
        assert state_of(library) == before


def test_another_store_is_filled_without_encoding(reopen: Reopen) -> None:
    library = reopen(store__name="chroma")

    assert library.ingest().encoded == 0
    assert paths(library.search("red", modality="image"))[0] == "red square.png"
    state_of(library)


def test_a_rebuild_makes_the_same_index_without_encoding(tiny_library: Library) -> None:
    before = state_of(tiny_library)

    report = tiny_library.ingest(rebuild=True)

    assert (report.added, report.encoded) == (7, 0)
    assert state_of(tiny_library) == before


def test_other_encoders_are_refused_until_the_index_is_rebuilt(reopen: Reopen) -> None:
    library = reopen(encoder__name="fake:64", text_encoder__name="fake:64")

    with pytest.raises(IndexMismatchError, match=r"fake:32 \(.*fake:64"):
        library.search("red")
    with pytest.raises(IndexMismatchError) as refused:
        library.ingest()
    assert "--rebuild" in (refused.value.hint or "")

    assert library.ingest(rebuild=True).added == 7
    assert paths(library.search("red", modality="image"))[0] == "red square.png"
