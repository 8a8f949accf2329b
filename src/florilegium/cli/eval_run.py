"""`florilegium eval FILE`: the run, its comparisons, and the threshold that it may store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from florilegium.cli import options
from florilegium.cli.eval_tables import print_comparison, print_report
from florilegium.cli.render import print_json, print_line, reported_errors, talk, talk_console
from florilegium.comparison import Comparison, compare
from florilegium.config import INDEX_FOLDER
from florilegium.errors import ConfigError
from florilegium.evaluation import evaluate
from florilegium.evaluation_files import find_report, read_report, store_report
from florilegium.evaluation_report import EvaluationReport, report_to_json
from florilegium.gate_file import MeasuredGate, write_gate
from florilegium.labelled import LabelledQuery
from florilegium.library import Library
from florilegium.qrels import read_queries

AgainstOption = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="FILE",
        help="Compare with a stored evaluation: its file, its name, or `last`.",
        show_default=False,
    ),
]
CompareOption = Annotated[
    list[str] | None,
    typer.Option(
        "--compare",
        metavar="KEY=VALUE",
        help="Run again under this setting, and compare. May be given again.",
        show_default=False,
    ),
]
AllowMissingOption = Annotated[
    bool,
    typer.Option("--allow-missing", help="Leave out relevant paths that are not in the library."),
]
StoreThresholdOption = Annotated[
    bool,
    typer.Option(
        "--store-threshold",
        help="Write the threshold with the highest F1 into the library, as gate.json.",
    ),
]
HERE = "this run"
AS_SET = "as configured"


def run(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Labelled queries: a file with one JSON object a line, a BEIR folder, or a TREC "
            "topics file with its qrels beside it.",
        ),
    ],
    against: AgainstOption = None,
    other_settings: CompareOption = None,
    allow_missing: AllowMissingOption = False,
    store_threshold: StoreThresholdOption = False,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Search for labelled queries, and print and store what was measured.

    Per direction: recall, mean reciprocal rank and nDCG by files, and the time of a whole search;
    for the gate: how well it refuses what nothing answers. Reports go to .florilegium/evaluations.
    """
    with reported_errors(debug=debug, as_json=as_json):
        queries = read_queries(file)
        if store_threshold and len({query.is_answerable for query in queries}) < 2:
            raise _no_threshold()
        others = [[*(settings or []), pair] for pair in other_settings or []]
        for pairs in others:
            # A setting that does not fit the index must not show after minutes.
            with options.open_library(library, pairs) as opened:
                _ = opened.index
        with options.open_library(library, settings) as opened:
            folder = opened.root / INDEX_FOLDER
            earlier = find_report(against, folder) if against else None
            before = read_report(earlier) if earlier else None
            report = _measure(opened, queries, name=file.stem, allow_missing=allow_missing)
        stored = store_report(report, folder)
        if store_threshold:
            _store_threshold(report, folder)
        comparisons = []
        if earlier and before:
            comparisons.append(compare(before, report, names=(earlier.name, HERE)))
        for pairs in others:
            name = f"{file.stem}-{pairs[-1]}"
            with options.open_library(library, pairs) as opened:
                other = _measure(opened, queries, name=name, allow_missing=allow_missing)
            store_report(other, folder, compared=True)
            comparisons.append(compare(report, other, names=(AS_SET, pairs[-1])))
        show_results(report, comparisons, stored=stored, as_json=as_json)


def show_results(
    report: EvaluationReport, comparisons: Sequence[Comparison], *, stored: Path, as_json: bool
) -> None:
    """Write a report and its comparisons to stdout, and where it is stored."""
    if as_json:
        print_json(
            {
                "stored": str(stored),
                "report": report_to_json(report),
                "comparisons": [asdict(comparison) for comparison in comparisons],
            }
        )
        return
    print_report(report)
    for comparison in comparisons:
        print_line()
        print_comparison(comparison)
    talk(f"stored as {stored.name}")


def _measure(
    library: Library, queries: Sequence[LabelledQuery], *, name: str, allow_missing: bool
) -> EvaluationReport:
    with _shown_progress(name) as progress:
        return evaluate(library, queries, name=name, allow_missing=allow_missing, progress=progress)


def _store_threshold(report: EvaluationReport, folder: Path) -> None:
    gate = report.gate
    if gate is None or gate.best.precision is None:
        raise _no_threshold()
    measured = MeasuredGate(
        threshold=gate.best.threshold,
        precision=gate.best.precision,
        recall=gate.best.recall,
        f1=gate.best.f1,
        questions=gate.answerable + gate.unanswerable,
        date=report.date,
        encoders=report.measured.encoders,
    )
    talk(f"wrote {str(write_gate(folder, measured))!r}: threshold {measured.threshold:.3f}")


def _no_threshold() -> ConfigError:
    return ConfigError(
        "A threshold cannot be measured without answerable and unanswerable queries.",
        hint='Add lines with "answerable": false, for questions that nothing answers.',
    )


@contextmanager
def _shown_progress(name: str) -> Iterator[Callable[[int, int], None]]:
    console = talk_console()
    bar = ProgressBar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
