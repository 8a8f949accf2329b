"""A folder is made a library once, and found from below."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import ConfigError, IndexNotFoundError
from florilegium.library_folder import check_library, locate_library, make_library
from tests.conftest import FAKES


def test_a_folder_becomes_a_library_and_is_found_from_below(tmp_path: Path) -> None:
    root = tmp_path / "flowers"
    settings = make_library(root, profile="offline", overrides=FAKES)

    assert settings.config.encoder.name == "fake:32"
    check_library(root)
    (root / "roses").mkdir()
    assert locate_library(root / "roses") == root


def test_a_folder_is_made_a_library_once(tmp_path: Path) -> None:
    make_library(tmp_path / "a", profile="offline")

    with pytest.raises(ConfigError, match="is a library already"):
        make_library(tmp_path / "a", profile="offline")


def test_a_wrong_setting_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        make_library(tmp_path / "a", profile="offline", overrides={"no.such": 1})

    assert not (tmp_path / "a").exists()


def test_a_folder_that_is_none_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="is no library"):
        check_library(tmp_path)
    with pytest.raises(IndexNotFoundError, match="nor a folder above"):
        locate_library(tmp_path)
