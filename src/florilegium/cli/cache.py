"""`florilegium cache stats` and `cache prune`: what the cache holds, and what nobody uses."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from florilegium.cache_upkeep import CachePruning, CacheStats
from florilegium.cli import options
from florilegium.cli.render import (
    clean,
    in_units,
    make_table,
    print_json,
    print_line,
    print_table,
    reported_errors,
)


def stats(
    *,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Count what is in the embedding cache."""
    with (
        reported_errors(debug=debug, as_json=as_json),
        options.open_library(library, settings) as opened,
    ):
        found = opened.cache_stats()
        if as_json:
            print_json(asdict(found))
        else:
            _print_stats(found)


def prune(
    *,
    other_encoders: Annotated[
        bool,
        typer.Option(
            "--other-encoders",
            help="Remove the vectors of encoders that are not configured too.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and remove nothing.")] = False,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Remove from the embedding cache what no file of the library uses now.

    These are the vectors of texts and pictures that were changed or deleted, and the perceptual
    hashes and machine captions of such pictures. Vectors of other encoders stay, so that going
    back to one costs nothing, unless --other-encoders is given.
    """
    with (
        reported_errors(debug=debug, as_json=as_json),
        options.open_library(library, settings) as opened,
    ):
        done = opened.prune_cache(other_encoders=other_encoders, dry_run=dry_run)
        if as_json:
            print_json({**asdict(done), "dry_run": dry_run})
        else:
            _print_pruning(done, dry_run=dry_run)


def _print_stats(found: CacheStats) -> None:
    table = make_table("encoder", "fingerprint", "vectors", "size")
    for one in found.encoders:
        name = one.name or "not configured"
        cells = name, one.fingerprint, str(one.count), in_units(one.bytes)
        table.add_row(*(Text(clean(cell)) for cell in cells))
    print_table(table)
    print_line(
        f"{found.hashes} perceptual hashes and {found.captions} machine captions of pictures"
    )
    free = in_units(found.free_bytes)
    print_line(f"the file takes {in_units(found.file_bytes)}, {free} of them free")


def _print_pruning(done: CachePruning, *, dry_run: bool) -> None:
    what = (
        f"{done.embeddings} vectors, {done.hashes} perceptual hashes and {done.captions} machine "
        f"captions, {in_units(done.bytes)}"
    )
    if dry_run:
        print_line(f"would remove {what}")
    else:
        print_line(f"removed {what}; the file is smaller by {in_units(done.freed_bytes)}")
