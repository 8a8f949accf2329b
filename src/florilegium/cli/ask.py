"""`florilegium ask`: an answer as it comes, and its numbered sources under it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from florilegium.cli import options, thumbnails
from florilegium.cli.hits import THUMBNAIL_COLUMNS, describe_place, draw_thumbnails
from florilegium.cli.render import (
    TokenWriter,
    clean,
    data_console,
    print_json,
    print_line,
    reported_errors,
    talk_console,
)
from florilegium.cli.serialize import answer_to_json
from florilegium.library import Library
from florilegium.types import Answer, Citation, Event, Finished, Modality, Retrieved, Token

CLOSEST_HITS = 3


def ask(
    *,
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="What to ask.", show_default=False)
    ] = "",
    image: options.ImageOption = None,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Write the answer while it is made.")
    ] = True,
    show_thumbnails: options.ThumbnailsOption = True,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Answer a question from the library, with numbered sources.

    If nothing in the library answers it, the answer says so; that is exit code 0 too.
    """
    with (
        reported_errors(debug=debug, as_json=as_json),
        options.open_library(library, settings) as opened,
    ):
        if as_json:
            print_json(answer_to_json(opened.ask(question, image=image)))
            return
        if stream:
            answer = write_events(opened.stream(question, image=image))
        else:
            answer = opened.ask(question, image=image)
            print_line(answer.text)
        print_sources(opened, answer, show_thumbnails=show_thumbnails)


def write_events(events: Iterable[Event]) -> Answer:
    """Write the tokens of an answer to stdout as they come, and return the answer."""
    console = talk_console()
    writer = TokenWriter()
    answer: Answer | None = None
    with console.status("searching …") as status:
        for event in events:
            match event:
                case Retrieved():
                    status.update("answering …")
                case Token():
                    status.stop()
                    writer.write(event.text)
                case Finished():
                    answer = event.answer
    writer.end()
    if answer is None:
        raise RuntimeError("A stream of events ended without Finished.")
    return answer


def print_sources(library: Library, answer: Answer, *, show_thumbnails: bool = True) -> None:
    """Write to stdout the numbered sources of an answer and how sure it is.

    A refusal has no sources; what came closest is shown instead.
    """
    if answer.refused:
        _print_closest(answer)
    elif answer.citations:
        print_line()
        print_line(Text("Sources", style="bold"))
        for citation in answer.citations:
            _print_source(library, citation, show_thumbnails=show_thumbnails)
    print_line()
    print_line(Text(f"Confidence {answer.confidence:.2f}", style="dim"))


def _print_closest(answer: Answer) -> None:
    for reason in answer.reasons:
        print_line(Text(f"  - {clean(reason)}", style="dim"))
    if not answer.hits:
        return
    print_line()
    print_line(Text("What came closest", style="bold"))
    for hit in answer.hits[:CLOSEST_HITS]:
        title = clean(hit.item.title)
        print_line(f"  {hit.item.source.path}  {title} ({hit.item.modality}, {hit.score:.3f})")


def _print_source(library: Library, citation: Citation, *, show_thumbnails: bool) -> None:
    hit = citation.hit
    console = data_console()
    said = Text.assemble(
        (clean(hit.item.source.path), "bold"),
        f"  {clean(hit.item.title)}",
        (f"  {_place(citation)}", "dim"),
    )
    if citation.quote:
        said.append(f"\n“{clean(citation.quote)}”", style="italic")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, justify="right", min_width=4)
    cells = [Text(f"[{citation.number}]", style="cyan"), said]
    is_image = hit.item.modality is Modality.IMAGE
    if is_image and show_thumbnails and thumbnails.can_show(console):
        grid.add_column(no_wrap=True, width=THUMBNAIL_COLUMNS)
        cells.insert(1, draw_thumbnails(library, [hit])[hit.item.id])
    grid.add_column(overflow="fold")
    grid.add_row(*cells)
    console.print(grid)


def _place(citation: Citation) -> str:
    if citation.span is not None:
        return f"characters {citation.span.start}-{citation.span.end}"
    return describe_place(citation.hit)
