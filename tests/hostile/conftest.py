"""A folder that is removed at once, however deep and large what a test made in it is."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def made_place() -> Iterator[Path]:
    """Give an empty folder of a short path. What it holds, pytest could not always remove."""
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    try:
        yield folder
    finally:
        # Folders may be closed, and deeper than Python goes.
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, "--", str(folder)], check=False, capture_output=True)


@pytest.fixture
def place() -> Iterator[Path]:
    """Return an empty folder that is removed after the test."""
    with made_place() as folder:
        yield folder
