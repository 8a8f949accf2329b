"""`florilegium doctor`: whether weights, index, store and chat model are well, and what is near."""

from __future__ import annotations

import typer
from rich.text import Text

from florilegium.chat_models.openai.servers import FoundServer, find_servers
from florilegium.checks import Check
from florilegium.cli import options
from florilegium.cli.exit_codes import FAILED
from florilegium.cli.render import clean, make_table, print_json, print_table, reported_errors
from florilegium.cli.serialize import checks_to_json


def doctor(
    *,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Check that the library can work; exit code 1 if anything is wrong.

    Chat servers that run on this machine are listed, with the settings to use them.
    """
    with (
        reported_errors(debug=debug, as_json=as_json),
        options.open_library(library, settings) as opened,
    ):
        checks = [*opened.check(), *map(_describe, find_servers())]
        if as_json:
            print_json(checks_to_json(checks))
        else:
            table = make_table("", "check", "finding", "what to do")
            for check in checks:
                mark = Text("ok", style="green") if check.ok else Text("WRONG", style="bold red")
                table.add_row(
                    mark, check.name, Text(clean(check.message)), Text(clean(check.hint or ""))
                )
            print_table(table)
        if not all(check.ok for check in checks):
            raise typer.Exit(FAILED)


def _describe(server: FoundServer) -> Check:
    if server.needs_key:
        return Check(
            name="server",
            ok=True,
            message=f"{server.name} at {server.base_url}, which asks for a key",
            hint=f'To use it: chat.base_url = "{server.base_url}", and chat.api_key_env',
        )
    if not server.models:
        return Check(
            name="server", ok=True, message=f"{server.name} at {server.base_url}, without models"
        )
    first, *others = server.models
    more = f" and {len(others)} more" if others else ""
    return Check(
        name="server",
        ok=True,
        message=f"{server.name} at {server.base_url} with {first}{more}",
        hint=f'To use it: chat.name = "openai:{first}", chat.base_url = "{server.base_url}"',
    )
