"""Where a server keeps its files."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from florilegium.config_sections import ServerConfig
from florilegium.server.places import server_folder


def test_the_configured_folder_is_taken(tmp_path: Path) -> None:
    assert server_folder(ServerConfig(folder=str(tmp_path))) == tmp_path


def test_home_may_be_written_as_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert server_folder(ServerConfig(folder="~/here")) == tmp_path / "here"


def test_without_a_setting_it_is_in_the_users_data() -> None:
    data = Path(platformdirs.user_data_dir("florilegium"))

    assert server_folder(ServerConfig()) == data / "server"
