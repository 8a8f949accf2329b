"""Pruning removes what no item uses, and never what the index or a new one needs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from florilegium import Library, pruning
from florilegium.cache import EmbeddingCache
from florilegium.cache_upkeep import CachePruning
from florilegium.catalog import Catalog
from florilegium.errors import IndexNotFoundError, StoreError
from florilegium.pruning import prune_cache, read_cache_stats
from florilegium.types import Manifest, Space
from tests.conftest import FAKES
from tests.unit.caption_samples import Seeing, captions, ingest, make_folder
from tests.unit.index_state import state_of
from tests.unit.test_ingest_recovery import press_at


def prune(library: Library, *, other_encoders: bool = False, dry_run: bool = False) -> CachePruning:
    return prune_cache(library.index, other_encoders=other_encoders, dry_run=dry_run)


def delete_index(folder: Path) -> None:
    """Delete all that Florilegium keeps but the embedding cache."""
    for path in (folder / ".florilegium").iterdir():
        if not path.name.startswith("embeddings.db"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_what_an_index_needs_is_never_pruned(tiny_library: Library, tiny_folder: Path) -> None:
    before = state_of(tiny_library)

    assert prune(tiny_library, other_encoders=True) == CachePruning(
        embeddings=0, hashes=0, captions=0, bytes=0
    )

    tiny_library.close()
    delete_index(tiny_folder)
    with Library.open(tiny_folder) as library:
        report = library.ingest()
        assert (report.encoded, report.failed, report.added) == (0, (), 7)
        assert state_of(library) == before


def test_what_is_used_no_more_is_pruned_exactly(tiny_library: Library, tiny_folder: Path) -> None:
    first = tiny_library.index.cache.stats()
    (tiny_folder / "extra.txt").write_text("Something else. Twice.", encoding="utf-8")
    shutil.copy(tiny_folder / "circle.png", tiny_folder / "circle 2.png")
    tiny_library.ingest()
    added = tiny_library.index.cache.stats().encoders[0].count - first.encoders[0].count
    (tiny_folder / "extra.txt").unlink()
    (tiny_folder / "circle.png").unlink()  # its copy still uses the same vectors
    tiny_library.ingest()

    pruned = prune(tiny_library)

    assert added > 1
    assert (pruned.embeddings, pruned.hashes, pruned.captions) == (added, 0, 0)
    assert pruned.bytes > 0
    assert replace(tiny_library.index.cache.stats(), file_bytes=0, free_bytes=0) == replace(
        first, file_bytes=0, free_bytes=0
    )


def test_machine_captions_stay_as_long_as_their_pictures(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    ingest(folder, Seeing())
    before = captions(folder)
    with Library.open(folder) as library:
        assert prune(library) == CachePruning(embeddings=0, hashes=0, captions=0, bytes=0)

    model = Seeing()
    delete_index(folder)
    report = ingest(folder, model)

    assert (report.encoded, report.captioned, model.asked) == (0, 0, [])
    assert captions(folder) == before
    (folder / "IMG_1.png").unlink()
    ingest(folder, model)
    with Library.open(folder) as library:
        pruned = prune(library)
    assert (pruned.embeddings, pruned.hashes, pruned.captions) == (2, 1, 1)


def test_vectors_of_encoders_of_before_stay_until_they_are_named(
    tiny_library: Library, tiny_folder: Path
) -> None:
    tiny_library.close()
    other = {**FAKES, "encoder.name": "fake:16"}
    with Library.open(tiny_folder, overrides=other) as library:
        library.ingest(rebuild=True)
        texts = {one.fingerprint: one.count for one in library.index.cache.stats().encoders}
        # The text encoder is the same, so that only the pictures and windows of before are left.
        kept = prune(library)
        assert kept.embeddings > 0
        stats = library.index.cache.stats()
        assert {one.fingerprint for one in stats.encoders} == set(texts)
    with Library.open(tiny_folder, overrides={**other, "text_encoder.name": "fake:16"}) as library:
        library.ingest(rebuild=True)
        prune(library, other_encoders=True)
        assert [one.fingerprint for one in library.index.cache.stats().encoders] == ["fake-16-1"]


def test_files_are_read_from_the_catalog_in_batches(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    items_of = Catalog.items_of

    def counted(catalog: Catalog, paths: list[str]) -> object:
        asked.append(len(paths))
        return items_of(catalog, paths)

    monkeypatch.setattr(Catalog, "items_of", counted)
    monkeypatch.setattr(pruning, "_FILES_AT_A_TIME", 3)

    assert prune(tiny_library).embeddings == 0
    assert asked == [3, 3, 1]


@pytest.mark.parametrize("fact", ["due", "soon"])
def test_an_index_whose_ingest_has_not_ended_is_not_pruned(
    tiny_library: Library, fact: str
) -> None:
    tiny_library.index.catalog.set_fact("links", fact)

    with pytest.raises(StoreError, match="has not ended") as caught:
        prune(tiny_library)

    assert "florilegium ingest" in (caught.value.hint or "")


def test_numbers_name_the_encoders_that_are_configured(tmp_path: Path) -> None:
    import numpy as np

    cache = EmbeddingCache(tmp_path / "embeddings.db")
    cache.put("old-1", {"a": np.ones(3, dtype=np.float32)})
    cache.put("new-1", {"a": np.ones(3, dtype=np.float32), "b": np.ones(3, dtype=np.float32)})
    cache.close()
    spaces = (Space(name="new", fingerprint="new-1", dim=3),)

    stats = read_cache_stats(tmp_path / "embeddings.db", manifest=Manifest(schema=1, spaces=spaces))

    assert [(one.name, one.count) for one in stats.encoders] == [("new", 2), (None, 1)]


def test_there_are_no_numbers_without_a_cache(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="no embedding cache"):
        read_cache_stats(tmp_path / "absent.db", manifest=Manifest(schema=1, spaces=()))

    assert not (tmp_path / "absent.db").exists()


def test_nothing_is_pruned_while_a_new_index_is_half_built(tiny_library: Library) -> None:
    tiny_library.ingest(rebuild=True, progress=press_at(2))

    with pytest.raises(StoreError, match="begun and not finished") as caught:
        tiny_library.prune_cache()
    assert "--rebuild" in str(caught.value.hint)

    tiny_library.ingest(rebuild=True)
    assert tiny_library.prune_cache().embeddings == 0
