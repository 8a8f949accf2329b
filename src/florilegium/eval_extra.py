"""The packages of the extra `eval`, imported when they are needed, or the error that names it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from florilegium.errors import MissingExtraError


def need(package: str) -> ModuleType:
    """Return a package of the extra. Raises MissingExtraError."""
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f"An evaluation needs a package that is not installed: {error}.",
            hint="Run `pip install 'florilegium[eval]'`.",
        ) from error
