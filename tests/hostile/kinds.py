"""What a kind of hostile file is, and the list of all kinds. Modules of kinds add to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

Outcome: TypeAlias = Literal["taken", "failed", "any"]
Write: TypeAlias = Callable[[Path], None]

SPARSE: Final = 100_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind: how its files are written into a folder, and what must become of all of them.

    `any` is for many files at once of which some can be read. `codes` are the codes with which
    files may fail.
    """

    name: str
    write: Write
    outcome: Outcome
    codes: frozenset[str]
    needs_isolation: bool = False


KINDS: Final[dict[str, Kind]] = {}


def kind(
    name: str, outcome: Outcome, *codes: str, needs_isolation: bool = False
) -> Callable[[Write], Write]:
    """Add a kind whose files the decorated function writes."""

    def add(write: Write) -> Write:
        add_kind(name, outcome, write, *codes, needs_isolation=needs_isolation)
        return write

    return add


def add_kind(
    name: str, outcome: Outcome, write: Write, *codes: str, needs_isolation: bool = False
) -> None:
    """Add a kind. Names are unique."""
    if name in KINDS:
        raise ValueError(f"two kinds are called {name!r}")
    KINDS[name] = Kind(
        name=name,
        write=write,
        outcome=outcome,
        codes=frozenset(codes or ("source_unreadable", "source_too_large")),
        needs_isolation=needs_isolation,
    )


def files(name: str, outcome: Outcome, /, *codes: str, **contents: bytes) -> None:
    """Add a kind that is one file or several of given content; `__` in a name is a dot."""

    def write(folder: Path) -> None:
        for file, data in contents.items():
            (folder / file.replace("__", ".")).write_bytes(data)

    add_kind(name, outcome, write, *codes)


def write_sparse(file: Path, size: int = SPARSE, *, start: bytes = b"") -> None:
    """Write a file of `size` bytes that takes no room on the disk."""
    with file.open("wb") as stream:
        stream.write(start)
        stream.truncate(size)
