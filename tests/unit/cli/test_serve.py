"""`florilegium serve`: which libraries, under which names, with which settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from florilegium import Library
from florilegium.cli.app import app
from florilegium.config_sections import ServerConfig
from florilegium.server import logs, running


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[FastAPI, ServerConfig]]:
    """Return what would have been served."""
    calls: list[tuple[FastAPI, ServerConfig]] = []

    def run(app: FastAPI, *, config: ServerConfig, tell: Any, drain: Any) -> None:
        assert drain == app.state.service.drain
        calls.append((app, config))
        tell("http://here")

    monkeypatch.setattr(running, "run", run)
    monkeypatch.setattr(logs, "set_up_logging", lambda _: None)  # the log is that of the tests
    return calls


def names(app: FastAPI) -> list[str]:
    return list(app.state.service._served)


def test_the_nearest_library_is_served_by_default(
    served: list[tuple[FastAPI, ServerConfig]],
    tiny_library: Library,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tiny_library.root / "notes")

    result = CliRunner().invoke(app, ["serve", "--port", "0"])

    assert result.exit_code == 0, result.output
    assert "Serving tiny at http://here" in result.stderr
    [(made, config)] = served
    assert names(made) == ["tiny"]
    assert config.port == 0


def test_with_a_log_in_json_the_address_is_told_by_the_log_and_nothing_else_is_written(
    served: list[tuple[FastAPI, ServerConfig]],
    tiny_library: Library,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "florilegium.cli.serve")
    folder = str(tiny_library.root)

    result = CliRunner().invoke(
        app, ["serve", "--library", folder, "--set", "server.log_format=json"]
    )

    [record] = [one for one in caplog.records if one.name == "florilegium.cli.serve"]
    assert record.getMessage() == "Serving tiny at http://here"
    assert result.stderr == ""


def test_several_libraries_have_the_names_that_are_given(
    served: list[tuple[FastAPI, ServerConfig]], tiny_library: Library, tmp_path: Path
) -> None:
    Library.create(tmp_path / "other").close()

    result = CliRunner().invoke(
        app,
        [
            "serve", "--library", f"mine={tiny_library.root}", "--library", str(tmp_path / "other"),
            "--set", "server.waiting=3", "--uploads",
        ],
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    [(made, config)] = served
    assert names(made) == ["mine", "other"]
    assert (config.waiting, config.uploads) == (3, True)


def test_two_libraries_of_one_name_are_refused(tiny_library: Library) -> None:
    folder = str(tiny_library.root)

    result = CliRunner().invoke(app, ["serve", "--library", folder, "--library", folder])

    assert result.exit_code == 2
    assert "Two libraries have the name 'tiny'" in result.stderr


def test_a_folder_that_is_no_library_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["serve", "--library", str(tmp_path)])

    assert result.exit_code == 2
    assert "florilegium init" in result.stderr


def test_the_settings_of_one_library_are_those_of_the_server(
    served: list[tuple[FastAPI, ServerConfig]], tiny_library: Library
) -> None:
    (tiny_library.root / "florilegium.toml").write_text("[server]\nport = 4711\n")

    CliRunner().invoke(app, ["serve", "--library", str(tiny_library.root)])

    assert served[0][1].port == 4711
