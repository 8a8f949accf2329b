"""What keeps a library well: its checks, its numbers, its cache. Functions of its opened parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from florilegium.cache_upkeep import CachePruning
from florilegium.checks import Check, attempt, check_reranker, try_chat_model, try_encoder
from florilegium.config import Config, Settings
from florilegium.errors import StoreError
from florilegium.gate_file import read_gate
from florilegium.inspection import Finding, check_files, inspect
from florilegium.locking import writers_lock
from florilegium.parts import Parts
from florilegium.pruning import prune_cache
from florilegium.thresholds import Threshold, choose_threshold


def threshold_of(parts: Parts, *, settings: Settings, folder: Path) -> Threshold:
    """Return what `Library.threshold` does; `folder` is where the index is."""
    return choose_threshold(
        settings.config.chat.min_confidence,
        is_set="chat.min_confidence" in settings.origins,
        measured=read_gate(folder),
        encoders={one.name: one.fingerprint for one in parts.manifest().spaces},
    )


def check_parts(
    parts: Parts, *, config: Config, inspect_files: Callable[[], list[Finding]]
) -> list[Check]:
    """Return what `Library.check` does."""
    room = config.chat.max_tokens
    return [
        Check(name="settings", ok=True, message=f"profile {config.profile}"),
        attempt("text encoder", lambda: try_encoder(parts.text_encoder())),
        attempt("image-text encoder", lambda: try_encoder(parts.encoder())),
        attempt("index", parts.describe_index),
        *check_files(inspect_files),
        attempt("chat model", lambda: try_chat_model(parts.chat_model(), max_tokens=room)),
        *check_reranker(parts.reranker),
    ]


def inspect_parts(parts: Parts, *, folder: Path, deep: bool) -> list[Finding]:
    """Return what `Library.inspect` does; `folder` is where the index is."""
    if not os.access(folder, os.W_OK):  # then the lock cannot be had
        return inspect(parts, folder, deep=deep)
    with writers_lock(folder, doing="florilegium doctor"):
        return inspect(parts, folder, deep=deep)


def prune(parts: Parts, *, folder: Path, other_encoders: bool, dry_run: bool) -> CachePruning:
    """Do what `Library.prune_cache` does; `folder` is where the index is."""
    with writers_lock(folder, doing="pruning the cache"):
        if parts.is_building():
            raise StoreError(
                "A new index of this library was begun and not finished, so what it needs would be "
                "taken for unused.",
                hint="Run `florilegium ingest --rebuild`, then prune the cache.",
            )
        with parts.reading() as opened:
            return prune_cache(opened.index, other_encoders=other_encoders, dry_run=dry_run)
