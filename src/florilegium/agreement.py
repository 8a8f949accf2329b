"""Whether the parts of an index agree: catalog and manifest, catalog and store."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from florilegium.catalog import Catalog
from florilegium.errors import IndexMismatchError, IndexNotFoundError, IndexOutdatedError
from florilegium.generations import STORE
from florilegium.index import Index
from florilegium.migrations import DUE, GUESSES
from florilegium.types import Manifest


def check_manifest(catalog: Catalog, manifest: Manifest, *, root: Path, writing: bool) -> None:
    """Note in a new catalog what builds it, or compare that with what built it.

    Raises:
        IndexMismatchError: Other encoders did.
        IndexOutdatedError: An older version did.
        IndexNotFoundError: Nobody did yet, and this is not for writing.
    """
    wanted = json.dumps(asdict(manifest), sort_keys=True)
    found = catalog.fact("manifest")
    if found is None and writing:
        catalog.set_fact("manifest", wanted)
    elif found is not None and found != wanted:
        raise _mismatch(found, wanted, root=root)
    elif writing and catalog.fact(GUESSES) == DUE:
        raise IndexOutdatedError(
            f"The index of {str(root)!r} does not say how sure the labels of its pictures are.",
            hint="Run `florilegium ingest`, which makes it anew; nothing is encoded again.",
        )
    # An empty folder gets a catalog and no index: `loading` is noted when a run has begun.
    elif not writing and catalog.fact("loading") is None:
        raise nothing_ingested(root)


def nothing_ingested(root: Path) -> IndexNotFoundError:
    """Return the error of a library that has no index, or whose folder is gone."""
    if not root.is_dir():
        return IndexNotFoundError(
            f"The folder {str(root)!r} is gone.",
            hint="Put it back where it was, or look for the disk that it is on.",
        )
    return IndexNotFoundError(
        f"Nothing was ingested in {str(root)!r} yet.", hint="Run `florilegium ingest`."
    )


def check_store(catalog: Catalog, wanted: str, *, folder: Path, root: Path, writing: bool) -> None:
    """Note in a new catalog which vector store is beside it, or compare that with the one wanted.

    Raises:
        IndexOutdatedError: It is another one.
        IndexMismatchError: It is gone, and this is not for writing.
    """
    kept = catalog.fact("store")
    if writing and kept is None:
        catalog.set_fact("store", wanted)
    elif kept != wanted:
        raise IndexOutdatedError(
            f"The index of {str(root)!r} is kept in {kept!r}, "
            f"but the store {wanted!r} is configured.",
            hint="Run `florilegium ingest`, which moves it, or set store.name back.",
        )
    elif not (folder / STORE).is_dir() and not writing:
        raise IndexMismatchError(
            f"The vector store of {str(root)!r} is gone.",
            hint="Run `florilegium ingest`; nothing is encoded again.",
        )


def _mismatch(found: str, wanted: str, *, root: Path) -> IndexMismatchError:
    built, now = json.loads(found), json.loads(wanted)
    if built["spaces"] == now["spaces"] and built["schema"] < now["schema"]:
        return IndexOutdatedError(
            f"The index of {str(root)!r} was built by an older version.",
            hint="Run `florilegium ingest`, which makes it anew; nothing is encoded again.",
        )
    return IndexMismatchError(
        f"The index of {str(root)!r} was built with {_names(found)}, "
        f"but {_names(wanted)} is configured.",
        hint="Run `florilegium ingest --rebuild`, which builds a new index beside it and puts that "
        "in use at the end; or set the encoders back.",
    )


def note_statistics(index: Index) -> None:
    """Note in the catalog how many records each collection has, and what its background is like."""
    records = index.catalog.record_ids()
    statistics = {
        collection.name: {
            "records": len(records.get(collection, ())),
            **index.backgrounds.describe(collection),
        }
        for collection in index.collections
    }
    index.catalog.set_fact("statistics", json.dumps(statistics, sort_keys=True))


def _names(manifest: str) -> str:
    spaces = json.loads(manifest)["spaces"]
    return " and ".join(f"{space['name']} (…{space['fingerprint'][-8:]})" for space in spaces)


def agrees(index: Index) -> bool:
    """Return whether catalog and store hold the same records, but for those under way."""
    # Records that are announced and not committed are settled by ingest itself.
    uncertain, records = index.catalog.pending_ids(), index.catalog.record_ids()
    for collection in index.collections:
        known = set(records.get(collection, ()))
        if (known ^ index.store.ids(collection)) - uncertain.get(collection, set()):
            return False
    return True
