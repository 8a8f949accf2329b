"""The files of a graph index, and whether they are those that were last known to be whole.

An engine that changes them in place, without a sync, leaves halves when its process dies or the
power fails. A note beside them says how they were when all of them were on the disk.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from florilegium.durable import replace_file, sync

_NOTE: Final = "florilegium-graphs.json"
_IDS: Final = "index_metadata.pickle"  # the last that is written of a graph
_DOUBT: Final = "in doubt"


class GraphFiles:
    """The graphs in the subfolders of one folder. Raises OSError wherever files cannot be used."""

    def __init__(self, folder: Path, *, is_new: bool) -> None:
        """Watch a folder. In a new one no graph is whole that was not noted.

        Graphs that were made before there were notes are taken for whole until they change.
        """
        self._folder = folder
        self._note = folder / _NOTE
        if is_new:
            self._write({})

    def are_whole(self) -> bool:
        """Return whether the files are as they were noted."""
        if not self._note.exists():
            return True
        try:
            return bool(json.loads(self._note.read_text(encoding="utf-8")) == self._read())
        except ValueError:  # a note that is damaged says nothing
            return False

    def doubt(self) -> None:
        """Note that the files are not to be trusted, for good when this returns."""
        self._write(_DOUBT)

    def settle(self) -> None:
        """Put what has changed on the disk, and note that it is whole."""
        found = self._read()
        try:
            noted = json.loads(self._note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            noted = None
        if noted == found:
            return
        # While they are written, some are new and some are old.
        self.doubt()
        known = noted if isinstance(noted, dict) else {}
        changed = [self._folder / name for name in found if known.get(name) != found[name]]
        for path in (*changed, *{file.parent for file in changed}, self._folder):
            sync(path)
        self._write(found)

    def folders(self) -> list[Path]:
        """Return the folders of all graphs."""
        return [path for path in self._folder.iterdir() if path.is_dir()]

    def remove(self, folders: Iterable[Path]) -> None:
        """Delete graphs that nothing refers to any more."""
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _read(self) -> dict[str, list[int]]:
        """Return size and time of each file of each graph that was ever written whole.

        One without its list of ids is made anew, empty, by whoever opens it.
        """
        whole = {ids.parent for ids in self._folder.glob(f"*/{_IDS}")}
        found = {}
        for file in self._folder.glob("*/*"):
            # Another process may have deleted it since it was listed.
            with suppress(FileNotFoundError):
                status = file.stat()
                if file.parent in whole:
                    name = file.relative_to(self._folder).as_posix()
                    found[name] = [status.st_size, status.st_mtime_ns]
        return found

    def _write(self, note: object) -> None:
        replace_file(self._note, json.dumps(note).encode())
