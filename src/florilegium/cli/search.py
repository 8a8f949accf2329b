"""`florilegium search`: the command and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from florilegium.cli import options
from florilegium.cli.hits import print_explanation, print_hits
from florilegium.cli.render import print_json, reported_errors
from florilegium.serialize import explanation_to_json, hits_to_json
from florilegium.types import Modality


def search(
    *,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What to search for.", show_default=False)
    ] = "",
    image: options.ImagesOption = None,
    modality: Annotated[
        Modality | None,
        typer.Option("--modality", help="Find only pictures or only texts.", show_default=False),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            "--top-k",
            metavar="N",
            help="At most so many hits.",
            show_default="retrieval.top_k",
        ),
    ] = None,
    folder: options.FolderOption = None,
    kind: options.TypeOption = None,
    label: options.LabelOption = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    where: options.FieldOption = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how the ranking came about.")
    ] = False,
    show_thumbnails: options.ThumbnailsOption = True,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Find pictures and texts by a text, a picture, or both.

    A picture together with a text is one query: "the same, but white". Signed terms are wanted or
    unwanted: `flowers +white -"in a vase"`; where the first one is unwanted, write -- before it.
    """
    with (
        reported_errors(debug=debug, as_json=as_json),
        options.open_library(library, settings) as opened,
    ):
        wanted = options.read_filter(
            folder=folder, kind=kind, label=label, since=since, until=until, where=where
        )
        found = opened.explain(text, image=image, modality=modality, top_k=top_k, where=wanted)
        if as_json:
            print_json(explanation_to_json(found) if explain else hits_to_json(found.hits))
            return
        print_hits(opened, found.hits, query=text, show_thumbnails=show_thumbnails)
        if explain:
            print_explanation(found, threshold=opened.threshold().describe())
