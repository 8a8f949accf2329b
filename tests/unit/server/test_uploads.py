"""Uploaded files: their names and their arrival."""

from __future__ import annotations

import errno
import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from florilegium.errors import (
    FileTooLargeError,
    FlorilegiumError,
    ForbiddenError,
    InvalidRequestError,
    StorageFullError,
    StoreError,
    UnreadableFileError,
    UnsupportedFileError,
)
from florilegium.server.uploads import Upload, receive, safe_name

SUFFIXES = {".txt", ".jpg"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("rose.jpg", "rose.jpg"),
        ("Rosa canina.JPG", "Rosa canina.jpg"),
        ("月季.txt", "月季.txt"),
        ("../../etc/rose.txt", "rose.txt"),
        ("C:\\Users\\anna\\rose.txt", "rose.txt"),
        ("/etc/rose.txt", "rose.txt"),
        ("...hidden.txt", "hidden.txt"),
        ("a\x00b\ncd\u202e.txt", "abcd.txt"),
        ("a:b|c<d>.txt", "abcd.txt"),
        ("x" * 400 + ".txt", "x" * 120 + ".txt"),
        ("a\ud800b.txt", "ab.txt"),
    ],
)
def test_of_a_name_the_last_part_is_kept_without_what_could_lead_elsewhere(
    given: str, name: str
) -> None:
    assert safe_name(given, suffixes=SUFFIXES) == name


@pytest.mark.parametrize("given", ["", ".txt", "..", "a/", "\x00.txt", "txt"])
def test_a_name_of_which_nothing_is_left_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be the name"):
        safe_name(given, suffixes=SUFFIXES)


@pytest.mark.parametrize("given", ["a.exe", "a.txt.html", "a.toml"])
def test_a_kind_that_no_loader_reads_is_refused(given: str) -> None:
    with pytest.raises(UnsupportedFileError, match="are not read"):
        safe_name(given, suffixes=SUFFIXES)


def upload(data: bytes | io.BytesIO, folder: Path, name: str = "a.txt") -> Upload:
    """Upload a file for which the limits are 10 kB and 100 pixels."""
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    return receive(file, folder=folder, name=name, max_bytes=10_000, max_pixels=100)


def picture(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_an_upload_never_writes_over_a_file(tmp_path: Path) -> None:
    found = [upload(data, tmp_path) for data in (b"first", b"second", b"third")]

    assert [one.path for one in found] == ["a.txt", "a (2).txt", "a (3).txt"]
    assert all(one.is_new for one in found)
    kept = [(tmp_path / one.path).read_bytes() for one in found]
    assert kept == [b"first", b"second", b"third"]
    assert {file.name for file in tmp_path.iterdir()} == {one.path for one in found}


def test_the_very_same_file_is_not_kept_twice(tmp_path: Path) -> None:
    for data in (b"first", b"other"):
        upload(data, tmp_path)

    again = [upload(data, tmp_path) for data in (b"other", b"first", b"third")]

    assert [one.path for one in again] == ["a (2).txt", "a.txt", "a (3).txt"]
    assert [one.is_new for one in again] == [False, False, True]


def test_a_link_to_the_same_bytes_is_not_taken_for_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (tmp_path / "outside.txt").write_bytes(b"same")
    (folder / "a.txt").symlink_to(tmp_path / "outside.txt")

    assert upload(b"same", folder) == Upload(path="a (2).txt", is_new=True)


@pytest.mark.parametrize(
    ("data", "name", "error"),
    [
        (b"x" * 10_001, "a.txt", FileTooLargeError),
        (b"", "a.txt", InvalidRequestError),
        (b"", "a.jpg", InvalidRequestError),
        (b"A text about roses.", "a.jpg", UnreadableFileError),
        (picture(11, 10), "a.png", FileTooLargeError),
    ],
)
def test_what_ingest_could_not_read_leaves_nothing(
    tmp_path: Path, data: bytes, name: str, error: type[FlorilegiumError]
) -> None:
    with pytest.raises(error, match=re.escape(repr(name))):
        upload(data, tmp_path, name)

    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_known_by_its_bytes_and_not_by_its_suffix(tmp_path: Path) -> None:
    assert upload(picture(10, 10), tmp_path, "a.jpg").path == "a.jpg"


def test_an_upload_whose_client_fails_leaves_nothing(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        upload(Broken(), tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, StorageFullError),
        (errno.EROFS, ForbiddenError),
        (errno.EACCES, ForbiddenError),
        (errno.EIO, StoreError),
    ],
)
def test_what_hinders_the_disk_is_told_apart(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[FlorilegiumError],
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("florilegium.server.uploads.os.fsync", fail)

    with pytest.raises(error) as raised:
        upload(b"x", tmp_path)

    assert type(raised.value) is error
    assert str(tmp_path) not in raised.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_hard_links_takes_files_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    def put(data: bytes) -> Upload:
        return receive(io.BytesIO(data), folder=tmp_path, name="a.txt", max_bytes=99, max_pixels=99)

    assert put(b"one") == Upload(path="a.txt", is_new=True)
    assert put(b"one") == Upload(path="a.txt", is_new=False)
    assert put(b"two") == Upload(path="a (2).txt", is_new=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "a.txt": b"one",
        "a (2).txt": b"two",
    }


def test_a_name_that_was_taken_for_a_move_that_fails_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.setattr(Path, "replace", refuse)

    with pytest.raises(ForbiddenError):
        receive(io.BytesIO(b"x"), folder=tmp_path, name="a.txt", max_bytes=99, max_pixels=99)

    assert list(tmp_path.iterdir()) == []
