"""A small disk of its own: ext4 in a file behind a loop device, so that its power can be cut.

The file holds what the system has written to the device so far. A copy of it is what a machine
finds after a power cut at that instant: what was only in the memory of the system is not there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PROGRAMS: Final = ("mkfs.ext4", "mount", "umount", "losetup")
_TRIES: Final = 2000
_PATIENCE: Final = 30.0  # seconds
_PATHS: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> str:
    """Return why this machine cannot make such disks, empty if it can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "only root may mount disks"
    for name in _PROGRAMS:
        if shutil.which(name, path=_PATHS) is None:
            return f"{name} is not installed"
    if not Path("/dev/loop-control").exists():
        return "the system has no loop devices"
    return ""


class LoopDisk:
    """A disk in a file, mounted or not."""

    def __init__(self, file: Path, point: Path) -> None:
        self.file = file
        self.point = point
        self._device: str | None = None

    @classmethod
    def make(cls, file: Path, point: Path, *, megabytes: int) -> LoopDisk:
        """Make an empty disk. Its journal is as small as ext4 allows."""
        with file.open("wb") as stream:
            stream.truncate(megabytes * 1_000_000)
        # Blocks of 4096 bytes as on any disk of today; small ones get less, and on those SQLite
        # meets a signal (SIGBUS) instead of an error when they are full.
        words = ("-q", "-F", "-b", "4096", "-m", "0", "-J", "size=4")
        _call("mkfs.ext4", *words, str(file))
        point.mkdir(exist_ok=True)
        return cls(file, point)

    @contextmanager
    def mounted(self, *options: str) -> Iterator[Path]:
        """Give the folder in which the disk is mounted; what is on it is synced at the end."""
        self._device = _call("losetup", "--find", "--show", str(self.file)).strip()
        try:
            words = ("-o", ",".join(options)) if options else ()
            _call("mount", "-t", "ext4", *words, self._device, str(self.point))
            try:
                yield self.point
            finally:
                _when_free("umount", str(self.point))
        finally:
            _call("losetup", "--detach", self._device)
            self._device = None

    def remount(self, option: str) -> None:
        """Change an option of the mounted disk, e.g. `ro`."""
        _when_free("mount", "-o", f"remount,{option}", str(self.point))

    def sync(self) -> None:
        """Write everything to the disk."""
        _call("sync", "-f", str(self.point))

    def cut(self, target: Path) -> None:
        """Copy what the disk holds at one instant between two of its writes."""
        for _ in range(_TRIES):
            before = self._writes()
            if before is not None:
                copy_holes(self.file, target)
                if self._writes() == before:
                    return
            time.sleep(0.0005)
        raise AssertionError("The disk was never still for long enough to be copied.")

    def _writes(self) -> tuple[str, str] | None:
        """Return how much was written, None while something is being written."""
        assert self._device is not None, "the disk is not mounted"
        file = Path("/sys/block") / Path(self._device).name / "stat"
        words = file.read_text(encoding="utf-8").split()
        return (words[4], words[6]) if words[8] == "0" else None


def copy_holes(source: Path, target: Path) -> None:
    """Copy a file with holes, in as little time as can be."""
    with source.open("rb") as reading, target.open("wb") as writing:
        size = os.fstat(reading.fileno()).st_size
        writing.truncate(size)
        place = 0
        while place < size:
            try:
                start = os.lseek(reading.fileno(), place, os.SEEK_DATA)
            except OSError:  # only a hole is left
                return
            place = os.lseek(reading.fileno(), start, os.SEEK_HOLE)
            os.lseek(reading.fileno(), start, os.SEEK_SET)
            os.lseek(writing.fileno(), start, os.SEEK_SET)
            left = place - start
            while left:
                left -= os.sendfile(writing.fileno(), reading.fileno(), None, left)


def _when_free(*words: str) -> None:
    """Call a program that needs a disk on which no file is open, and wait until it is so.

    Chroma closes its files in threads of its own, some time after its client was closed.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            _call(*words)
        except AssertionError as error:
            if "busy" not in str(error) or time.monotonic() > until:
                raise
        else:
            return
        time.sleep(0.05)


def _call(*words: str) -> str:
    program = shutil.which(words[0], path=_PATHS)
    assert program is not None, words[0]
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"
    return done.stdout
