"""A folder becomes a library, or is found to be one. Knows its settings file, and no index."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from florilegium.config import CONFIG_NAME, INDEX_FOLDER, Settings, load_settings
from florilegium.errors import ConfigError, IndexNotFoundError
from florilegium.setting_values import write_settings


def make_library(
    root: Path, *, profile: str, overrides: Mapping[str, object] | None = None
) -> Settings:
    """Make a folder a library, which is made too if it is absent, and return its settings.

    Raises:
        ConfigError: The folder is a library already, or a setting is wrong.
    """
    if (root / INDEX_FOLDER).exists():
        raise ConfigError(
            f"The folder {str(root)!r} is a library already.",
            hint="Open it, or delete its subfolder .florilegium to begin anew.",
        )
    values = {"profile": profile, **(overrides or {})}
    load_settings(root, overrides=values)  # a wrong setting must leave no trace
    if overrides and (root / CONFIG_NAME).exists():
        raise ConfigError(
            f"The folder {str(root)!r} has a settings file, which is never overwritten.",
            hint=f"Write the settings into its {CONFIG_NAME}, or remove that file first.",
        )
    try:
        (root / INDEX_FOLDER).mkdir(parents=True)
        if not (root / CONFIG_NAME).exists():
            write_settings(root / CONFIG_NAME, values)
    except OSError as error:
        raise ConfigError(
            f"The folder {str(root)!r} cannot be made a library: {error.strerror}.",
            hint="Choose a folder that you may write to.",
        ) from error
    return load_settings(root, overrides=overrides)


def check_library(root: Path) -> None:
    """Raise IndexNotFoundError if a folder is no library."""
    if not (root / INDEX_FOLDER).is_dir():
        raise IndexNotFoundError(
            f"The folder {str(root)!r} is no library.",
            hint="Make it one with `florilegium init`, then run `florilegium ingest`.",
        )


def locate_library(start: Path) -> Path:
    """Return the nearest folder from `start` upwards that is a library.

    Raises:
        IndexNotFoundError: There is none.
    """
    for folder in (start, *start.parents):
        if (folder / INDEX_FOLDER).is_dir():
            return folder
    raise IndexNotFoundError(
        f"Neither {str(start)!r} nor a folder above it is a library.",
        hint="Go into a library, name one with --library, or run `florilegium init`.",
    )
