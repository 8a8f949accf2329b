"""A library on a read-only medium is searched and asked; what would write says that it cannot."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from florilegium import Library
from tests.conftest import FAKES, write_tiny_folder
from tests.unit.test_sqlite_file import run_in_read_only_folder

LOOK = """
import json, sys
from florilegium import Library
from florilegium.errors import FlorilegiumError

def refused(call):
    try:
        call()
    except FlorilegiumError as error:
        return type(error).__name__, error.message, error.hint
    return "not refused", "", ""

with Library.open(sys.argv[1]) as library:
    print(json.dumps({
        "paths": [hit.item.source.path for hit in library.search("a green circle", top_k=3)],
        "answer": library.ask("How many corners has a green circle?", quote=True).text,
        "cached": library.cache_stats().encoders[0].count,
        "ingest": refused(library.ingest),
        "prune": refused(library.prune_cache),
    }))
"""


@pytest.mark.parametrize("store", ["memory", "chroma"])
def test_a_library_on_a_read_only_medium_is_searched(tmp_path: Path, store: str) -> None:
    folder = tmp_path / "tiny"
    write_tiny_folder(folder)
    with Library.create(folder, overrides={**FAKES, "store.name": store}) as library:
        library.ingest()
        found = [hit.item.source.path for hit in library.search("a green circle", top_k=3)]
        answer = library.ask("How many corners has a green circle?", quote=True).text
        cached = library.cache_stats().encoders[0].count

    done = run_in_read_only_folder([sys.executable, "-c", LOOK, str(folder)], folder)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["paths"], told["answer"], told["cached"]) == (found, answer, cached)
    for refused in ("ingest", "prune"):
        name, message, hint = told[refused]
        assert name == "StoreError"
        assert "cannot be written" in message
        assert ".florilegium" in hint
