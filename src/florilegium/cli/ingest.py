"""`florilegium ingest`: the run, its progress, and its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
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
    clean_name,
    is_interactive,
    make_table,
    print_json,
    print_table,
    reported_errors,
    talk,
    talk_console,
)
from florilegium.guard import Removal
from florilegium.library import Library
from florilegium.locking import Holder
from florilegium.report import FailedFile, IngestReport, Progress
from florilegium.serialize import report_to_json
from florilegium.trace_export import sending_traces

_STAGES: Final = {"files": "ingest", "captions": "captions"}
STOPPED = "stopped; what was done is kept, run again to go on"


_RebuildOption = Annotated[
    bool,
    typer.Option(
        "--rebuild",
        help="Build a new index beside the old one, and switch to it at the end; cached "
        "embeddings are used.",
    ),
]
_AllowEmptyOption = Annotated[
    bool,
    typer.Option("--allow-empty", help="Empty the index if the folder holds nothing any more."),
]
_YesOption = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Do not ask before many files are removed from the index."),
]
_WaitOption = Annotated[
    float,
    typer.Option(
        "--wait", metavar="SECONDS", min=0.0, help="Wait so long for another that writes."
    ),
]
_CaptionsOption = Annotated[
    bool | None,
    typer.Option(
        "--captions/--no-captions",
        help="Have the chat model caption pictures in this run, or take machine captions off.",
        show_default="as ingest.captions says",
    ),
]


def ingest(
    *,
    rebuild: _RebuildOption = False,
    allow_empty: _AllowEmptyOption = False,
    yes: _YesOption = False,
    wait: _WaitOption = 0.0,
    captions: _CaptionsOption = None,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Make the index agree with the folder.

    Before more than a tenth of the files is removed from it, their number is shown; in a terminal
    it asks. Exit code 3 means that it finished and some files failed; the report names them.
    Captions that failed are in the report and change no exit code.
    """
    with (
        reported_errors(debug=debug, as_json=as_json),
        _open(library, settings, captions=captions) as opened,
    ):
        traces = opened.settings.config.server.traces
        with sending_traces(traces), shown_progress() as progress:
            report = opened.ingest(
                rebuild=rebuild,
                allow_empty=allow_empty,
                wait=wait,
                on_wait=_say_waiting,
                progress=progress,
                confirm=partial(_confirm, ask=not yes and not as_json, progress=progress),
            )
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


class ShownProgress:
    """A progress bar that takes the progress of a run, and makes room for a question."""

    def __init__(self, bar: ProgressBar, *, width: int) -> None:
        self._bar = bar
        self._width = width
        self._task = bar.add_task("ingest", total=None, rate="", failures="", path="")

    def __call__(self, progress: Progress) -> None:
        self._bar.update(
            self._task,
            description=_STAGES[progress.stage],
            completed=progress.done,
            total=progress.total,
            rate=_rate(progress),
            failures=f"{progress.failed} failed" if progress.failed else "",
            path=_shorten(_at_hand(progress), width=max(8, self._width - 75)),
        )

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the bar while the block runs."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()


@contextmanager
def shown_progress() -> Iterator[ShownProgress]:
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
        yield ShownProgress(bar, width=console.width)


def _confirm(removal: Removal, *, ask: bool, progress: ShownProgress) -> bool:
    """Show what is about to be removed, and ask where somebody can answer."""
    with progress.hidden():
        talk(f"{removal}, such as {', '.join(map(clean, removal.examples))}")
        if not (ask and is_interactive()):
            return True
        return typer.confirm("Remove them from the index?", err=True)


def _say_waiting(holder: Holder | None) -> None:
    talk(f"waiting for {holder or 'another process'} to end")


def print_report(report: IngestReport) -> None:
    """Write the report to stdout as a table whose counts add up, and the failed files."""
    print_table(_counts(report))
    if report.failed:
        print_table(_failures(report.failed, title="Failed files"))
    if report.caption_failures:
        print_table(_failures(report.caption_failures, title="Pictures without a caption"))
    if report.caption_problem:
        talk(f"captioning stopped: {clean(report.caption_problem)}")
    if report.ignored:
        named = [clean_name(path) for path in report.ignored_examples]
        named += [f"{more} more"] if (more := report.ignored - len(named)) > 0 else []
        talk(f"ignored, since nothing installed reads such files: {', '.join(named)}")
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
        table.add_row(Text(clean_name(file.path)), Text(clean(file.message)), Text(file.hint or ""))
    return table


def _rate(progress: Progress) -> str:
    return f"{progress.done / progress.seconds:.1f}/s" if progress.seconds > 0 else ""


def _at_hand(progress: Progress) -> str:
    # Pictures of many files are encoded together: what was read moves on before what is done.
    if progress.path or progress.stage == "captions":
        return clean_name(progress.path)
    return f"{progress.step}, {progress.read} read"


def _shorten(path: str, *, width: int) -> str:
    # The end of a path says more than its beginning.
    return path if len(path) <= width else "…" + path[-(width - 1) :]
