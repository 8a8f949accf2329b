"""Golden: what `--help` of each command prints. Update with UPDATE_GOLDEN=1, and read the diff."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from scripts.make_reference import COMMANDS, render_help

FOLDER = Path(__file__).parent / "help"


def _file(command: str) -> Path:
    return FOLDER / f"{command.replace(' ', '-') or 'florilegium'}.txt"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command or "florilegium")
def test_help_is_the_golden_one(command: str) -> None:
    shown = render_help(command)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        _file(command).write_text(shown, encoding="utf-8")

    assert _file(command).exists(), "no golden file; make it with UPDATE_GOLDEN=1"
    assert shown == _file(command).read_text(encoding="utf-8")


def test_no_golden_file_is_left_of_a_command_that_is_gone() -> None:
    assert set(FOLDER.iterdir()) == {_file(command) for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command or "florilegium")
def test_no_help_is_cut_short(command: str) -> None:
    usage = re.compile(r"\[(ARGS|NAME)\]\.\.\.")
    assert "..." not in usage.sub("", render_help(command))
