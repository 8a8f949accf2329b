"""A catalog, its store and what is configured belong together, or it is said which does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.agreement import agrees, check_manifest, note_statistics, nothing_ingested
from florilegium.errors import IndexMismatchError, IndexOutdatedError
from florilegium.types import Manifest, Space

SPACE = Space(name="fake:32", fingerprint="fake-32-1", dim=32)
MANIFEST = Manifest(schema=2, spaces=(SPACE,))


def check(library: Library, manifest: Manifest) -> None:
    """Compare a manifest with that of the library's index."""
    check_manifest(library.index.catalog, manifest, root=library.root, writing=False)


def test_the_manifest_of_the_index_is_accepted(tiny_library: Library) -> None:
    check(tiny_library, MANIFEST)


def test_other_weights_are_refused_with_the_command_that_switches(tiny_library: Library) -> None:
    other = replace(MANIFEST, spaces=(replace(SPACE, fingerprint="another"),))

    with pytest.raises(IndexMismatchError, match="was built with fake:32") as caught:
        check(tiny_library, other)
    assert not isinstance(caught.value, IndexOutdatedError)
    assert "ingest --rebuild" in str(caught.value.hint)
    assert "beside" in str(caught.value.hint)


def test_an_older_schema_of_the_same_encoders_is_only_outdated(tiny_library: Library) -> None:
    with pytest.raises(IndexOutdatedError, match="older version"):
        check(tiny_library, replace(MANIFEST, schema=3))
    with pytest.raises(IndexMismatchError) as caught:
        check(tiny_library, replace(MANIFEST, schema=1))
    assert not isinstance(caught.value, IndexOutdatedError)


def test_a_record_too_many_or_too_few_is_noticed(tiny_library: Library) -> None:
    index = tiny_library.index
    id_ = min(index.store.ids(index.pictures))
    record = index.store.get(index.pictures, [id_])[0]
    assert agrees(index)

    index.store.delete(index.pictures, [id_])
    assert not agrees(index)
    index.store.upsert(index.pictures, [record, replace(record, id="more")])
    assert not agrees(index)
    index.store.delete(index.pictures, ["more"])
    assert agrees(index)


def test_ingest_notes_how_much_there_is_and_what_the_background_is_like(
    tiny_library: Library,
) -> None:
    index = tiny_library.index
    noted = index.catalog.fact("statistics")
    assert noted is not None
    found = json.loads(noted)

    assert found[index.pictures.name]["records"] == 3
    assert found[index.pictures.name]["items"] == 3
    assert -1 <= found[index.chunks.name]["mean"] <= 1
    note_statistics(index)
    assert index.catalog.fact("statistics") == noted


def test_a_library_whose_folder_is_gone_is_told_apart_from_an_empty_one(tmp_path: Path) -> None:
    assert "Nothing was ingested" in nothing_ingested(tmp_path).message
    assert "is gone" in nothing_ingested(tmp_path / "moved").message
