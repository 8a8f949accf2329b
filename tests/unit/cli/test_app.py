from __future__ import annotations

import pytest
from typer.testing import CliRunner

from florilegium.cli.app import app, main


def test_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])

    assert result.exit_code == 0
    assert result.stdout.startswith("florilegium ")


def test_the_commands_are_listed_in_this_order() -> None:
    out = CliRunner().invoke(app, ["--help"]).stdout

    listed = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line]
    assert listed == [
        "init",
        "ingest",
        "search",
        "ask",
        "chat",
        "serve",
        "mcp",
        "eval",
        "doctor",
        "demo",
        "config",
        "models",
        "cache",
        "users",
    ]


@pytest.mark.parametrize("arguments", [["sing"], ["search", "--sing"]])
def test_a_call_that_is_wrong_is_exit_code_2_on_stderr(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "sing" in result.stderr


def test_main_leaves_with_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["florilegium", "--help"])

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: florilegium [OPTIONS] COMMAND")
