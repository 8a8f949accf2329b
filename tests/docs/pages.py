"""Reads Markdown pages: code blocks with the comment before them, links, and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

SKIP = re.compile(r"<!--\s*not run:\s*(?P<reason>.+?)\s*-->")
SAVED = re.compile(r"<!--\s*saved as:\s*(?P<name>[\w./-]+)\s*-->")
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w-]*)[^`]*$")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(?P<words>.+?)\s*#*$", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block; `not_run` is the reason of a skip comment, `saved_as` a file name."""

    page: str
    line: int
    language: str
    code: str
    not_run: str | None = None
    saved_as: str | None = None

    @property
    def place(self) -> str:
        """Return where the block starts, as `page:line`."""
        return f"{self.page}:{self.line}"


def find_pages() -> list[Path]:
    """Return every Markdown page of the project that people read, by path."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def name_of(page: Path) -> str:
    """Return the path of a page relative to the project."""
    return page.relative_to(ROOT).as_posix()


def read_blocks(text: str, page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order. A fence that never closes is an error."""
    lines = text.splitlines()
    comment, at = "", 0
    while at < len(lines):
        opening = FENCE.match(lines[at])
        if opening is None:
            # Only what stands directly before a block speaks of it; blank lines do not matter.
            comment = lines[at] if lines[at].strip() else comment
            at += 1
            continue
        end = _find_end(lines, at, opening["ticks"], page)
        cut = len(opening["indent"])
        skip, saved = SKIP.search(comment), SAVED.search(comment)
        yield Block(
            page=page,
            line=at + 1,
            language=opening["language"],
            code="\n".join(line[cut:] for line in lines[at + 1 : end]) + "\n",
            not_run=skip["reason"] if skip else None,
            saved_as=saved["name"] if saved else None,
        )
        comment, at = "", end + 1


def _find_end(lines: list[str], start: int, ticks: str, page: str) -> int:
    for at in range(start + 1, len(lines)):
        if lines[at].strip() == ticks:
            return at
    raise AssertionError(f"{page}:{start + 1}: this code block has no end.")


def without_blocks(text: str) -> str:
    """Return the prose of a page: no fenced blocks, no code spans."""
    kept: list[str] = []
    ticks: str | None = None
    for line in text.splitlines():
        opening = FENCE.match(line)
        if ticks is None and opening:
            ticks = opening["ticks"]
        elif ticks is not None and line.strip() == ticks:
            ticks = None
        elif ticks is None:
            kept.append(line)
    return re.sub(r"`[^`\n]*`", "", "\n".join(kept))


def links_of(text: str) -> list[str]:
    """Return the targets of the links and pictures in the prose of a page."""
    return [found["target"] for found in LINK.finditer(without_blocks(text))]


def anchors_of(text: str) -> set[str]:
    """Return the anchors that the headings of a page get when it is shown."""
    fences_gone = re.sub(r"^(`{3,})[^`]*?^\1\s*$", "", text, flags=re.M | re.S)
    return {_slug(found["words"]) for found in HEADING.finditer(fences_gone)}


def _slug(words: str) -> str:
    plain = re.sub(r"[^\w\- ]", "", words.replace("`", "").lower())
    return plain.strip().replace(" ", "-")


def commands_of(block: Block) -> list[str]:
    """Return the commands of a shell block: the lines after `$ ` in a console session, each line
    otherwise; a line that ends with a backslash goes on."""
    lines = block.code.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return [line.removeprefix("$ ").strip() for line in lines if line.startswith("$ ")]
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
