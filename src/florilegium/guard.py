"""What stands between an emptied folder and its index: removals are counted before they happen.

Pure functions of what is known and what is seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from florilegium.errors import RemovalRefusedError
from florilegium.scan import Scan
from florilegium.types import Source

logger = logging.getLogger(__name__)

_MANY: Final = 0.1
_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Files that are about to be removed from the index: how many of how many, and a few of them.

    `moved` files are at another path now, as size and time say; they are not among the `files`.
    """

    files: int
    known: int
    moved: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        moved = f", besides {self.moved} that were moved" if self.moved else ""
        return f"{self.files} of {self.known} files are gone from the folder{moved}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What may be removed: all files of a folder that is empty now, and more than a tenth.

    `before` are the files of the index in use, whichever one is written.
    """

    before: Mapping[str, Source] = field(default_factory=dict)
    allow_empty: bool = False
    confirm: Callable[[Removal], bool] | None = None

    def forbids(self, scan: Scan) -> bool:
        """Return whether a folder without files is to be left alone."""
        if not self.before:
            return not scan.failed
        return bool(find_gone(self.before, scan)) and not self.allow_empty

    def check(self, scan: Scan) -> None:
        """Have many removals confirmed; without anybody to ask they are only told.

        Raises:
            RemovalRefusedError: They were refused.
        """
        removal = count_removal(self.before, scan)
        if removal.files <= _MANY * removal.known:
            return
        if self.confirm is None:
            logger.warning("%s", removal)
        elif not self.confirm(removal):
            raise RemovalRefusedError(
                f"{removal}, and removing them from the index was refused; nothing was changed.",
                hint="Bring the files back, or run `florilegium ingest` again and agree.",
            )


def count_removal(before: Mapping[str, Source], scan: Scan) -> Removal:
    """Return how many of the files of an index are gone, and how many were only moved."""
    stats = {(one.size, one.modified_ns) for one in scan.files if one.path not in before}
    removed = find_gone(before, scan)
    gone = [path for path in removed if (before[path].size, before[path].modified_ns) not in stats]
    return Removal(
        files=len(gone),
        known=len(before),
        moved=len(removed) - len(gone),
        examples=tuple(gone[:_EXAMPLES]),
    )


def find_gone(known: Mapping[str, Source], scan: Scan) -> list[str]:
    """Return the paths of known files that are not in the folder any more, in order."""
    # Files in a folder that cannot be read today are not gone.
    unreadable = tuple(f"{failure.path}/" for failure in scan.failed)
    present = {seen.path for seen in scan.files} | {failure.path for failure in scan.failed}
    return sorted(path for path in known if path not in present and not path.startswith(unreadable))
