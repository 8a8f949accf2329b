"""`florilegium mcp`: offers libraries to the program that starts it, over stdin and stdout."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from florilegium.cli import options
from florilegium.cli.render import reported_errors
from florilegium.cli.serve import folders_of, server_config
from florilegium.errors import MissingExtraError
from florilegium.library import Library


def mcp(
    *,
    library: Annotated[
        list[str] | None,
        typer.Option(
            "--library",
            metavar="[NAME=]PATH",
            help="A library folder, and the name that it is called by. May be given again; by "
            "default the nearest one upwards from here.",
            show_default=False,
        ),
    ] = None,
    settings: options.SetOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Offer libraries to a language model over MCP, on stdin.

    Answers go to stdout, and it ends when stdin does.

    Programs that speak MCP start this command themselves. `florilegium serve` offers the same
    over HTTP, at /mcp.
    """
    with reported_errors(debug=debug), ExitStack() as stack:
        try:
            # Only this command needs it, and it takes long to import.
            from florilegium.server.mcp.stdio import run_stdio  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError(
                f"MCP needs the package {error.name!r}.",
                hint="Run `pip install 'florilegium[server]'`.",
            ) from error
        overrides = options.parse_overrides(settings)
        named = {
            name: stack.enter_context(Library.open(folder, overrides=overrides))
            for name, folder in folders_of(library).items()
        }
        run_stdio(named, config=server_config(named, overrides))
