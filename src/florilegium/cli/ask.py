"""`florilegium ask`: an answer as it comes, and its numbered sources under it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from florilegium.answers import (
    Answer,
    Citation,
    Event,
    Failed,
    Failure,
    Finished,
    Retrieved,
    Token,
)
from florilegium.cli import options, thumbnails
from florilegium.cli.answer_words import describe_citation, describe_identification, say
from florilegium.cli.exit_codes import FAILED
from florilegium.cli.hits import (
    THUMBNAIL_COLUMNS,
    contribution_table,
    draw_thumbnails,
    print_evidence,
)
from florilegium.cli.render import (
    TokenWriter,
    clean,
    data_console,
    print_json,
    print_line,
    print_table,
    reported_errors,
    talk,
    talk_console,
)
from florilegium.evidence import Language
from florilegium.languages import reply_language
from florilegium.library import Library
from florilegium.serialize import answer_to_json
from florilegium.types import Modality

CLOSEST_HITS = 3


def ask(
    *,
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="What to ask.", show_default=False)
    ] = "",
    image: options.ImageOption = None,
    folder: options.FolderOption = None,
    kind: options.TypeOption = None,
    label: options.LabelOption = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    where: options.FieldOption = None,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Write the answer while it is made.")
    ] = True,
    quote: Annotated[
        bool, typer.Option("--quote", help="Answer by quoting, whatever chat model is set.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how the answer came about.")
    ] = False,
    show_thumbnails: options.ThumbnailsOption = True,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Answer a question from the library, with numbered sources.

    If nothing in the library answers it, the answer says so; that is exit code 0 too. An answer
    that breaks off because its chat model failed is exit code 1.
    """
    with (
        reported_errors(debug=debug, as_json=as_json),
        options.open_library(library, settings) as opened,
    ):
        wanted = options.read_filter(
            folder=folder, kind=kind, label=label, since=since, until=until, where=where
        )
        events = opened.stream(question, image=image, quote=quote, where=wanted)
        if as_json:
            answer = read_events(events)
            print_json(answer_to_json(answer))
        else:
            answer = write_events(events, question=question, stream=stream)
            print_sources(opened, answer, show_thumbnails=show_thumbnails)
            if explain:
                print_line()
                print_explanation(answer)
        if breaks_off(answer):
            raise typer.Exit(FAILED)


def write_events(events: Iterable[Event], *, question: str = "", stream: bool = True) -> Answer:
    """Write the text of an answer to stdout as it comes, or at its end, and return the answer.

    What it searched for, if that is not the question, what the picture shows, and what failed go
    to stderr.
    """
    console = talk_console()
    writer = TokenWriter()
    answer: Answer | None = None
    with console.status("searching …") as status:
        for event in events:
            match event:
                case Retrieved():
                    status.stop()
                    _talk_of_search(event, question)
                    status.update("answering …")
                    status.start()
                case Token() if stream:
                    status.stop()
                    writer.write(event.text)
                case Failed():
                    status.stop()
                    writer.end()
                    writer = TokenWriter()
                    talk_of_failure(event.failure)
                case Finished():
                    answer = event.answer
    writer.end()
    if answer is None:
        raise RuntimeError("A stream of events ended without Finished.")
    if not stream:
        print_line(answer.text)
    return answer


def read_events(events: Iterable[Event]) -> Answer:
    """Return the answer at the end of the events."""
    for event in events:
        if isinstance(event, Finished):
            return event.answer
    raise RuntimeError("A stream of events ended without Finished.")


def breaks_off(answer: Answer) -> bool:
    """Return whether the chat model failed in the middle of the answer."""
    return answer.failure is not None and not answer.failure.stands_in


def talk_of_failure(failure: Failure) -> None:
    """Say on stderr that the chat model failed, and what becomes of the answer."""
    talk(Text.assemble(("error: ", "bold red"), clean(failure.message)))
    if failure.hint:
        talk(Text.assemble(("hint: ", "bold cyan"), clean(failure.hint)))
    if failure.stands_in:
        talk(f"({failure.model} is out of reach, so the answer below is quoted from the library)")
    else:
        talk("(what it had said is kept; --quote, or /quote in a chat, answers by quoting)")


def print_explanation(answer: Answer) -> None:
    """Write to stdout how an answer came about: search, identification, lists, evidence, notes."""
    print_line(f"Searched for: {answer.searched or 'the picture'}")
    if answer.identification is not None:
        print_line(f"The picture: {describe_identification(answer.identification)}")
        for candidate in answer.identification.candidates:
            told = f", told of in {candidate.path}" if candidate.path else ""
            print_line(f"  - {candidate.name}: {candidate.share:.0%} of the votes{told}")
    if answer.model:
        print_line(f"Answered by: {answer.model}")
    for note in answer.notes:
        print_line(f"  - {note}")
    print_table(contribution_table(answer.hits))
    print_evidence(answer.confidence, answer.reasons)


def _talk_of_search(event: Retrieved, question: str) -> None:
    language = reply_language(question)
    if event.searched.strip() != question.strip():
        searched = say("searched", language, searched=clean(event.searched))
        talk(Text(searched, style="dim"))
    if event.identification is not None:
        said = describe_identification(event.identification, language)
        talk(Text(say("picture", language, said=clean(said)), style="dim"))


def print_sources(library: Library, answer: Answer, *, show_thumbnails: bool = True) -> None:
    """Write to stdout the numbered sources of an answer and how sure it is.

    A refusal has no sources; what came closest is shown instead. A Chinese question gets Chinese
    words round its answer.
    """
    language = reply_language(answer.history[-1].question if answer.history else "")
    if answer.refused:
        _print_closest(answer, language)
    elif answer.citations:
        print_line()
        print_line(Text(say("sources", language), style="bold"))
        for citation in answer.citations:
            place = describe_citation(citation, language)
            _print_source(library, citation, place, show_thumbnails=show_thumbnails)
    print_line()
    print_line(Text(say("confidence", language, confidence=answer.confidence), style="dim"))


def _print_closest(answer: Answer, language: Language) -> None:
    for reason in (*answer.reasons, *answer.notes):
        print_line(Text(f"  - {clean(reason)}", style="dim"))
    if not answer.hits:
        return
    print_line()
    print_line(Text(say("closest", language), style="bold"))
    for hit in answer.hits[:CLOSEST_HITS]:
        said = say(
            "hit",
            language,
            path=hit.item.source.path,
            title=clean(hit.item.title),
            modality=say(hit.item.modality, language),
            score=hit.score,
        )
        print_line(said)


def _print_source(
    library: Library, citation: Citation, place: str, *, show_thumbnails: bool
) -> None:
    hit = citation.hit
    console = data_console()
    said = Text.assemble(
        (clean(hit.item.source.path), "bold"),
        f"  {clean(hit.item.title)}",
        (f"  {place}", "dim"),
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
