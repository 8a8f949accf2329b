"""`florilegium mcp`: which libraries it offers, with which settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from florilegium import Library
from florilegium.cli.app import app
from florilegium.config_sections import ServerConfig
from florilegium.server.mcp import stdio


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], ServerConfig]]:
    """Return what would have been offered."""
    calls: list[tuple[list[str], ServerConfig]] = []

    def run(libraries: Mapping[str, Library], *, config: ServerConfig) -> None:
        calls.append((list(libraries), config))

    monkeypatch.setattr(stdio, "run_stdio", run)
    return calls


def test_the_nearest_library_is_offered_by_default(
    offered: list[tuple[list[str], ServerConfig]],
    tiny_library: Library,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tiny_library.root / "notes")

    result = CliRunner().invoke(app, ["mcp"])

    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert [names for names, _ in offered] == [["tiny"]]


def test_several_libraries_have_names_and_settings(
    offered: list[tuple[list[str], ServerConfig]], tiny_library: Library, tmp_path: Path
) -> None:
    Library.create(tmp_path / "other").close()

    result = CliRunner().invoke(
        app,
        [
            "mcp", "--library", f"mine={tiny_library.root}", "--library", str(tmp_path / "other"),
            "--set", "server.max_question_characters=9",
        ],
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    [(names, config)] = offered
    assert names == ["mine", "other"]
    assert config.max_question_characters == 9


def test_a_folder_that_is_no_library_is_an_error_on_stderr(
    offered: list[tuple[list[str], ServerConfig]], tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["mcp", "--library", str(tmp_path)])

    assert (result.exit_code, result.stdout, offered) == (2, "", [])
    assert "is no library" in result.stderr


def test_without_the_extra_it_says_what_to_install(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "florilegium.server.mcp.stdio", None)

    result = CliRunner().invoke(app, ["mcp", "--library", str(tiny_library.root)])

    assert result.exit_code == 2
    assert "pip install 'florilegium[server]'" in result.stderr
