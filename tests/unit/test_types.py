"""What the words of the glossary do beyond holding values."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from florilegium.types import Collection, Item, Manifest, Modality, Part, Record, Source, Space

SOURCE = Source(
    root=Path("flowers"), path="roses/red.jpg", size=3, modified_ns=5, content_hash="ab"
)
CLIP = Space(name="clip", fingerprint="aaaa", dim=2)


def test_a_source_knows_where_its_file_lies() -> None:
    assert SOURCE.file == Path("flowers/roses/red.jpg")


@pytest.mark.parametrize(
    ("collection", "name"),
    [
        (Collection(space="clip", modality=Modality.IMAGE), "clip/image/whole"),
        (Collection(space="clip", modality=Modality.TEXT, part=Part.WINDOW), "clip/text/window"),
        (Collection(space="a/b", modality=Modality.IMAGE, part=Part.CARD), "a/b/image/card"),
    ],
)
def test_a_collection_is_named_by_space_modality_and_part(
    collection: Collection, name: str
) -> None:
    assert collection.name == name


def test_collections_of_one_space_have_different_names() -> None:
    names = {
        Collection(space="clip", modality=modality, part=part).name
        for modality in Modality
        for part in Part
    }

    assert len(names) == 2 * 4


def test_a_manifest_finds_a_space_by_its_name() -> None:
    other = Space(name="minilm", fingerprint="bbbb", dim=3)
    manifest = Manifest(schema=1, spaces=(CLIP, other))

    assert manifest.space("minilm") is other
    with pytest.raises(KeyError, match="e5"):
        manifest.space("e5")


def test_a_modality_is_written_as_its_word() -> None:
    assert f"{Modality.IMAGE}" == "image"
    assert json.dumps(Modality.TEXT) == '"text"'
    assert Modality("text") is Modality.TEXT


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(ValueError, match="sound"):
        Modality("sound")


def test_items_with_the_same_values_are_equal() -> None:
    item = Item(id="1", source=SOURCE, modality=Modality.IMAGE, ordinal=0, title="", text="red")

    assert item == replace(item)
    assert hash(item) == hash(replace(item))
    assert item != replace(item, text="blue")


def test_an_item_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SOURCE.size = 4  # type: ignore[misc]  # that it is refused is the point


def test_records_are_compared_by_identity_since_arrays_have_no_single_truth() -> None:
    one = Record(id="1", item_id="i", embedding=np.ones(2, dtype=np.float32))

    assert one != replace(one)
    assert one in [one]
