"""Which models were found to see, and the file in the cache folder that remembers it for a day.

The file can be deleted at any time; a damaged one counts as absent, and an unwritable one too.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from florilegium.chat_models.openai.probe import Sight

logger = logging.getLogger(__name__)

FILE_NAME: Final = "chat_vision.json"
VALID_SECONDS: Final = 24 * 3600
"""A server may be given another model of the same name, or the vision part that it lacked."""

_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    sight: Sight
    at: float


_FILE = TypeAdapter(dict[str, _Found])


def recall_sight(
    cache_folder: Path, server: str, model: str, *, clock: Callable[[], float] = time.time
) -> Sight | None:
    """Return what was found of a model within the last day; None when that is not known."""
    found = _read(cache_folder / FILE_NAME).get(_key(server, model))
    if found is None or not 0 <= clock() - found.at < VALID_SECONDS:
        return None
    return found.sight


def remember_sight(
    cache_folder: Path,
    server: str,
    model: str,
    sight: Sight,
    *,
    clock: Callable[[], float] = time.time,
) -> None:
    """Keep what was found of a model, if the folder can be written to.

    Of two processes that write at the same moment, one may lose what it found and ask again.
    """
    file = cache_folder / FILE_NAME
    known = _read(file)
    key = _key(server, model)
    known.pop(key, None)
    known[key] = _Found(sight=sight, at=clock())
    kept = dict(list(known.items())[-_KEPT:])
    try:
        cache_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=cache_folder, prefix=f"{FILE_NAME}.", suffix=".partial", delete=False
        ) as stream:
            stream.write(_FILE.dump_json(kept, indent=1))
        Path(stream.name).replace(file)
    except OSError as error:
        logger.info("What was found of %r cannot be kept in %s: %s", model, file, error)


def _key(server: str, model: str) -> str:
    return f"{server} {model}"


def _read(file: Path) -> dict[str, _Found]:
    try:
        return _FILE.validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        logger.info("What is known of models in %s is not used: %s", file, error)
        return {}
