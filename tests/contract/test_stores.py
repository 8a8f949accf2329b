"""The vector stores that ship, against the contract."""

from __future__ import annotations

from pathlib import Path

from florilegium.protocols import VectorStore
from florilegium.stores import chroma, memory
from florilegium.testing.store import VectorStoreContract
from florilegium.types import Manifest


class TestMemoryStore(VectorStoreContract):
    def make_store(self, folder: Path, manifest: Manifest) -> VectorStore:
        return memory.open_store("", folder=folder, manifest=manifest)

    def break_store(self, folder: Path) -> None:
        for file in (folder / "memory").glob("*.npz"):
            file.write_bytes(b"not an archive")


class TestChromaStore(VectorStoreContract):
    def make_store(self, folder: Path, manifest: Manifest) -> VectorStore:
        return chroma.open_store("", folder=folder, manifest=manifest)

    def break_store(self, folder: Path) -> None:
        (folder / "chroma" / "chroma.sqlite3").write_bytes(b"not a database" * 1000)
