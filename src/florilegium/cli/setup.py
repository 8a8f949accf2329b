"""`florilegium init` and `florilegium config show`: making a library, seeing its settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from florilegium.cli import options
from florilegium.cli.render import clean, make_table, print_json, print_table, reported_errors, talk
from florilegium.config import Settings, dump_shown, load_settings
from florilegium.config_fields import describe_fields
from florilegium.errors import IndexNotFoundError
from florilegium.library import Library
from florilegium.profiles import NAMES

config_app = typer.Typer(
    help="See the settings of a library.", no_args_is_help=True, rich_markup_mode=None
)


def init(
    *,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The folder; it is made if it is not there.")
    ],
    profile: Annotated[
        str,
        typer.Option("--profile", metavar="NAME", help=f"Preset of models: {', '.join(NAMES)}."),
    ] = "offline",
    settings: options.SetOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Make a folder a library.

    It writes PATH/florilegium.toml and PATH/.florilegium/, and touches no other file.
    """
    with reported_errors(debug=debug):
        overrides = options.parse_overrides(settings)
        with Library.create(path, profile=profile, overrides=overrides) as library:
            talk(f"made the library {str(library.root)!r}")
        command = f"florilegium ingest --library {shlex.quote(str(path))}"
        talk(f"next: put pictures and texts into it, then `{command}`")


@config_app.command("show")
def show_config(
    *,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Show each setting and where its value came from.

    Outside of any library it shows the defaults, the user's file and the environment.
    """
    with reported_errors(debug=debug, as_json=as_json):
        overrides = options.parse_overrides(settings)
        rows = setting_rows(_resolve(library, overrides))
        if as_json:
            print_json({key: {"value": value, "origin": origin} for key, value, origin in rows})
            return
        table = make_table("setting", "value", "from")
        for key, value, origin in rows:
            style = None if origin == "default" else "bold"
            table.add_row(key, Text(clean(_in_words(value))), Text(clean(origin)), style=style)
        print_table(table)


def setting_rows(settings: Settings) -> list[tuple[str, object, str]]:
    """Return (key, value, origin) of every setting, in order, without what addresses hide."""
    tree = dump_shown(settings.config)
    rows: list[tuple[str, object, str]] = []
    for key, *_ in describe_fields():
        section, _, name = key.partition(".")
        value = tree[section][name] if name else tree[section]
        rows.append((key, value, settings.origins.get(key, "default")))
    return rows


def _resolve(folder: Path | None, overrides: Mapping[str, object]) -> Settings:
    if folder is None:
        try:
            folder = Library.locate(Path.cwd())
        except IndexNotFoundError:
            return load_settings(overrides=overrides)
    # A folder that was named must be a library: the settings of a mistyped one would mislead.
    with Library.open(folder, overrides=overrides) as library:
        return library.settings


def _in_words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
