"""Small files and names that are on the disk, and not only on their way, when a call returns."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(file: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file whole or not at all, whenever the power fails.

    Args:
        file: What is written, or replaced.
        data: All of it.
        mode: Who may read and write it, from the first byte on; by default as the system has it.

    Raises:
        OSError: It cannot be written.
    """
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("wb") as stream:
        if mode is not None:
            os.fchmod(stream.fileno(), mode)
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
    # Without it the new name may be lost with the power, though the file was written.
    sync(file.parent)


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
