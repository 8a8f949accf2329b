"""The `florilegium` command: puts the commands together. Knows none of what they do."""

from __future__ import annotations

import io
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from florilegium.cli.lazy import LazyGroup

# Plain help: importing what draws panels is slow, and golden files of boxes are noise.
app = typer.Typer(
    name="florilegium",
    cls=LazyGroup,
    help="Answer questions from a folder of pictures and texts, with citations.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"florilegium {version('florilegium')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Answer questions from a folder of pictures and texts, with citations."""


def main() -> None:
    """Run the command line, and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A file name that is not UTF-8 must not stop a run half way.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="florilegium")
