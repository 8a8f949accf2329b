"""Catalog, store and cache are compared record by record."""

from __future__ import annotations

import numpy as np

from florilegium import Library
from florilegium.differences import Suspect, compare, read_vectors, suspects
from florilegium.record_keys import record_keys
from florilegium.types import Modality, Record


def test_a_library_that_agrees_has_no_differences(tiny_library: Library) -> None:
    found = compare(tiny_library.index, deep=True)

    assert (found.orphans, found.missing, found.unfound) == ({}, {}, {})
    assert list(suspects(tiny_library.index)) == []


def test_orphans_and_lost_records_are_named_by_collection(tiny_library: Library) -> None:
    index = tiny_library.index
    (first,) = index.catalog.first_records(index.pictures, limit=1)
    (record,) = index.store.get(index.pictures, [first])
    index.store.delete(index.pictures, [first])
    index.store.upsert(index.chunks, [Record(id="orphan", item_id="x", embedding=record.embedding)])

    found = compare(index, deep=False)

    assert found.orphans == {index.chunks: ["orphan"]}
    assert found.missing == {index.pictures: [first]}
    (suspect,) = suspects(index)
    assert suspect[1:3] == (index.pictures, first)
    assert (suspect.trouble, suspect.path) == (
        "missing",
        index.catalog.paths([first[:32]])[first[:32]],
    )


def test_records_that_are_announced_count_for_nothing(tiny_library: Library) -> None:
    index = tiny_library.index
    (first,) = index.catalog.first_records(index.chunks, limit=1)
    index.catalog.announce([("circle.md", index.chunks, first)])
    index.store.delete(index.chunks, [first])

    assert compare(index, deep=True).missing == {}
    assert list(suspects(index)) == []


def test_a_vector_that_is_not_the_one_of_the_checksum_is_suspect(tiny_library: Library) -> None:
    index = tiny_library.index
    (first,) = index.catalog.first_records(index.sentences, limit=1)
    (record,) = index.store.get(index.sentences, [first])
    nearly = np.nextafter(record.embedding, np.float32(2))  # by the last bit of each number
    index.store.upsert(
        index.sentences, [Record(id=first, item_id=record.item_id, embedding=nearly)]
    )

    (suspect,) = suspects(index)

    assert isinstance(suspect, Suspect)
    assert (suspect.id, suspect.trouble) == (first, "wrong")
    assert suspect.key is not None
    assert np.array_equal(read_vectors(index, {first: suspect.key})[first], record.embedding)


def test_keys_are_not_believed_while_files_are_to_be_loaded_again(tiny_library: Library) -> None:
    index = tiny_library.index
    (first,) = index.catalog.first_records(index.chunks, limit=1)
    index.store.delete(index.chunks, [first])
    index.catalog.set_fact("loading", "due")

    (suspect,) = suspects(index)

    assert (suspect.id, suspect.key) == (first, None)


def test_vectors_of_a_record_whose_item_was_cut_otherwise_are_not_taken_from_the_cache(
    tiny_library: Library,
) -> None:
    index = tiny_library.index
    item, _ = next(iter(index.catalog.all_items(Modality.TEXT)))
    keys = record_keys([item], index=index)[index.sentences]
    gone = sorted(keys)[-1]
    # As if an older version had cut the item into more sentences than this one does.
    index.catalog.announce([])
    index.store.delete(index.sentences, [gone])
    with index.catalog._change() as connection:
        connection.execute(
            "INSERT INTO records (id, collection, path) VALUES (?, ?, ?)",
            (f"{item.id}:sentence:99", index.sentences.name, item.source.path),
        )

    found = [one for one in suspects(index) if one.collection == index.sentences]

    assert {one.key for one in found} == {None}
    assert {one.trouble for one in found} == {"missing"}
