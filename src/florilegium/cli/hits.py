"""Hits on a terminal: as a table with thumbnails, and how they came about. Knows no command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from florilegium.cli import thumbnails
from florilegium.cli.render import (
    clean,
    clean_name,
    data_console,
    make_table,
    print_line,
    print_table,
    talk,
)
from florilegium.errors import SourceError
from florilegium.excerpts import best_excerpt
from florilegium.learning import LearntNames
from florilegium.library import Library
from florilegium.retrieve import Explanation
from florilegium.types import Hit, Item, Modality

_MARKDOWN = re.compile(r"!\[[^\]]*\]\([^)]*\)|^#+ ", re.MULTILINE)
THUMBNAIL_COLUMNS = 16
THUMBNAIL_ROWS = 6
_NAMES_SHOWN = 3


def print_hits(
    library: Library,
    hits: Sequence[Hit],
    *,
    query: str,
    show_thumbnails: bool = True,
    title: str | None = None,
) -> None:
    """Write hits to stdout as a table, with thumbnails where the terminal can show them."""
    if not hits:
        talk("nothing found")
        return
    console = data_console()
    pictures: dict[str, Text] = {}
    if show_thumbnails and thumbnails.can_show(console):
        pictures = draw_thumbnails(library, hits)
    print_table(_hit_table(hits, pictures, query=query, title=title))


def draw_thumbnails(library: Library, hits: Sequence[Hit]) -> dict[str, Text]:
    """Return the drawn pictures of the image hits, by item id.

    Where a file is gone or has changed since the last ingest, words say that it cannot be read.
    """
    images = [hit.item for hit in hits if hit.item.modality is Modality.IMAGE]
    return {item.id: _draw_thumbnail(library, item) for item in images}


def print_explanation(explanation: Explanation, *, threshold: str = "") -> None:
    """Write to stdout what each list gave to each hit, the lists, the evidence, and its limit."""
    print_table(contribution_table(explanation.hits))
    table = make_table(
        "list", "finds", "size", "mean", "deviation", "of items", "weight", "left out"
    )
    table.title = "Lists of this query"
    for column in table.columns[2:7]:
        column.justify = "right"
    for ranking in explanation.rankings:
        table.add_row(
            ranking.name,
            str(ranking.modality),
            str(ranking.size),
            f"{ranking.mean:.3f}",
            f"{ranking.deviation:.3f}",
            str(ranking.background),
            f"{ranking.weight:.2f}",
            Text(ranking.left_out or ""),
        )
    print_table(table)
    if explanation.learnt is not None:
        print_line(f"Learnt names: {describe_learnt(explanation.learnt)}")
    for one in explanation.candidates[:_NAMES_SHOWN]:
        print_line(f"The picture may show {clean(one.name)}: {one.share:.2f}")
    if explanation.admitted is not None:
        print_line(f"The filter lets {explanation.admitted} items through.")
    steps = [f"{name} {1000 * taken:.1f}" for name, taken in explanation.seconds.items()]
    print_line(f"Milliseconds: {', '.join(steps)}")
    print_evidence(explanation.evidence.confidence, explanation.evidence.reasons)
    if threshold:
        print_line(threshold)


def contribution_table(hits: Sequence[Hit]) -> Table:
    """Return what each list gave to each hit, as a table."""
    table = make_table(
        "hit", "path", "fused", "list", "rank", "score", "z", "weight", title="What each list gave"
    )
    for index in (0, 2, 4, 5, 6, 7):
        table.columns[index].justify = "right"
    for number, hit in enumerate(hits, start=1):
        head: list[str | Text] = [
            str(number),
            Text(clean_name(hit.item.source.path)),
            f"{hit.fused:.2f}",
        ]
        for part in hit.contributions:
            rank = "-" if part.rank is None else str(part.rank)
            numbers = [f"{part.score:z.3f}", f"{part.z:+.2f}", f"{part.weight:.2f}"]
            table.add_row(*head, part.ranking, rank, *numbers)
            head = ["", Text(""), ""]
    return table


def print_evidence(confidence: float, reasons: Sequence[str]) -> None:
    """Write to stdout how sure the library is that it can answer, and why."""
    print_line(f"Evidence: {confidence:.2f} (0 none, 1 certain)")
    for reason in reasons:
        print_line(f"  - {reason}")


def describe_learnt(learnt: LearntNames) -> str:
    """Return in one line what a library has learnt of its names."""
    if not learnt.names:
        return f"none, since {learnt.reason}."
    known = (
        "" if learnt.known is None else f"; the picture is like the named ones: {learnt.known:.2f}"
    )
    return (
        f"{learnt.names}, right for {learnt.adapter_right} of {learnt.held_out} pictures held out, "
        f"the vote for {learnt.vote_right}; {learnt.reason}{known}."
    )


def describe_place(hit: Hit) -> str:
    """Return where a hit stands: the characters of a text, the pixels of a picture."""
    item = hit.item
    if item.span is not None:
        return f"characters {item.span.start}-{item.span.end}"
    if item.width and item.height:
        return f"{item.width}×{item.height} pixels"
    return ""


def _draw_thumbnail(library: Library, item: Item) -> Text:
    try:
        image = library.read_image(item)
    except SourceError:
        return Text("cannot be read", style="dim")
    return thumbnails.draw(image, columns=THUMBNAIL_COLUMNS, rows=THUMBNAIL_ROWS)


def _hit_table(
    hits: Sequence[Hit], pictures: Mapping[str, Text], *, query: str, title: str | None
) -> Table:
    table = make_table("#", "kind", "path", "what it says", "score", title=title)
    table.columns[4].justify = "right"
    if pictures:
        table.add_column("picture", no_wrap=True, width=THUMBNAIL_COLUMNS)
    for rank, hit in enumerate(hits, start=1):
        cells: list[str | Text] = [
            str(rank),
            str(hit.item.modality),
            Text(clean_name(hit.item.source.path)),
            _says(hit, query),
            f"{hit.score:z.3f}",
        ]
        if pictures:
            cells.append(pictures.get(hit.item.id, ""))
        table.add_row(*cells)
    return table


def _says(hit: Hit, query: str) -> Text:
    title = clean(hit.item.title)
    text = _MARKDOWN.sub(" ", clean(hit.item.text)).strip()
    said = Text(title, style="bold")
    if hit.item.modality is Modality.IMAGE:
        said.append(f" ({describe_place(hit)})", style="not bold dim")
    if hit.duplicates:
        also = ", ".join(dict.fromkeys(clean_name(one.source.path) for one in hit.duplicates))
        said.append(f"\nalso: {also}", style="not bold dim")
    excerpt = best_excerpt(text.removeprefix(title).lstrip(), query)
    if excerpt:
        said.append(f"\n{excerpt}", style="not bold")
    return said
