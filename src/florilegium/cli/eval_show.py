"""`florilegium eval show`: a stored evaluation, alone or against another one."""

from __future__ import annotations

from typing import Annotated

import typer

from florilegium.cli import options
from florilegium.cli.eval_run import AgainstOption, show_results
from florilegium.cli.render import reported_errors
from florilegium.comparison import compare
from florilegium.config import INDEX_FOLDER
from florilegium.evaluation_files import LAST, find_report, read_report


def show(
    *,
    which: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A stored evaluation: its file, its name, or `last`."),
    ] = LAST,
    against: AgainstOption = None,
    library: options.LibraryOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Print a stored evaluation, or compare two of them."""
    with (
        reported_errors(debug=debug, as_json=as_json),
        options.open_library(library, None) as opened,
    ):
        folder = opened.root / INDEX_FOLDER
        file = find_report(which, folder)
        report = read_report(file)
        comparisons = []
        if against:
            earlier = find_report(against, folder)
            names = (earlier.name, file.name)
            comparisons.append(compare(read_report(earlier), report, names=names))
        show_results(report, comparisons, stored=file, as_json=as_json)
