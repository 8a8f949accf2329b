"""What is put into Chroma comes out again, and as the nearest of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from florilegium.stores import chroma_rows
from florilegium.stores.chroma import ChromaStore
from florilegium.types import Collection, Manifest, Modality, Record, Space

COLLECTION = Collection(space="s", modality=Modality.TEXT)


def test_records_go_in_and_come_out(tmp_path: Path) -> None:
    manifest = Manifest(schema=2, spaces=(Space(name="s", fingerprint="f", dim=4),))
    store = ChromaStore(folder=tmp_path, manifest=manifest)
    records = [
        Record(id=f"r{at}", item_id=f"i{at}", embedding=np.eye(4, dtype=np.float32)[at])
        for at in range(4)
    ]
    store.upsert(COLLECTION, records)
    found = store._find(COLLECTION)
    assert found is not None
    assert store._exact is not None

    chroma_rows.put(found, records[:1])  # replaces
    out = chroma_rows.get(found, ["r0", "r2"])
    matches = chroma_rows.nearest(
        found, records[2].embedding, 2, exact=store._exact, name=COLLECTION.name
    )
    store.close()

    assert {record.id: record.item_id for record in out} == {"r0": "i0", "r2": "i2"}
    assert {record.id: tuple(record.embedding) for record in out}["r2"] == (0, 0, 1, 0)
    assert (matches[0].id, matches[0].item_id, matches[0].score) == ("r2", "i2", 1.0)
