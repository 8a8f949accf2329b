"""The vector stores that ship, against the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium.protocols import VectorStore
from florilegium.stores import chroma, chroma_server, memory
from florilegium.testing.store import VectorStoreContract
from florilegium.types import Manifest
from tests.chroma_server import running_chroma


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


@pytest.fixture(scope="module")
def chroma_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_chroma(tmp_path_factory.mktemp("server")) as address:
        yield address


class TestChromaServerStore(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def with_server(self, chroma_address: str) -> None:
        self.address = chroma_address

    def make_store(self, folder: Path, manifest: Manifest) -> VectorStore:
        place = folder / "index-1" / "store"
        return chroma_server.open_store(self.address, folder=place, manifest=manifest)

    def break_store(self, folder: Path) -> None:
        for file in folder.rglob("*.sqlite3"):
            file.write_bytes(b"not a database" * 1000)
