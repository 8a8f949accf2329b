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
    "serve": (
        "florilegium.cli.serve:serve",
        "Serve libraries to browsers and programs, until Ctrl-C.",
    ),
    "mcp": ("florilegium.cli.mcp:mcp", "Offer libraries to a language model over MCP, on stdin."),
    "eval": (
        "florilegium.cli.lazy:eval_app",
        "Measure how well a library searches, by labelled queries.",
    ),
    "doctor": (
        "florilegium.cli.doctor:doctor",
        "Check that the library can work; exit code 1 if anything is wrong.",
    ),
    "demo": ("florilegium.cli.demo:demo", "Make a small library, search it and ask it."),
    "config": ("florilegium.cli.setup:config_app", "See the settings of a library."),
    "models": ("florilegium.cli.lazy:models_app", "Get CLIP models, and look after them."),
    "cache": (
        "florilegium.cli.lazy:cache_app",
        "See what the embedding cache holds, and remove what is not used.",
    ),
    "users": ("florilegium.cli.lazy:users_app", "Say who may use the server."),
}
USER_COMMANDS = {
    "add": ("florilegium.cli.users:add", "Add a user, and ask for the password."),
    "remove": (
        "florilegium.cli.users:remove",
        "Remove a user, whose keys and sessions end at once.",
    ),
    "change": (
        "florilegium.cli.users:change",
        "Change which libraries a user sees, and whether they may write.",
    ),
    "list": ("florilegium.cli.users:list_users", "List the users and the labels of their keys."),
    "key": ("florilegium.cli.users:key", "Make a key for a user, and print it once."),
    "revoke": (
        "florilegium.cli.users:revoke",
        "Revoke a key, which is worth nothing from then on.",
    ),
    "password": (
        "florilegium.cli.users:password",
        "Give a user another password, which ends all sessions of that user.",
    ),
}
CACHE_COMMANDS = {
    "stats": ("florilegium.cli.cache:stats", "Count what is in the embedding cache."),
    "prune": (
        "florilegium.cli.cache:prune",
        "Remove from the embedding cache what no file of the library uses now.",
    ),
}
MODEL_COMMANDS = {
    "list": (
        "florilegium.cli.models:list_models",
        "List the models that have a card, and those that are installed.",
    ),
    "pull": (
        "florilegium.cli.model_transfer:pull",
        "Fetch a model, check it, and print the setting that uses it.",
    ),
    "verify": (
        "florilegium.cli.models:verify",
        "Hash every file of a model, and compare it with its record.",
    ),
    "path": ("florilegium.cli.models:show_path", "Print the folder of an installed model."),
    "remove": (
        "florilegium.cli.models:remove",
        "Delete an installed model, and what is partly fetched of it.",
    ),
    "bundle": (
        "florilegium.cli.model_transfer:bundle",
        "Write an installed model to one file, for a machine without a network.",
    ),
    "export": (
        "florilegium.cli.model_export:export",
        "Make a folder of ONNX graphs from an OpenCLIP or transformers model.",
    ),
}
EVAL_COMMANDS = {
    "run": (
        "florilegium.cli.eval_run:run",
        "Search for labelled queries, and print and store what was measured.",
    ),
    "show": (
        "florilegium.cli.eval_show:show",
        "Print a stored evaluation, or compare two of them.",
    ),
    "make": (
        "florilegium.cli.eval_make:make",
        "Label your own library: choose the right hits of queries, one by one.",
    ),
}
GROUPS = {
    "florilegium": COMMANDS,
    "models": MODEL_COMMANDS,
    "eval": EVAL_COMMANDS,
    "cache": CACHE_COMMANDS,
    "users": USER_COMMANDS,
}


class LazyCommands(MutableMapping[str, Any]):
    """Commands that are imported when they are looked up."""

    def __init__(self, group: str = "florilegium") -> None:
        self._commands = GROUPS[group]
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            where, _ = self._commands[name]
            self._loaded[name] = _load(name, where)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._commands, *self._loaded]))

    def __len__(self) -> int:
        return len(list(iter(self)))


class LazyGroup(TyperGroup):
    """A group whose list of commands needs none of them; its name says which commands it has."""

    def __init__(self, *, name: str, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.commands = LazyCommands(name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the list of commands."""
        lines = [(name, help_line) for name, (_, help_line) in GROUPS[str(self.name)].items()]
        with formatter.section("Commands"):
            formatter.write_dl(lines)


cache_app = typer.Typer(
    name="cache",
    cls=LazyGroup,
    help=COMMANDS["cache"][1],
    no_args_is_help=True,
    rich_markup_mode=None,
)
users_app = typer.Typer(
    name="users",
    cls=LazyGroup,
    help=COMMANDS["users"][1],
    no_args_is_help=True,
    rich_markup_mode=None,
)
models_app = typer.Typer(
    name="models",
    cls=LazyGroup,
    help=COMMANDS["models"][1],
    no_args_is_help=True,
    rich_markup_mode=None,
)


class EvalGroup(LazyGroup):
    """The commands of `eval`, where what is no command is the file of `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments: `eval FILE` is `eval run FILE`."""
        if args and args[0] not in EVAL_COMMANDS and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


eval_app = typer.Typer(
    name="eval",
    cls=EvalGroup,
    help=f"{COMMANDS['eval'][1]}\n\n`florilegium eval FILE` is short for "
    "`florilegium eval run FILE`.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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
