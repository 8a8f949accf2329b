"""What was measured and chosen for a tower, and the file in the cache folder that remembers it.

The file can be deleted at any time; a damaged one counts as absent, and an unwritable one too.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from florilegium.encoders.onnx_clip.tower import Engine
from florilegium.ids import hash_bytes
from florilegium.types import Precision

logger = logging.getLogger(__name__)

FILE_NAME = "engines.json"

TowerName: TypeAlias = Literal["vision", "text"]

_KEPT = 64  # choices in the file; older ones are of models and versions that are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How fast an engine ran the tower."""

    engine: Engine
    rows_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A candidate that is out of the question, in words, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The engine of a tower. Nothing was measured if it was the only candidate."""

    tower: TowerName
    variant: Precision
    engine: Engine
    speeds: tuple[Measured, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


_CHOICES = TypeAdapter(dict[str, Chosen])


def make_key(facts: Mapping[str, object]) -> str:
    """Return the key of a choice that depends on these facts."""
    return hash_bytes(json.dumps(facts, sort_keys=True).encode())


def recall(cache_folder: Path, key: str) -> Chosen | None:
    """Return what was chosen; None when that is not known."""
    return _read(cache_folder / FILE_NAME).get(key)


def remember(cache_folder: Path, key: str, chosen: Chosen) -> None:
    """Keep a choice, if the folder can be written to.

    Of two processes that write at the same moment, one may lose its choice and measure again.
    """
    file = cache_folder / FILE_NAME
    choices = _read(file)
    choices.pop(key, None)
    choices[key] = chosen
    kept = dict(list(choices.items())[-_KEPT:])
    try:
        cache_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=cache_folder, prefix=f"{FILE_NAME}.", suffix=".partial", delete=False
        ) as stream:
            stream.write(_CHOICES.dump_json(kept, indent=1))
        Path(stream.name).replace(file)
    except OSError as error:
        logger.info("The choice of engine cannot be kept in %s: %s", file, error)


def _read(file: Path) -> dict[str, Chosen]:
    try:
        return _CHOICES.validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        logger.info("The choices of engines in %s are not used: %s", file, error)
        return {}
