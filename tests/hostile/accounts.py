"""What lies in a folder, counted without Florilegium, and healthy files that must be found."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from florilegium import Hit, IngestReport
from tests.conftest import draw

NAME: Final = "healthy"
TEXT: Final = "The healthy peony wants sun, and its roots want a dry place in winter."
QUESTION: Final = "Where do the roots of the peony want to be in winter?"


def write_healthy(folder: Path, *, name: str = NAME) -> None:
    """Write a healthy text and a healthy picture."""
    (folder / f"{name}.txt").write_text(f"{TEXT} This is {name}.\n", encoding="utf-8")
    draw("green", "triangle", size=40).save(folder / f"{name}.png")


def count(root: Path) -> int:
    """Return how many files and other things below `root` ingest must account for.

    These are all that are neither hidden nor settings: files, pipes, sockets, devices and broken
    links, and folders that cannot be read or that a link leads out to.
    """
    found, folders = 0, [root]
    home = os.path.realpath(root)
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                listed = list(entries)
        except OSError:
            found += 1
            continue
        for entry in listed:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            elif os.path.isdir(entry.path):  # noqa: PTH112 - false where the link is too long
                target = os.path.realpath(entry.path)
                found += target != home and not target.startswith(home + os.sep)
            else:
                found += entry.name != "florilegium.toml"
    return found


def accounted(report: IngestReport) -> int:
    """Return how many files a report tells of."""
    return report.seen + report.ignored


def is_printable(text: str) -> bool:
    """Return whether a text can be encoded, and holds no character that drives a terminal."""
    text.encode("utf-8")
    return not any(ord(one) < 0x20 or 0x7F <= ord(one) < 0xA0 for one in text)


def paths(hits: Iterable[Hit]) -> list[str]:
    """Return the paths of hits, best first."""
    return [hit.item.source.path for hit in hits]
