"""`florilegium doctor`: whether weights, index, store and chat model are well."""

from __future__ import annotations

import typer
from rich.text import Text

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
    """Check that the library can work; exit code 1 if anything is wrong."""
    with (
        reported_errors(debug=debug, as_json=as_json),
        options.open_library(library, settings) as opened,
    ):
        checks = opened.check()
        if as_json:
            print_json(checks_to_json(checks))
        else:
            table = make_table("", "check", "finding", "what to do")
            for check in checks:
                mark = Text("ok", style="green") if check.ok else Text("WRONG", style="bold red")
                table.add_row(mark, check.name, Text(clean(check.message)), Text(check.hint or ""))
            print_table(table)
        if not all(check.ok for check in checks):
            raise typer.Exit(FAILED)
