"""A file is replaced whole, and its name is put on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from florilegium.durable import replace_file, sync


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a"
    replace_file(file, b"old")
    replace_file(file, b"new")

    assert file.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_content_and_name_are_put_on_the_disk_in_that_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        steps.append("folder" if (tmp_path / "a").exists() else "content")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    replace_file(tmp_path / "a", b"data")

    assert steps == ["content", "folder"]


def test_what_is_not_there_cannot_be_put_on_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "none")


def test_a_file_for_its_owner_is_so_before_it_has_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, modes = os.fchmod, []

    def fchmod(handle: int, mode: int) -> None:
        modes.append((os.fstat(handle).st_size, mode))
        real(handle, mode)

    monkeypatch.setattr(os, "fchmod", fchmod)
    replace_file(tmp_path / "a", b"secret", mode=0o600)

    assert modes == [(0, 0o600)]
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
