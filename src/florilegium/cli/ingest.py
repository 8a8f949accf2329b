"""`florilegium ingest`: the run, its progress, and its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from florilegium.cli import options
from florilegium.cli.exit_codes import INTERRUPTED, OK, PARTIAL
from florilegium.cli.render import (
    clean,
    make_table,
    print_json,
    print_table,
    reported_errors,
    talk,
    talk_console,
)
from florilegium.cli.serialize import report_to_json
from florilegium.library import Library
from florilegium.report import FailedFile, IngestReport, Progress

_STAGES: Final = {"files": "ingest", "captions": "captions"}
STOPPED = "stopped; what was done is kept, run again to go on"


def ingest(
    *,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the index anew; cached embeddings are used.")
    ] = False,
    captions: Annotated[
        bool | None,
        typer.Option(
            "--captions/--no-captions",
            help="Have the chat model caption pictures in this run, or take machine captions off.",
            show_default="as ingest.captions says",
        ),
    ] = None,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Make the index agree with the folder.

    Exit code 3 means that it finished and some files failed; the report names them. Captions that
    failed are in the report and change no exit code.
    """
    with (
        reported_errors(debug=debug, as_json=as_json),
        _open(library, settings, captions=captions) as opened,
    ):
        with shown_progress() as progress:
            report = opened.ingest(rebuild=rebuild, progress=progress)
        if as_json:
            print_json(report_to_json(report))
        else:
            print_report(report)
        finish(report)


def _open(folder: Path | None, settings: list[str] | None, *, captions: bool | None) -> Library:
    if captions is None:
        return options.open_library(folder, settings)
    wanted = "off"
    if captions:
        with options.open_library(folder, settings) as opened:
            configured = opened.settings.config.ingest.captions
        wanted = "missing" if configured == "off" else configured
    return options.open_library(folder, [*(settings or ()), f"ingest.captions={wanted}"])


@contextmanager
def shown_progress() -> Iterator[Callable[[Progress], None]]:
    """Show a progress bar on stderr while the block runs; give what takes the progress."""
    console = talk_console()
    bar = ProgressBar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", style="cyan"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failures]}", style="red", markup=False),
        TextColumn("{task.fields[path]}", style="dim", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("ingest", total=None, rate="", failures="", path="")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=_STAGES[progress.stage],
                completed=progress.done,
                total=progress.total,
                rate=_rate(progress),
                failures=f"{progress.failed} failed" if progress.failed else "",
                path=_shorten(clean(progress.path), width=max(8, console.width - 75)),
            )

        yield show


def print_report(report: IngestReport) -> None:
    """Write the report to stdout as a table whose counts add up, and the failed files."""
    print_table(_counts(report))
    if report.failed:
        print_table(_failures(report.failed, title="Failed files"))
    if report.caption_failures:
        print_table(_failures(report.caption_failures, title="Pictures without a caption"))
    if report.caption_problem:
        talk(f"captioning stopped: {clean(report.caption_problem)}")
    for warning in report.warnings:
        talk(clean(warning))


def finish(report: IngestReport) -> None:
    """Leave with the exit code of a run that was stopped or had failures. Raises typer.Exit."""
    if report.interrupted:
        talk(STOPPED)
        raise typer.Exit(INTERRUPTED)
    code = PARTIAL if report.failed else OK
    if code:
        raise typer.Exit(code)


def _counts(report: IngestReport) -> Table:
    table = make_table("files", "count", title="Ingest")
    table.columns[1].justify = "right"
    table.add_row("added", str(report.added))
    table.add_row("updated", str(report.updated))
    table.add_row("unchanged", str(report.unchanged))
    table.add_row("failed", str(len(report.failed)), style="red" if report.failed else None)
    if report.remaining:
        table.add_row("not reached", str(report.remaining), style="yellow")
    table.add_row("= in the folder", str(report.seen), style="bold", end_section=True)
    table.add_row("removed", str(report.removed))
    table.add_row("ignored", str(report.ignored), end_section=True)
    table.add_row("inputs encoded", str(report.encoded))
    if report.captioned or report.caption_failures or report.captions_left:
        table.add_row("pictures captioned", str(report.captioned))
        failures, left = len(report.caption_failures), report.captions_left
        table.add_row("captions failed", str(failures), style="red" if failures else None)
        table.add_row("captions left", str(left), style="yellow" if left else None)
    table.add_row("seconds", f"{report.seconds:.1f}")
    return table


def _failures(failed: tuple[FailedFile, ...], *, title: str) -> Table:
    table = make_table("file", "reason", "what to do", title=title)
    for file in failed:
        table.add_row(Text(clean(file.path)), Text(clean(file.message)), Text(file.hint or ""))
    return table


def _rate(progress: Progress) -> str:
    return f"{progress.done / progress.seconds:.1f}/s" if progress.seconds > 0 else ""


def _shorten(path: str, *, width: int) -> str:
    # The end of a path says more than its beginning.
    return path if len(path) <= width else "…" + path[-(width - 1) :]
