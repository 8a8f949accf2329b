"""Points before and after everything that writes, at which a process can kill itself.

Install them in a process that is about to die: what they wrap stays wrapped.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from florilegium.cache import EmbeddingCache
from florilegium.catalog import Catalog
from florilegium.stores.chroma import ChromaStore
from florilegium.stores.exact import ExactRecords
from florilegium.stores.memory import MemoryStore

WRITES: dict[type | ModuleType, tuple[str, ...]] = {
    Catalog: ("announce", "commit", "commit_cards", "touch", "set_fact", "set_links",
              "set_failures", "settle", "roll_back"),
    EmbeddingCache: ("put", "put_hashes", "put_caption"),
    ChromaStore: ("upsert", "delete"),
    ExactRecords: ("upsert", "delete", "mark"),
    MemoryStore: ("upsert", "delete"),
    os: ("replace", "rename", "unlink", "rmdir", "mkdir", "fsync"),
}  # fmt: skip


class Faults:
    """Counts the points that a process passes, and kills it at number `at`, from 1."""

    def __init__(self, at: int | None) -> None:
        self._at = at
        self._lock = threading.Lock()
        self.passed: list[str] = []
        for owner, names in WRITES.items():
            for name in names:
                wrapped = self._wrap(getattr(owner, name), f"{owner.__name__}.{name}")
                setattr(owner, name, wrapped)
        self._watch_commits()

    def _wrap(self, write: Callable[..., Any], name: str) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            self._pass(f"before {name}")
            result = write(*arguments, **options)
            self._pass(f"after {name}")
            return result

        return wrapped

    def _watch_commits(self) -> None:
        faults, connect = self, sqlite3.connect

        class Watched(sqlite3.Connection):
            def commit(self) -> None:
                faults._commit(super().commit, changed=self.in_transaction)

            def __exit__(self, *error: Any) -> Any:
                leave = super().__exit__
                return faults._commit(lambda: leave(*error), changed=self.in_transaction)

        def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return connect(*arguments, factory=Watched, **options)

        setattr(sqlite3, "connect", watched)  # noqa: B010 - mypy refuses another signature

    def _commit(self, commit: Callable[[], Any], *, changed: bool) -> Any:
        if not changed:
            return commit()
        return self._wrap(commit, "COMMIT")()

    def _pass(self, name: str) -> None:
        with self._lock:
            self.passed.append(name)
            if len(self.passed) == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
