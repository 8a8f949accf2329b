"""The commands by name, each imported when it is run: `--help` alone takes no library with it.

Knows where the commands are and one line about each; a test keeps the lines true.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "init": ("florilegium.cli.setup:init", "Make a folder a library."),
    "ingest": ("florilegium.cli.ingest:ingest", "Make the index agree with the folder."),
    "search": (
        "florilegium.cli.search:search",
        "Find pictures and texts by a text, a picture, or both.",
    ),
    "ask": (
        "florilegium.cli.ask:ask",
        "Answer a question from the library, with numbered sources.",
    ),
    "chat": (
        "florilegium.cli.chat:chat",
        "Talk with the library; /help lists what can be typed.",
    ),
    "doctor": (
        "florilegium.cli.doctor:doctor",
        "Check that the library can work; exit code 1 if anything is wrong.",
    ),
    "demo": ("florilegium.cli.demo:demo", "Make a small library, search it and ask it."),
    "config": ("florilegium.cli.setup:config_app", "See the settings of a library."),
}


class LazyCommands(MutableMapping[str, Any]):
    """Commands that are imported when they are looked up."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            where, _ = COMMANDS[name]
            self._loaded[name] = _load(name, where)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*COMMANDS, *self._loaded]))

    def __len__(self) -> int:
        return len(list(iter(self)))


class LazyGroup(TyperGroup):
    """A group whose list of commands needs none of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = LazyCommands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])


def _load(name: str, where: str) -> Any:
    module, _, attribute = where.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        # A group of one command stays a group.
        group = typer.main.get_group(found)
        group.name = name
        return group
    single = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    single.command(name)(found)
    return typer.main.get_command(single)
