"""Parts are opened late, kept while they are needed, and never mixed with those of others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from florilegium import backends, opened_index
from florilegium.config import INDEX_FOLDER, Config, load_settings
from florilegium.errors import (
    IndexMismatchError,
    IndexNotFoundError,
    StoreError,
    UnknownBackendError,
)
from florilegium.opened_index import OpenedIndex
from florilegium.parts import Parts
from florilegium.testing.encoder import FakeEncoder
from florilegium.testing.reranker import FakeReranker
from florilegium.types import Record, Source, Space
from tests.conftest import FAKES


def config(**changes: object) -> Config:
    """Return settings with fakes, changed by `section__key`."""
    values = {key.replace("__", "."): value for key, value in changes.items()}
    return load_settings(overrides={**FAKES, **values}).config


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a place for an index."""
    (tmp_path / INDEX_FOLDER).mkdir()
    return tmp_path


@pytest.fixture
def parts(root: Path) -> Iterator[Parts]:
    parts = Parts(root, config())
    yield parts
    parts.close()


@contextmanager
def building(parts: Parts, *, rebuild: bool = False) -> Iterator[OpenedIndex]:
    """Open the index for writing as a run of ingest does, which notes that it has begun."""
    with parts.writing(rebuild=rebuild) as opened:
        opened.index.catalog.set_fact("loading", "noted")
        yield opened


def build(parts: Parts) -> None:
    """Write an index with nothing in it."""
    with building(parts):
        pass


def put(parts: Parts, id_: str = "a") -> None:
    """Write a record that the catalog knows nothing of."""
    with building(parts) as opened:
        index = opened.index
        row = index.encoder.encode_texts(["red"], purpose="document")[0]
        index.store.upsert(index.pictures, [Record(id=id_, item_id=id_, embedding=row)])


# -- opening --


def test_nothing_is_opened_before_it_is_needed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("opened too early")

    for name in ("open_encoder", "open_loaders", "open_chat_model"):
        monkeypatch.setattr(backends, name, fail)
    monkeypatch.setattr(opened_index, "open_store", fail)

    Parts(root, config()).close()
    assert list((root / INDEX_FOLDER).iterdir()) == []


def test_each_part_is_opened_once(parts: Parts) -> None:
    assert parts.encoder() is parts.encoder()
    assert parts.text_encoder() is parts.text_encoder()
    assert parts.loaders() is parts.loaders()
    assert parts.chat_model() is parts.chat_model()
    assert parts.quoting_model() is parts.quoting_model()
    build(parts)
    assert parts.index() is parts.index()


def test_closed_parts_are_opened_anew(parts: Parts) -> None:
    build(parts)
    index, encoder = parts.index(), parts.encoder()
    parts.close()

    assert parts.index() is not index
    assert parts.encoder() is not encoder
    assert parts.index().store.ids(index.pictures) == set()


def test_closing_twice_is_harmless(parts: Parts) -> None:
    build(parts)
    parts.close()

    parts.close()


def test_closing_closes_the_encoders(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[FakeEncoder] = []
    monkeypatch.setattr(FakeEncoder, "close", lambda self: closed.append(self))
    crossing, texts = parts.encoder(), parts.text_encoder()
    parts.close()

    assert set(map(id, closed)) == {id(crossing), id(texts)}


def test_texts_are_cut_by_the_tokens_of_the_text_encoder(root: Path) -> None:
    parts = Parts(root, config(ingest__chunk_tokens=32))
    (root / "a.txt").write_text("One two three four five.\n\n" * 12, encoding="utf-8")
    source = Source(root=root, path="a.txt", size=1, modified_ns=1, content_hash="a")
    loader = next(loader for loader in parts.loaders() if ".txt" in loader.suffixes)
    count = parts.text_encoder().count_tokens

    sizes = [count(item.text) for item in loader.load(source)]

    assert max(sizes) == 32  # six paragraphs of five words, and two tokens at the ends


@pytest.mark.parametrize(
    ("key", "open_part"),
    [
        ("encoder__name", lambda parts: parts.encoder()),
        ("text_encoder__name", lambda parts: parts.text_encoder()),
        ("store__name", lambda parts: build(parts)),
        ("chat__name", lambda parts: parts.chat_model()),
    ],
)
def test_an_unknown_backend_is_named(root: Path, key: str, open_part: object) -> None:
    parts = Parts(root, config(**{key: "nonsense"}))

    assert callable(open_part)
    with pytest.raises(UnknownBackendError, match="'nonsense'"):
        open_part(parts)
    parts.close()


# -- the manifest --


def test_the_manifest_names_each_space_once(parts: Parts) -> None:
    assert parts.manifest().spaces == (Space(name="fake:32", fingerprint="fake-32-1", dim=32),)


def test_the_manifest_names_the_spaces_of_both_encoders(root: Path) -> None:
    manifest = Parts(root, config(encoder__name="fake:64")).manifest()

    assert [space.dim for space in manifest.spaces] == [32, 64]


def test_an_index_that_was_never_written_is_not_found(parts: Parts) -> None:
    with pytest.raises(IndexNotFoundError) as missing:
        parts.index()

    assert "florilegium ingest" in (missing.value.hint or "")


@pytest.mark.parametrize("writing", [False, True])
def test_other_encoders_are_refused_with_both_names(root: Path, writing: bool) -> None:
    first = Parts(root, config())
    build(first)
    first.close()
    other = Parts(root, config(encoder__name="fake:64"))

    with pytest.raises(IndexMismatchError, match=r"with fake:32 \(.*, but .*fake:64") as found:
        build(other) if writing else other.index()
    assert "--rebuild" in (found.value.hint or "")
    other.close()


def test_a_refused_index_is_untouched(root: Path) -> None:
    first = Parts(root, config())
    build(first)
    first.close()
    other = Parts(root, config(encoder__name="fake:64"))
    with pytest.raises(IndexMismatchError):
        build(other)
    other.close()

    again = Parts(root, config())
    assert again.index().catalog.fact("manifest") is not None
    again.close()


# -- a store that does not agree with the catalog --


def test_records_that_the_catalog_does_not_know_are_thrown_away_for_writing(parts: Parts) -> None:
    put(parts)
    parts.close()

    with building(parts) as opened:
        assert opened.index.store.ids(opened.index.pictures) == set()


def test_reading_repairs_nothing(parts: Parts) -> None:
    put(parts)
    parts.close()

    index = parts.index()

    assert index.store.ids(index.pictures) == {"a"}


def test_reading_from_another_store_than_was_written_is_refused(root: Path) -> None:
    first = Parts(root, config())
    build(first)
    first.close()
    other = Parts(root, config(store__name="chroma"))

    with pytest.raises(IndexMismatchError, match=r"kept in 'memory'.* 'chroma'") as found:
        other.index()
    assert "florilegium ingest" in (found.value.hint or "")
    assert not (root / INDEX_FOLDER / "index-1" / "store" / "chroma").exists()
    other.close()


def test_reading_without_the_store_is_refused_and_writing_is_not(parts: Parts, root: Path) -> None:
    build(parts)
    parts.close()
    shutil.rmtree(root / INDEX_FOLDER / "index-1" / "store")

    with pytest.raises(IndexMismatchError, match="is gone"):
        parts.index()
    build(parts)
    assert (root / INDEX_FOLDER / "index-1" / "store").is_dir()


def test_records_that_are_announced_are_left_to_recovery(parts: Parts) -> None:
    put(parts)
    index = parts.index()
    index.catalog.announce([("a.png", index.pictures, "a")])
    parts.close()

    with parts.writing() as opened:
        assert opened.index.store.ids(index.pictures) == {"a"}


def test_a_rebuild_empties_catalog_and_store_and_keeps_the_cache(parts: Parts) -> None:
    put(parts)
    index = parts.index()
    index.cache.put("f", {"k": index.encoder.encode_texts(["red"], purpose="document")[0]})
    index.catalog.set_fact("links", "found")

    with parts.writing(rebuild=True) as opened:
        new = opened.index
        assert new.store.ids(new.pictures) == set()
        assert new.catalog.fact("links") is None
        assert list(new.cache.get("f", ["k"], dim=32)) == ["k"]


def test_a_rebuild_makes_room_for_other_encoders(root: Path) -> None:
    first = Parts(root, config())
    build(first)
    first.close()
    other = Parts(root, config(encoder__name="fake:64"))

    with other.writing(rebuild=True) as opened:
        assert opened.index.pictures.space == "fake:64"
    other.close()


def test_a_broken_store_is_refused_and_made_anew_beside(root: Path) -> None:
    parts = Parts(root, config(store__name="memory"))
    build(parts)
    parts.close()
    (root / INDEX_FOLDER / "index-1" / "store" / "memory" / "manifest.json").write_bytes(b"\xff")

    with pytest.raises(StoreError, match="cannot be"):
        parts.index()

    with building(parts) as opened:
        parts.finish(opened)
    assert parts.index().store.ids(parts.index().pictures) == set()
    assert [path.name for path in (root / INDEX_FOLDER).glob("index-*")] == ["index-2"]
    parts.close()


def test_an_index_without_its_folder_is_a_failure_that_names_it(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "gone", config())

    with pytest.raises(StoreError, match="index-1"):
        build(parts)


# -- the reranker --


def test_without_a_name_there_is_no_reranker(parts: Parts) -> None:
    assert parts.reranker() is None


def test_the_reranker_is_opened_once_and_closed_with_the_others(root: Path) -> None:
    parts = Parts(root, config(rerank__name="fake"))
    reranker = parts.reranker()

    assert isinstance(reranker, FakeReranker)
    assert parts.reranker() is reranker
    parts.close()
    assert reranker.closed
    assert parts.reranker() is not reranker


def test_who_may_not_write_notices_a_change_by_the_file(
    parts: Parts, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(parts)
    monkeypatch.setattr(opened_index, "is_read_only", lambda _: True)
    parts.index()
    assert not parts.is_stale()

    os.utime(root / INDEX_FOLDER / "index-1" / "catalog.db", ns=(1, 1))

    assert parts.is_stale()
