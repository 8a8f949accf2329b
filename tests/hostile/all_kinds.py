"""Every kind of hostile file, and which of them this machine can make."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.hostile import bombs, descriptions, names, pictures, places, tags, texts
from tests.hostile.kinds import KINDS, Kind

MODULES: Final = (pictures, bombs, tags, texts, descriptions, names, places)
ALL: Final[tuple[Kind, ...]] = tuple(KINDS.values())
_NEEDS_ROOT: Final = "devices"
_NEEDS_A_USER: Final = "files and folders that may not be read"


def why_not(kind: Kind) -> str:
    """Return why this machine cannot make a kind; empty if it can."""
    is_root = os.geteuid() == 0
    if kind.name == _NEEDS_ROOT and not is_root:
        return "only root makes devices"
    if kind.name == _NEEDS_A_USER and is_root:
        return "root reads everything; run the tests as another user"
    return ""


def write(kind: Kind, folder: Path) -> None:
    """Write the files of a kind, or skip the test and say why."""
    reason = why_not(kind)
    if reason:
        pytest.skip(f"{kind.name}: {reason}")
    folder.mkdir(parents=True)
    kind.write(folder)
