"""An ingest that has little to do does little: no encoder, no decoding, one look at each file."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from florilegium import Library
from florilegium.intake import Reader
from florilegium.testing.encoder import FakeEncoder
from tests.conftest import FAKES, draw

PICTURES = 12
TEXTS = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an ingested library whose files have numbers for names, in a folder of their own."""
    folder = tmp_path / "library"
    photos = folder / "DCIM"
    photos.mkdir(parents=True)
    for number in range(PICTURES):
        draw("red", "square", size=40 + number).save(photos / f"{number:04d}.png")
    for number in range(TEXTS):
        (photos / f"{number + 100:04d}.txt").write_text(f"Text {number}.", encoding="utf-8")
    with Library.create(folder, overrides={**FAKES, "store.name": "chroma"}) as library:
        assert library.ingest().added == PICTURES + TEXTS
    return folder


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Counter[str]:
    """Return how often encoders are called and pictures decoded, from here on."""
    counts: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        inner = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return inner(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)

    assert folder.is_dir()
    count(FakeEncoder, "encode_images")
    count(FakeEncoder, "encode_texts")
    count(Reader, "read_picture")
    return counts


def test_files_that_have_not_changed_are_looked_at_once_and_not_opened(
    folder: Path, called: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: Counter[str] = Counter()

    def watch(name: str) -> None:
        inner = getattr(os, name)

        def look(path: Any, **options: Any) -> os.stat_result:
            looked_at[str(path)] += 1
            found: os.stat_result = inner(path, **options)
            return found

        monkeypatch.setattr(os, name, look)

    def read(*_: object) -> Any:
        raise AssertionError("a file was read that has not changed")

    watch("stat")
    watch("lstat")
    monkeypatch.setattr(Reader, "read", read)
    with Library.open(folder) as library:
        report = library.ingest()

    files = {place: count for place, count in looked_at.items() if "/DCIM/" in place}
    assert report.unchanged == len(files) == PICTURES + TEXTS
    assert set(files.values()) == {1}
    assert not called


def test_renaming_every_file_runs_no_encoder_and_decodes_nothing(
    folder: Path, called: Counter[str]
) -> None:
    for file in sorted((folder / "DCIM").iterdir()):
        file.rename(file.with_name(f"IMG_{file.name}"))

    with Library.open(folder) as library:
        report = library.ingest()

    assert (report.added, report.removed, report.encoded) == (PICTURES + TEXTS, PICTURES + TEXTS, 0)
    assert not called


def test_renaming_the_folder_of_all_files_runs_no_encoder_and_decodes_nothing(
    folder: Path, called: Counter[str]
) -> None:
    (folder / "DCIM").rename(folder / "Pictures")

    with Library.open(folder) as library:
        report = library.ingest()

    assert (report.added, report.removed, report.encoded) == (PICTURES + TEXTS, PICTURES + TEXTS, 0)
    assert not called


def test_a_new_name_with_a_new_word_has_that_word_encoded_and_nothing_decoded(
    folder: Path, called: Counter[str]
) -> None:
    (folder / "DCIM").rename(folder / "roses")

    with Library.open(folder) as library:
        report = library.ingest()

    assert report.encoded == 1
    assert set(called) == {"encode_texts"}
