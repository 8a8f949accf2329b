"""`florilegium demo`: a small library, the four directions of search, and five questions."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from florilegium.cli import options
from florilegium.cli.ask import print_sources, write_events
from florilegium.cli.exit_codes import INTERRUPTED
from florilegium.cli.hits import print_hits
from florilegium.cli.ingest import STOPPED, print_report, shown_progress
from florilegium.cli.render import print_line, reported_errors, talk
from florilegium.demo.pictures import (
    CROPS,
    PICTURES,
    check_folder,
    fill_folder,
    find_picture,
    make_query_pictures,
)
from florilegium.library import Library
from florilegium.types import Modality

FOLDER = Path("florilegium-demo")
TOP_K = 3
QUESTIONS: tuple[tuple[str, str | None], ...] = (
    ("What water temperature and how much coffee per litre should I use for filter coffee?", None),
    ("Which flower is this and how do I water it?", "flower.jpg"),
    ("Which plants are the most dangerous for this animal?", "cat.png"),
    ("How do I tune the strings of a violin?", None),
    ("中国古建筑的木柱怎样防潮防腐？", None),
)


def demo(
    *,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="PATH", help="Where to make the demo library.")
    ] = FOLDER,
    settings: options.SetOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Make a small library, search it and ask it.

    Needs the extra `demo`. Running it again is fine; a folder with other things is left alone.
    """
    with reported_errors(debug=debug):
        overrides = options.parse_overrides(settings)
        with open_demo(folder, overrides) as library:
            _ingest(library)
            pictures = make_query_pictures(folder)
            _show_directions(library, pictures)
            for question, name in QUESTIONS:
                _ask(library, question, pictures[name] if name else None)
        _show_next(folder)


def open_demo(folder: Path, overrides: dict[str, object]) -> Library:
    """Return the demo library at `folder`, made or with its missing files put back.

    Raises:
        ConfigError: The folder holds something else; nothing in it was touched.
        MissingExtraError: A package with pictures is not installed; no folder was made then.
    """
    exists = check_folder(folder)
    for picture in PICTURES:
        find_picture(picture)
    if exists:
        library = Library.open(folder, overrides=overrides)
    else:
        library = Library.create(folder, overrides=overrides)
        (folder / CROPS).mkdir(parents=True, exist_ok=True)
    copied = fill_folder(folder)
    talk(f"{'refreshed' if exists else 'made'} {str(folder)!r}, {copied} files copied")
    return library


def _ingest(library: Library) -> None:
    with shown_progress() as progress:
        report = library.ingest(progress=progress)
    print_report(report)
    if report.interrupted:
        talk(STOPPED)
        raise typer.Exit(INTERRUPTED)


def _show_directions(library: Library, pictures: dict[str, Path]) -> None:
    flower, cat = pictures["flower.jpg"], pictures["cat.png"]
    _heading("Four directions of search")
    print_line(
        f"The query pictures in {str(flower.parent)!r} are cropped, shrunken copies, so that "
        "they are not the files of the library."
    )
    print_line()
    _search(library, "text → image", "a cat", None, Modality.IMAGE)
    _search(library, "image → image", "", flower, Modality.IMAGE)
    _search(library, "text → text", "keep moss out of the lawn", None, Modality.TEXT)
    _search(library, "image → text", "", cat, Modality.TEXT)


def _search(
    library: Library, direction: str, text: str, image: Path | None, modality: Modality
) -> None:
    hits = library.search(text, image=image, modality=modality, top_k=TOP_K)
    wanted = f"“{text}”" if text else f"the picture {image.name}" if image else ""
    print_hits(library, hits, query=text, title=f"{direction}: {wanted}")


def _ask(library: Library, question: str, image: Path | None) -> None:
    _heading(question + (f"  [with the picture {image.name}]" if image else ""))
    answer = write_events(library.stream(question, image=image), question=question)
    print_sources(library, answer)


def _heading(words: str) -> None:
    print_line()
    print_line(Text(f"── {words}", style="bold magenta"))
    print_line()


def _show_next(folder: Path) -> None:
    _heading("Now you")
    print_line(f"  cd {shlex.quote(str(folder))}")
    print_line("  florilegium chat")
    print_line('  florilegium search "something round" --modality image --explain')
    print_line(f'  florilegium ask "What is this?" --image {CROPS}/cat-crop.jpg')
    print_line("Put files of your own into the folder, and run `florilegium ingest`.")
