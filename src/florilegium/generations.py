"""Which folder of a library holds the index in use. A new index is built beside it.

The file `current` names the folder; replacing that file is the switch. Knows no database.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from florilegium.durable import replace_file
from florilegium.errors import StoreError

CATALOG: Final = "catalog.db"
STORE: Final = "store"
CACHE: Final = "embeddings.db"
CURRENT: Final = "current"

_NAME = re.compile(r"index-([1-9][0-9]{0,8})")
_FIRST = "index-1"


class Generations:
    """The indexes in the index folder of one library: one in use, and at most one to come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self) -> Path:
        """Return the folder of the index in use, which need not exist.

        Raises:
            StoreError: The file that names it cannot be read, names nothing of ours, or is gone
                though an index is there that it named.
        """
        file = self._folder / CURRENT
        try:
            name = file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            # Before there were several, the one index lay beside the cache.
            if (self._folder / CATALOG).exists() or (self._folder / STORE).exists():
                return self._folder
            first = self._folder / _FIRST
            if first.exists() or not self.all():
                return first
            if file.exists():  # the first of all switches was made at this very moment
                return self.current()
            raise self._damaged("it is gone") from None
        except (OSError, UnicodeDecodeError) as error:
            raise self._damaged(str(error)) from error
        if not _NAME.fullmatch(name):
            raise self._damaged(f"it says {name[:80]!r}")
        return self._folder / name

    def next(self) -> Path:
        """Return the folder in which the index is built that takes the place of the current one."""
        return self._folder / f"index-{self._number(self.current()) + 1}"

    def make(self, folder: Path) -> None:
        """Make the folder of an index, if it is not there. Raises StoreError."""
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The folder {str(folder)!r} of the index cannot be made: {error.strerror}.",
                hint="Check that the library is still there and that you may write to it.",
            ) from None  # a folder that cannot be made is no damage

    def switch(self, folder: Path) -> None:
        """Make the index in `folder` the one in use, at once and for good. Raises StoreError."""
        try:
            replace_file(self._folder / CURRENT, f"{folder.name}\n".encode())
        except OSError as error:
            raise StoreError(
                f"The new index in {str(folder)!r} is built but cannot be put in use: "
                f"{error.strerror}.",
                hint="Check the disk, then run the same command again; nothing is encoded again.",
            ) from error

    def remove_old(self) -> None:
        """Delete the indexes that came before the one in use."""
        current = self.current()
        number = self._number(current)
        for folder in self.all():
            if self._number(folder) < number:
                self.remove(folder)
        if current != self._folder:
            self.remove(self._folder)

    def remove(self, folder: Path) -> None:
        """Delete one index; what cannot be deleted is left to the next time."""
        if folder != self._folder:
            shutil.rmtree(folder, ignore_errors=True)
            return
        shutil.rmtree(folder / STORE, ignore_errors=True)
        shutil.rmtree(folder / f"{STORE}.deleted", ignore_errors=True)
        for file in folder.glob(f"{CATALOG}*"):
            file.unlink(missing_ok=True)

    def all(self) -> list[Path]:
        """Return the folders of all indexes there are, but for one beside the cache."""
        found = [path for path in self._folder.glob("index-*") if _NAME.fullmatch(path.name)]
        return sorted(found, key=self._number)

    def _number(self, folder: Path) -> int:
        match = _NAME.fullmatch(folder.name)
        return int(match[1]) if match else 0

    def _damaged(self, reason: str) -> StoreError:
        return StoreError(
            f"The file {str(self._folder / CURRENT)!r} does not name an index: {reason}.",
            hint="Run `florilegium doctor --repair`; nothing is encoded again.",
        )
