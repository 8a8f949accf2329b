"""Each picture is hashed once: where it is decoded, or afterwards where it was not."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from florilegium import Library, picture_hashes
from florilegium.cache import EmbeddingCache
from florilegium.encode import picture_key
from florilegium.loaders.image import ImageLoader
from florilegium.near_duplicates import are_near_duplicates
from florilegium.picture_hashes import hashes_of
from florilegium.types import Item, Modality
from tests.conftest import FAKES


def draw_scene(file: Path, seed: int, *, size: tuple[int, int] = (90, 70)) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for seed in range(5):
        draw_scene(folder / f"{seed}.png", seed)
    draw_scene(folder / "0 large.png", 0, size=(180, 140))
    Image.new("RGB", (50, 50), "white").save(folder / "plain.png")
    (folder / "text.txt").write_text("Nothing to see.", encoding="utf-8")
    Library.create(folder, overrides=FAKES).close()
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a growing list of the pictures that are decoded."""
    names: list[str] = []
    read_image = ImageLoader.read_image

    def read_and_note(
        self: ImageLoader, item: Item, *, least_side: int | None = None
    ) -> Image.Image:
        names.append(item.source.path)
        return read_image(self, item, least_side=least_side)

    monkeypatch.setattr(ImageLoader, "read_image", read_and_note)
    return names


def ingest(folder: Path, *, rebuild: bool = False) -> tuple[dict[str, bytes], int]:
    """Ingest; return the hashes by path, and how many inputs were encoded."""
    with Library.open(folder, overrides=FAKES) as library:
        report = library.ingest(rebuild=rebuild)
        assert not report.failed
        index = library._parts.index()
        items = [item for item, _ in index.catalog.all_items(Modality.IMAGE)]
        hashes = hashes_of(items, index.cache)
        names = {item.id: item.source.path for item in items}
        return {names[id_]: hash_ for id_, hash_ in hashes.items()}, report.encoded


def forget_hashes(folder: Path) -> None:
    with sqlite3.connect(folder / ".florilegium" / "embeddings.db") as connection:
        assert connection.execute("DELETE FROM hashes").rowcount == 7
    connection.close()


def test_every_picture_with_something_on_it_has_a_hash(folder: Path, decoded: list[str]) -> None:
    hashes, _ = ingest(folder)

    assert set(hashes) == {"0 large.png", *(f"{seed}.png" for seed in range(5))}
    assert are_near_duplicates(hashes["0.png"], hashes["0 large.png"])
    assert not are_near_duplicates(hashes["0.png"], hashes["1.png"])
    assert len(decoded) == 7  # plain.png too, but each only once


def test_a_second_run_and_a_rebuild_decode_nothing(folder: Path, decoded: list[str]) -> None:
    before, _ = ingest(folder)
    decoded.clear()

    assert ingest(folder) == (before, 0)
    (folder / "1.png").rename(folder / "renamed.png")
    ingest(folder)
    after, _ = ingest(folder, rebuild=True)

    assert decoded == []
    assert after["renamed.png"] == before["1.png"]


def test_a_cache_without_hashes_gets_them_without_encoding(
    folder: Path, decoded: list[str]
) -> None:
    before, _ = ingest(folder)
    forget_hashes(folder)
    decoded.clear()

    after, encoded = ingest(folder, rebuild=True)

    assert (after, encoded) == (before, 0)
    assert len(decoded) == 7


def test_a_lost_cache_gets_its_hashes_again_though_no_file_has_changed(folder: Path) -> None:
    hashes, _ = ingest(folder)
    for file in (folder / ".florilegium").glob("embeddings.db*"):
        file.unlink()

    assert ingest(folder) == (hashes, 0)


def test_a_picture_that_cannot_be_decoded_any_more_stops_nothing(folder: Path) -> None:
    before, _ = ingest(folder)
    forget_hashes(folder)
    file = folder / "3.png"
    good = file.read_bytes()
    file.write_bytes(good[:-40])
    with Library.open(folder, overrides=FAKES) as library:
        report = library.ingest(rebuild=True)

    assert [failure.path for failure in report.failed] == ["3.png"]
    file.write_bytes(good)
    assert ingest(folder)[0] == before


def test_hashes_that_a_dying_run_kept_to_itself_are_taken_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, Library.open(folder, overrides=FAKES) as library:
        patched.setattr(picture_hashes.PictureHashes, "complete", die)
        assert library.ingest().interrupted

    hashes, encoded = ingest(folder)

    assert encoded == 0
    assert len(hashes) == 6


def test_texts_have_no_hash(folder: Path, tmp_path: Path) -> None:
    ingest(folder)
    cache = EmbeddingCache(tmp_path / "other.sqlite3")
    with Library.open(folder, overrides=FAKES) as library:
        index = library._parts.index()
        texts = [item for item, _ in index.catalog.all_items(Modality.TEXT)]
        pictures = [item for item, _ in index.catalog.all_items(Modality.IMAGE)]
        assert hashes_of(texts, index.cache) == {}
        assert hashes_of(pictures, cache) == {}  # a cache that never saw them
        assert set(index.cache.hashed([picture_key(one) for one in pictures])) == {
            picture_key(one) for one in pictures
        }
    cache.close()


def test_another_copy_of_a_file_shares_its_hash(folder: Path, decoded: list[str]) -> None:
    ingest(folder)
    decoded.clear()
    shutil.copyfile(folder / "2.png", folder / "copy of 2.png")

    hashes, _ = ingest(folder)

    assert hashes["copy of 2.png"] == hashes["2.png"]
    assert decoded == []
