"""`florilegium doctor`: whether weights, index, store and chat model are well, and mending them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from florilegium.chat_models.openai.servers import FoundServer, find_servers
from florilegium.checks import Check
from florilegium.cli import options
from florilegium.cli.exit_codes import FAILED
from florilegium.cli.ingest import shown_progress
from florilegium.cli.render import clean, make_table, print_json, print_table, reported_errors, talk
from florilegium.library import Library
from florilegium.repair import RepairReport
from florilegium.serialize import checks_to_json, repair_to_json


def doctor(
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what is wrong with index and cache, then check.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every vector and every row, instead of samples.")
    ] = False,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Check that the library can work; exit code 1 if anything is wrong.

    Chat servers that run on this machine are listed, with the settings to use them. With --repair,
    orphans, lost vectors and damaged files are mended first; no encoder runs for what is in the
    cache or in the index.
    """
    with (
        reported_errors(debug=debug, as_json=as_json),
        options.open_library(library, settings) as opened,
    ):
        report = _repair(opened) if repair else None
        checks = [*opened.check(deep=deep), *map(_describe, find_servers())]
        if as_json and report is not None:
            print_json({**repair_to_json(report), "checks": checks_to_json(checks)})
        elif as_json:
            print_json(checks_to_json(checks))
        else:
            _print_repair(report)
            _print_checks(checks)
        if not all(check.ok for check in checks):
            raise typer.Exit(FAILED)


def _repair(opened: Library) -> RepairReport:
    with shown_progress() as progress:
        return opened.repair(progress=progress, tell=talk)


def _print_repair(report: RepairReport | None) -> None:
    if report is None:
        return
    if not report.mends:
        talk("Nothing had to be mended.")
        return
    table = make_table("part", "found", "done")
    for mend in report.mends:
        found = mend.finding
        table.add_row(found.part, Text(clean(found.message)), Text(clean(mend.done)))
    print_table(table)


def _print_checks(checks: list[Check]) -> None:
    table = make_table("", "check", "finding", "what to do")
    for check in checks:
        mark = Text("ok", style="green") if check.ok else Text("WRONG", style="bold red")
        table.add_row(mark, check.name, Text(clean(check.message)), Text(clean(check.hint or "")))
    print_table(table)


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
