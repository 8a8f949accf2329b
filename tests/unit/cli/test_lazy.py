"""Commands are imported when they are run, and the list of them is true."""

from __future__ import annotations

import subprocess
import sys

import pytest

from florilegium.cli.lazy import COMMANDS, LazyCommands


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_about_a_command_is_the_first_of_its_own_help(name: str) -> None:
    command = LazyCommands()[name]

    assert command.name == name
    assert command.help.splitlines()[0] == COMMANDS[name][1]


def test_a_group_of_one_command_stays_a_group() -> None:
    assert list(LazyCommands()["config"].commands) == ["show"]


def test_an_unknown_command_is_not_there() -> None:
    commands = LazyCommands()

    assert commands.get("serch") is None
    assert len(commands) == len(COMMANDS)


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = (
        "import sys; from florilegium.cli.app import main; sys.argv = ['florilegium', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('florilegium.cli.')])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = done.stdout.splitlines()[-1]
    assert loaded == "['florilegium.cli.lazy', 'florilegium.cli.app']"
