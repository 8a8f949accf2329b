"""`florilegium eval make`: a person chooses the right hits, and each choice is kept at once.

On a pipe each line of stdin is one answer; nothing is prompted for then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from florilegium.cli import options
from florilegium.cli.chat import split_picture
from florilegium.cli.hits import print_hits
from florilegium.cli.render import is_interactive, print_line, reported_errors, talk
from florilegium.errors import ConfigError, InvalidQueryError
from florilegium.evaluation import TOP_K
from florilegium.labelled import LabelledQuery, make_query, read_jsonl, read_lines, to_line
from florilegium.labelling import POOL, caption_queries, pool
from florilegium.library import Library
from florilegium.types import Hit, Modality

ANSWERS: Final = (
    "the numbers of the right files (`1 3`), `+ PATH` for a file that is not shown, "
    "n for none, s to skip, q to stop"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was answered: the relevant paths, or that the query was skipped, or that all ends."""

    relevant: tuple[str, ...] = ()
    skipped: bool = False
    stopped: bool = False


def make(
    *,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Where labelled queries are added, as JSON lines."),
    ],
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            metavar="FILE",
            help="Queries to label, one a line; else you type them.",
            show_default=False,
        ),
    ] = None,
    from_captions: Annotated[
        bool,
        typer.Option(
            "--from-captions",
            help="Ask nothing: captions of pictures and titles of texts are the queries.",
        ),
    ] = False,
    modality: Annotated[
        Modality | None,
        typer.Option("--modality", help="Search only pictures or only texts.", show_default=False),
    ] = None,
    depth: Annotated[
        int, typer.Option("--top-k", metavar="N", min=1, help="So many hits to choose from.")
    ] = POOL,
    show_thumbnails: options.ThumbnailsOption = True,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Label your own library: choose the right hits of queries, one by one.

    A query may name a picture, `@rose.jpg`, with words or without. Each choice is written at once;
    run it again to go on, and what has been labelled is not asked again.
    """
    with (
        reported_errors(debug=debug),
        options.open_library(library, settings) as opened,
    ):
        target = _Target(file)
        if from_captions:
            wanted = [
                one for one in caption_queries(opened.index) if modality in (None, one.modality)
            ]
            talk(f"{sum(map(target.add, wanted))} new queries in {str(file)!r}")
            return
        _label(
            opened,
            target,
            _proposals(queries, file=file, modality=modality),
            depth=depth,
            show_thumbnails=show_thumbnails,
        )
        talk(f"{target.added} new queries in {str(file)!r}")
        if target.added:
            talk(f"next: `florilegium eval {file}`")


def parse_choice(answer: str, shown: Sequence[str], known: Container[str]) -> Choice:
    """Return what an answer means.

    Args:
        answer: What was typed.
        shown: The paths that were shown, in order.
        known: The paths of the library.

    Raises:
        InvalidQueryError: It means nothing, or names what is not there.
    """
    words = answer.strip()
    if words in ("n", "s", "q"):
        return Choice(skipped=words == "s", stopped=words == "q")
    numbers, *paths = (part.strip() for part in words.split("+"))
    chosen: list[str] = []
    for number in numbers.replace(",", " ").split():
        if not (number.isdecimal() and 1 <= int(number) <= len(shown)):
            raise InvalidQueryError(f"{number!r} is not a number of the list.", hint=ANSWERS)
        chosen.append(shown[int(number) - 1])
    for path in paths:
        if path not in known:
            raise InvalidQueryError(f"There is no file {path!r} in the library.", hint=ANSWERS)
        chosen.append(path)
    if not chosen:
        raise InvalidQueryError("Nothing was chosen.", hint=ANSWERS)
    return Choice(relevant=tuple(dict.fromkeys(chosen)))


class _Target:
    """The file that labelled queries are added to, and which are in it already."""

    def __init__(self, file: Path) -> None:
        self._file = file
        has_some = file.exists() and any(line.strip() for line in read_lines(file))
        self._ids = {query.id for query in read_jsonl(file)} if has_some else set()
        self.added = 0

    def has(self, query: LabelledQuery) -> bool:
        """Return whether the query is in the file."""
        return query.id in self._ids

    def add(self, query: LabelledQuery) -> bool:
        """Write a query at the end of the file unless it is there; return whether it was new."""
        if self.has(query):
            return False
        try:
            line = _line_end(self._file) + to_line(query)
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(line)
        except OSError as error:
            raise ConfigError(
                f"The file {str(self._file)!r} cannot be written: {error.strerror}.",
                hint="Name a file in a folder that you may write to.",
            ) from error
        self._ids.add(query.id)
        self.added += 1
        return True


def _line_end(file: Path) -> str:
    # A file that was written by hand may lack its last line end.
    data = file.read_bytes() if file.exists() else b""
    return "\n" if data and not data.endswith(b"\n") else ""


def _proposals(
    queries: Path | None, *, file: Path, modality: Modality | None
) -> Iterator[LabelledQuery]:
    lines = iter(read_lines(queries)) if queries else _typed()
    for line in lines:
        if not line.strip():
            continue
        try:
            text, picture = split_picture(line.strip())
        except InvalidQueryError as error:
            if queries:
                raise
            talk(f"{error.message} {error.hint}")
            continue
        image = (
            Path(os.path.relpath(picture, file.absolute().parent)).as_posix() if picture else None
        )
        yield make_query(text=text, image=image, modality=modality, folder=file.absolute().parent)


def _typed() -> Iterator[str]:
    while (line := _read("query (q to stop): ")) is not None and line.strip() != "q":
        yield line


def _label(
    library: Library,
    target: _Target,
    proposals: Iterator[LabelledQuery],
    *,
    depth: int,
    show_thumbnails: bool,
) -> None:
    for query in proposals:
        if target.has(query):
            talk(f"labelled already: {query.text or query.image}")
            continue
        image = query.folder / query.image if query.folder and query.image else None
        explanation = library.explain(query.text, image=image, modality=query.modality, top_k=TOP_K)
        hits = pool(explanation, depth=depth)
        title = " ".join(part for part in (query.text, query.image) if part)
        print_line()
        print_hits(library, hits, query=query.text, show_thumbnails=show_thumbnails, title=title)
        choice = _ask(hits, library)
        if choice.stopped:
            return
        if not choice.skipped:
            target.add(
                make_query(
                    text=query.text,
                    image=query.image,
                    modality=query.modality,
                    relevant=choice.relevant,
                )
            )


def _ask(hits: Sequence[Hit], library: Library) -> Choice:
    talk(f"right: {ANSWERS}")
    while (line := _read("> ")) is not None:
        try:
            shown = [hit.item.source.path for hit in hits]
            return parse_choice(line, shown, library.index.catalog.sources())
        except InvalidQueryError as error:
            talk(f"{error.message} Type {error.hint}.")
    return Choice(stopped=True)


def _read(prompt: str) -> str | None:
    if not is_interactive():
        return sys.stdin.readline() or None
    try:
        return input(prompt)
    except EOFError:
        talk("")
        return None
