"""A library learns the names of its own pictures, keeps them, and uses them where they help."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from florilegium import Library
from florilegium.adapter import Adapter
from florilegium.adapter_training import Untrained
from florilegium.errors import StoreError
from florilegium.learning import (
    ADAPTER_FILE,
    UNTRAINED_FILE,
    describe,
    learn_names,
    load_names,
    own_names,
)
from tests.conftest import FAKES
from tests.unit.index_state import paths

ON = {**FAKES, "retrieval.adapter": True}
PICTURES = 24


def speckled(kind: str, seed: int) -> Image.Image:
    """Return a picture of red and blue dots, of which a kind has more of one."""
    random = np.random.default_rng(seed + 1000 * (kind == "cold"))
    share = 0.62 if kind == "warm" else 0.38
    red = random.random((24, 24)) < share
    pixels = np.zeros((24, 24, 3), dtype=np.uint8)
    pixels[red], pixels[~red] = (220, 20, 20), (20, 20, 220)
    return Image.fromarray(pixels)


@pytest.fixture
def sorted_folder(tmp_path: Path) -> Path:
    """Return a folder with two folders of speckled pictures and two pictures outside of them."""
    for kind in ("warm", "cold"):
        (tmp_path / kind).mkdir()
        for number in range(PICTURES):
            speckled(kind, number).save(tmp_path / kind / f"IMG_{number:04}.png")
    for number in (1, 2):
        Image.new("RGB", (24, 24), (20, 200, 20)).save(tmp_path / f"IMG_9{number}.png")
    return tmp_path


@pytest.fixture
def library(sorted_folder: Path) -> Iterator[Library]:
    with Library.create(sorted_folder, overrides=ON) as library:
        library.ingest()
        yield library


def folder_of(library: Library) -> Path:
    return library.root / ".florilegium" / "index-1"


def test_names_are_learnt_at_ingest_and_kept(library: Library) -> None:
    learnt = load_names(library.index, folder=folder_of(library))

    assert isinstance(learnt, Adapter)
    assert learnt.names == ("cold", "warm")
    assert learnt.validation.held_out == 2 * PICTURES
    assert not (folder_of(library) / UNTRAINED_FILE).exists()


def test_nothing_is_learnt_unless_it_is_asked_for(sorted_folder: Path) -> None:
    with Library.create(sorted_folder, overrides=FAKES) as library:
        library.ingest()
        found = library.explain(image=speckled("warm", 77))

    assert not (folder_of(library) / ADAPTER_FILE).exists()
    assert found.learnt is None
    assert "learnt names" not in {one.name for one in found.rankings}


def believe(library: Library) -> None:
    """Let the library use what it has learnt, though the vote is as good on these pictures."""
    learnt = load_names(library.index, folder=folder_of(library))
    assert isinstance(learnt, Adapter)
    believed = replace(learnt, validation=replace(learnt.validation, helps=True))
    (folder_of(library) / ADAPTER_FILE).write_bytes(believed.to_bytes())
    library.close()


def test_what_is_learnt_takes_the_place_of_likeness_alone(library: Library) -> None:
    believe(library)

    found = library.explain(image=speckled("warm", 77), modality="image", top_k=5)

    weights = {one.name: one.weight for one in found.rankings}
    assert (weights["learnt names"], weights["image to image"]) == (1.0, 0.0)
    assert found.learnt is not None
    assert found.learnt.used
    assert found.learnt.known is not None
    assert found.candidates[0].name == "warm"
    assert {hit.item.source.path.split("/")[0] for hit in found.hits} == {"warm"}
    for hit in found.hits:
        (cosine,) = [c.score for c in hit.contributions if c.ranking == "image to image"]
        assert hit.score == cosine


def test_names_are_as_sure_as_the_vote_and_the_adapter_are_together(library: Library) -> None:
    query = speckled("warm", 77)
    with Library.open(library.root, overrides={"retrieval.adapter": False}) as plain:
        (voted, *_) = plain.explain(image=query).candidates
    believe(library)
    learnt = load_names(library.index, folder=folder_of(library))
    assert isinstance(learnt, Adapter)
    row = library.index.encoder.encode_images([query])[0]

    (best, *_) = library.explain(image=query).candidates

    # All votes are for names that it knows, so its probabilities share them out.
    assert (best.name, voted.name) == ("warm", "warm")
    assert best.share == pytest.approx(learnt.probabilities(row)["warm"], abs=1e-3)
    assert best.share != pytest.approx(voted.share, abs=1e-4)


def test_what_does_not_help_is_left_out_with_the_reason(library: Library) -> None:
    learnt = load_names(library.index, folder=folder_of(library))
    assert isinstance(learnt, Adapter)
    assert not learnt.helps

    found = library.explain(image=speckled("warm", 77), modality="image")

    rows = {one.name: one for one in found.rankings}
    assert rows["learnt names"].left_out == learnt.validation.reason
    assert rows["image to image"].weight == 1.0
    assert found.learnt is not None
    assert not found.learnt.used


def test_learning_again_reads_what_is_there(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was trained again")

    monkeypatch.setattr("florilegium.learning.fit_adapter", refuse)

    assert isinstance(learn_names(library.index, folder=folder_of(library)), Adapter)
    library.ingest()


@pytest.mark.parametrize("change", ["new picture", "changed picture", "renamed folder"])
def test_a_change_of_a_named_picture_is_learnt(library: Library, change: str) -> None:
    before = load_names(library.index, folder=folder_of(library))
    if change == "new picture":
        speckled("warm", 500).save(library.root / "warm" / "IMG_7000.png")
    elif change == "changed picture":
        speckled("warm", 500).save(library.root / "warm" / "IMG_0000.png")
    else:
        (library.root / "warm").rename(library.root / "hot")

    library.ingest()

    after = load_names(library.index, folder=folder_of(library))
    assert isinstance(before, Adapter)
    assert isinstance(after, Adapter)
    assert after.fingerprint != before.fingerprint
    assert ("hot" in after.names) == (change == "renamed folder")


def test_a_library_without_names_says_so(tmp_path: Path) -> None:
    speckled("warm", 1).save(tmp_path / "IMG_1.png")
    with Library.create(tmp_path, overrides=ON) as library:
        library.ingest()
        found = library.explain(image=speckled("warm", 2))

    said = json.loads((folder_of(library) / UNTRAINED_FILE).read_text(encoding="utf-8"))
    row = next(one for one in found.rankings if one.name == "learnt names")
    assert row.left_out == said["reason"]
    assert "fewer than 2 names" in said["reason"]


def test_labels_of_a_table_are_names_before_folders(sorted_folder: Path) -> None:
    rows = [{"file": f"warm/IMG_{n:04}.png", "label": "ember"} for n in range(PICTURES)]
    table = "".join(json.dumps(row) + "\n" for row in rows)
    (sorted_folder / "captions.jsonl").write_text(table, encoding="utf-8")
    with Library.create(sorted_folder, overrides=ON) as library:
        library.ingest()
        learnt = load_names(library.index, folder=folder_of(library))
        assert isinstance(learnt, Adapter)
        items = library.index.catalog.items_of(["warm/IMG_0000.png", "cold/IMG_0000.png"])
        names = {item.source.path: own_names([item], learnt).get(item.id) for item in items}

    assert learnt.names == ("cold", "ember")
    assert names == {"warm/IMG_0000.png": "ember", "cold/IMG_0000.png": "cold"}


@pytest.mark.parametrize("damage", [b"", b"no npz at all"])
def test_damage_is_told_and_mended(library: Library, damage: bytes) -> None:
    (folder_of(library) / ADAPTER_FILE).write_bytes(damage)

    learnt = load_names(library.index, folder=folder_of(library))
    assert isinstance(learnt, Untrained)
    assert "run `florilegium ingest`" in learnt.reason

    library.ingest()
    assert isinstance(load_names(library.index, folder=folder_of(library)), Adapter)


def test_a_run_that_dies_while_it_writes_leaves_the_work_to_the_next(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (folder_of(library) / ADAPTER_FILE).read_bytes()
    speckled("cold", 900).save(library.root / "cold" / "IMG_8000.png")

    replaced = Path.replace

    def die(file: Path, target: Path) -> Path:
        if file.name.startswith("adapter"):
            raise KeyboardInterrupt
        return replaced(file, target)

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        library.ingest()
    assert (folder_of(library) / ADAPTER_FILE).read_bytes() == whole

    monkeypatch.setattr(Path, "replace", replaced)
    library.ingest()
    assert (folder_of(library) / ADAPTER_FILE).read_bytes() != whole


def test_a_folder_that_cannot_be_written_is_named(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder_of(library) / ADAPTER_FILE).unlink()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(StoreError, match="No space left"):
        learn_names(library.index, folder=folder_of(library))


def test_pictures_without_a_name_keep_their_place(library: Library) -> None:
    for number in range(8):  # nameless, and as near as the named ones
        speckled("warm", 300 + number).save(library.root / f"IMG_3{number:03}.png")
    library.ingest()
    believe(library)
    with Library.open(library.root, overrides={"retrieval.adapter": False}) as plain:
        for seed in range(20):
            query = speckled("warm" if seed % 2 else "cold", 7000 + seed)
            learnt = paths(library.search(image=query, modality="image", top_k=100))
            before = paths(plain.search(image=query, modality="image", top_k=100))
            places = [(n, p) for n, p in enumerate(before) if "/" not in p]
            assert [(n, p) for n, p in enumerate(learnt) if "/" not in p] == places


def test_what_was_learnt_by_another_encoder_is_not_used(library: Library) -> None:
    other = {**FAKES, "encoder.name": "fake:16"}
    off = {**other, "retrieval.adapter": False}
    with Library.open(library.root, overrides=off) as changed:
        changed.ingest(rebuild=True)
    with Library.open(library.root, overrides={**other, "retrieval.adapter": True}) as changed:
        found = changed.explain(image=speckled("warm", 77))
        row = next(one for one in found.rankings if one.name == "learnt names")
        assert "run `florilegium ingest`" in str(row.left_out)

        changed.ingest()
        learnt = load_names(changed.index, folder=library.root / ".florilegium" / "index-2")
        assert isinstance(learnt, Adapter)
        assert learnt.weights.shape[1] == 16


def test_an_ingest_without_the_setting_forgets(library: Library) -> None:
    with Library.open(library.root, overrides={"retrieval.adapter": False}) as plain:
        plain.ingest()

    assert isinstance(load_names(library.index, folder=folder_of(library)), Untrained)


def test_what_is_told_of_it(library: Library) -> None:
    learnt = load_names(library.index, folder=folder_of(library))
    told = describe(learnt)

    assert told.names == 2
    assert told.held_out == 2 * PICTURES
    assert told.known is None
    assert describe(Untrained(reason="why")).reason == "why"
