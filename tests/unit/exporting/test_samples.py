"""Samples are the user's pictures, or drawn ones where none are given."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from florilegium.errors import ConfigError
from florilegium.exporting.samples import MOST, TEXTS, read_pictures


def test_pictures_of_a_folder_are_read_and_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (9, 8), "red").save(tmp_path / "in" / "red.png")
    Image.new("RGB", (7, 6), "blue").save(tmp_path / "blue.JPG", format="JPEG")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")

    pictures = read_pictures(tmp_path)

    assert [picture.size for picture in pictures] == [(7, 6), (9, 8)]


def test_no_more_pictures_are_read_than_are_needed(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "one.png")

    assert len(read_pictures([tmp_path / "one.png"] * (MOST + 5))) == MOST


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="None of the 0 pictures"):
        read_pictures(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        read_pictures(tmp_path / "absent")


def test_drawn_pictures_differ_and_are_the_same_each_time() -> None:
    drawn, again = read_pictures(None), read_pictures(None)

    assert len({picture.tobytes() for picture in drawn}) == len(drawn) == 24
    assert [picture.tobytes() for picture in drawn] == [picture.tobytes() for picture in again]


def test_texts_are_all_different_and_of_many_lengths() -> None:
    assert len(set(TEXTS)) == len(TEXTS)
    assert min(map(len, TEXTS)) < 12
    assert max(map(len, TEXTS)) > 80
