"""From a name like `kind:model` to a backend, imported only when asked for.

Built-in backends and those of other packages come through the same entry points. Knows no
backend by name.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from florilegium.config import ChatConfig, EncoderConfig, TextEncoderConfig
from florilegium.config_sections import IngestConfig, RerankConfig
from florilegium.errors import MissingExtraError, UnknownBackendError
from florilegium.protocols import ChatModel, Encoder, Loader, Reranker, VectorStore
from florilegium.types import Manifest

logger = logging.getLogger(__name__)


def open_encoder(
    name: str,
    *,
    config: EncoderConfig | TextEncoderConfig,
    texts: Encoder | None = None,
    cache_folder: Path,
) -> Encoder:
    """Return the encoder called `name`.

    Args:
        name: `kind` or `kind:model`.
        config: Its section of the settings.
        texts: The text encoder of the library, which an image-text encoder may build on.
        cache_folder: Where it may keep files that can be made again.
    """
    make, model = _find("encoders", name)
    encoder: Encoder = make(model, config=config, texts=texts, cache_folder=cache_folder)
    return encoder


def open_store(name: str, *, folder: Path, manifest: Manifest) -> VectorStore:
    """Return the vector store called `name`, opened in `folder`."""
    make, model = _find("stores", name)
    store: VectorStore = make(model, folder=folder, manifest=manifest)
    return store


def open_chat_model(
    name: str, *, config: ChatConfig, texts: Encoder | None, cache_folder: Path
) -> ChatModel:
    """Return the chat model called `name`.

    Args:
        name: `kind` or `kind:model`.
        config: Its section of the settings.
        texts: The text encoder of the library.
        cache_folder: Where it may keep files that can be made again.
    """
    make, model = _find("chat_models", name)
    chat_model: ChatModel = make(model, config=config, texts=texts, cache_folder=cache_folder)
    return chat_model


def open_reranker(name: str, *, config: RerankConfig) -> Reranker:
    """Return the reranker called `name`.

    Args:
        name: `kind` or `kind:model`.
        config: Its section of the settings.
    """
    make, model = _find("rerankers", name)
    reranker: Reranker = make(model, config=config)
    return reranker


def open_loaders(*, config: IngestConfig, count_tokens: Callable[[str], int]) -> list[Loader]:
    """Return all loaders that are installed, by name; one that cannot be imported is logged."""
    return list(_loaders(backend_names("loaders"), config=config, count_tokens=count_tokens))


def open_last_loader(
    suffix: str, *, config: IngestConfig, count_tokens: Callable[[str], int]
) -> Loader | None:
    """Return the last loader by name that reads a suffix; those before it are not imported."""
    names = reversed(backend_names("loaders"))
    loaders = _loaders(names, config=config, count_tokens=count_tokens)
    return next((one for one in loaders if suffix in one.suffixes), None)


def _loaders(
    names: Iterable[str], *, config: IngestConfig, count_tokens: Callable[[str], int]
) -> Iterator[Loader]:
    for name in names:
        try:
            make, model = _find("loaders", name)
        except MissingExtraError as error:
            # A broken package of somebody's must not keep others' files from being read.
            logger.warning("The loader %r is left out: %s", name, error)
            continue
        yield make(model, config=config, count_tokens=count_tokens)


def backend_names(group: str) -> list[str]:
    """Return the names that a group (`encoders`, `stores`, …) offers."""
    return sorted({point.name for point in _entry_points(group)})


def _entry_points(group: str) -> Sequence[EntryPoint]:
    installed = _installed(tuple(_state(folder) for folder in sys.path))
    return installed.get(f"florilegium.{group}", ())


# All that is installed is read for it, which takes longer than opening a small library.
@lru_cache(maxsize=1)
def _installed(_: tuple[tuple[str | int, ...], ...]) -> dict[str, list[EntryPoint]]:
    points = entry_points()
    ours = (group for group in points.groups if group.startswith("florilegium."))
    return {group: list(points.select(group=group)) for group in ours}


def _state(folder: str) -> tuple[str | int, ...]:
    """Return what changes when something is installed into a folder of `sys.path`, or removed."""
    try:
        found = Path(folder or os.curdir).stat()
    except OSError:
        return (folder,)
    return folder, found.st_dev, found.st_ino, found.st_mtime_ns


def _find(group: str, name: str) -> tuple[Callable[..., Any], str]:
    kind, _, model = name.partition(":")
    for point in _entry_points(group):
        if point.name == kind:
            return _import(point), model
    known = ", ".join(backend_names(group)) or "none"
    raise UnknownBackendError(
        f"There is no backend {kind!r} among the {group.replace('_', ' ')}; known: {known}.",
        hint="Mend the name in florilegium.toml, or install the package that offers it.",
    )


def _import(point: EntryPoint) -> Callable[..., Any]:
    try:
        make: Callable[..., Any] = point.load()
    except (ImportError, AttributeError) as error:
        raise MissingExtraError(
            f"The backend {point.name!r} needs something that is not installed: {error}.",
            hint="Install it with `pip install`, or configure another backend.",
        ) from error
    return make
