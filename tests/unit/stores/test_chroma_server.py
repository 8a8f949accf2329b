"""The store on a Chroma server: addresses, servers that are down or forget, what indexes leave."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from florilegium import Library
from florilegium.errors import ConfigError, StoreError
from florilegium.stores.chroma_http import ChromaHttp
from florilegium.stores.chroma_server import ID_FILE, ChromaServerStore, open_store
from florilegium.testing.store_samples import EAST, IMAGES, MANIFEST, record, row
from tests.chroma_server import running_chroma
from tests.conftest import FAKES


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_chroma(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def server(address: str) -> Iterator[ChromaHttp]:
    opened = ChromaHttp(urlsplit(address))
    yield opened
    opened.close()


def _open(address: str, library: Path, index: str) -> ChromaServerStore:
    return open_store(address, folder=library / index / "store", manifest=MANIFEST)


def _fill(address: str, library: Path, index: str) -> None:
    store = _open(address, library, index)
    store.upsert(IMAGES, [record("a", EAST)])
    store.close()


def _indexes(server: ChromaHttp, library: Path) -> set[str]:
    """Return the names of the indexes of a library that the server holds something of."""
    id_ = (library / ID_FILE).read_text(encoding="ascii").split()[0]
    return {name.split(".")[1] for name in server.names() if name.startswith(f"fl-{id_}.")}


@pytest.mark.parametrize(
    "model",
    ["", "localhost:8001", "ftp://a", "http://", "http://a:b", "http://a:0", "http://a/path"],
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, model: str) -> None:
    with pytest.raises(ConfigError, match="Chroma server") as raised:
        _open(model, tmp_path, "index-1")

    assert "chroma_server:http://localhost:8001" in str(raised.value.hint)


def test_a_password_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        _open("http://user:secret@host:1", tmp_path, "index-1")

    assert "secret" not in raised.value.message


def test_a_server_that_is_down_is_an_error_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=f"127.0.0.1:{port}.*cannot be opened") as raised:
            _open(f"http://127.0.0.1:{port}", tmp_path, "index-1")

    assert "See that the server runs" in str(raised.value.hint)


def test_what_a_replaced_index_has_left_is_deleted(
    address: str, server: ChromaHttp, tmp_path: Path
) -> None:
    _fill(address, tmp_path, "index-1")
    _fill(address, tmp_path, "index-2")
    assert _indexes(server, tmp_path) == {"index-1", "index-2"}
    shutil.rmtree(tmp_path / "index-1")

    _open(address, tmp_path, "index-2").close()
    assert _indexes(server, tmp_path) == {"index-1", "index-2"}
    _fill(address, tmp_path, "index-2")

    assert _indexes(server, tmp_path) == {"index-2"}


def test_what_an_abandoned_index_has_left_is_not_found_by_the_next_of_its_name(
    address: str, tmp_path: Path
) -> None:
    _fill(address, tmp_path, "index-1")
    shutil.rmtree(tmp_path / "index-1")

    store = _open(address, tmp_path, "index-1")

    assert store.ids(IMAGES) == set()
    assert store.search(IMAGES, row(EAST), top_k=1) == []
    store.close()


def test_libraries_on_one_server_leave_each_other_alone(
    address: str, server: ChromaHttp, tmp_path: Path
) -> None:
    _fill(address, tmp_path / "one", "index-1")
    _fill(address, tmp_path / "other", "index-1")
    shutil.rmtree(tmp_path / "one" / "index-1")

    _open(address, tmp_path / "one", "index-2").close()

    assert _indexes(server, tmp_path / "one") == {"index-2"}
    store = _open(address, tmp_path / "other", "index-1")
    assert store.ids(IMAGES) == {"a"}
    store.close()


def test_a_copy_that_is_only_read_leaves_the_original_alone(
    address: str, server: ChromaHttp, tmp_path: Path
) -> None:
    original, copy = tmp_path / "one", tmp_path / "copy"
    _fill(address, original, "index-1")
    shutil.copytree(original, copy)
    _fill(address, original, "index-2")  # which the copy has no folder of

    store = _open(address, copy, "index-1")

    assert store.ids(IMAGES) == {"a"}
    store.close()
    assert _indexes(server, original) == {"index-1", "index-2"}


def test_a_copy_is_not_written_until_it_has_an_id_of_its_own(
    address: str, server: ChromaHttp, tmp_path: Path
) -> None:
    original, copy = tmp_path / "one", tmp_path / "copy"
    _fill(address, original, "index-1")
    shutil.copytree(original, copy)
    _fill(address, original, "index-2")
    store = _open(address, copy, "index-1")

    for write in (
        lambda: store.upsert(IMAGES, [record("b", EAST)]),
        lambda: store.delete(IMAGES, ["a"]),
        lambda: _open(address, copy, "index-2"),
    ):
        with pytest.raises(StoreError, match="is a copy") as raised:
            write()
        assert str(copy / ID_FILE) in str(raised.value.hint)
    store.close()
    assert _indexes(server, original) == {"index-1", "index-2"}

    (copy / ID_FILE).unlink()
    _fill(address, copy, "index-1")
    assert _indexes(server, copy) == {"index-1"}
    assert _indexes(server, original) == {"index-1", "index-2"}


def test_a_library_that_is_moved_stays_itself(address: str, tmp_path: Path) -> None:
    _fill(address, tmp_path / "one", "index-1")
    (tmp_path / "one").rename(tmp_path / "other")

    _fill(address, tmp_path / "other", "index-1")

    store = _open(address, tmp_path / "other", "index-1")
    assert store.ids(IMAGES) == {"a"}
    store.close()


def test_a_server_that_has_forgotten_is_an_error_and_no_empty_result(
    address: str, server: ChromaHttp, tmp_path: Path
) -> None:
    _fill(address, tmp_path, "index-1")
    _forget(server, tmp_path)
    store = _open(address, tmp_path, "index-1")

    assert store.ids(IMAGES) == set()
    with pytest.raises(StoreError, match="has lost the records"):
        store.search(IMAGES, row(EAST), top_k=1)
    store.close()


def test_an_id_file_that_holds_none_is_an_error(address: str, tmp_path: Path) -> None:
    (tmp_path / ID_FILE).write_text("no id", encoding="ascii")

    with pytest.raises(StoreError, match="holds no id"):
        _open(address, tmp_path, "index-1")


def test_the_next_ingest_fills_a_server_that_has_forgotten_without_encoding(
    address: str, server: ChromaHttp, tiny_folder: Path
) -> None:
    overrides = {**FAKES, "store.name": f"chroma_server:{address}"}
    with Library.create(tiny_folder, overrides=overrides) as library:
        library.ingest()
        found = [hit.item.id for hit in library.search("red square")]
        assert found

        _forget(server, tiny_folder / ".florilegium")
        report = library.ingest()

        assert (report.encoded, report.failed) == (0, ())
        assert [hit.item.id for hit in library.search("red square")] == found
        assert len(_indexes(server, tiny_folder / ".florilegium")) <= 2
        (tiny_folder / "more.txt").write_text("One more red square.", encoding="utf-8")
        library.ingest()
    assert len(_indexes(server, tiny_folder / ".florilegium")) == 1


def _forget(server: ChromaHttp, library: Path) -> None:
    id_ = (library / ID_FILE).read_text(encoding="ascii").split()[0]
    for name in server.names():
        if name.startswith(f"fl-{id_}."):
            server.remove(name)


def test_an_address_that_is_none_is_told_without_its_query(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Chroma server") as raised:
        _open("http://host:1?key=s3cr3t", tmp_path, "index-1")

    assert "s3cr3t" not in raised.value.message
