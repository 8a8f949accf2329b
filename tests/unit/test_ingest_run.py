"""A run opens the index, and puts it in use when it has ended as it should."""

from __future__ import annotations

import pytest

from florilegium import Library
from florilegium.errors import EncoderError
from florilegium.guard import Guard
from florilegium.ingest import ingest
from florilegium.ingest_run import run_ingest
from florilegium.report import IngestReport
from tests.unit.index_state import paths
from tests.unit.test_ingest_recovery import press_at


def run(library: Library, *, rebuild: bool = False, press: int | None = None) -> IngestReport:
    """Run ingest on the parts of a library."""
    return run_ingest(
        library.root,
        parts=library._parts,
        config=library.settings.config,
        folder=library.root / ".florilegium",
        rebuild=rebuild,
        guard=Guard(before=library._parts.sources_in_use()),
        progress=None if press is None else press_at(press),
    )


def in_use(library: Library) -> str:
    """Return the folder of the index that is in use."""
    return library._parts._generations.current().name


def test_a_rebuild_is_put_in_use_at_its_end_only(tiny_library: Library) -> None:
    assert run(tiny_library, rebuild=True, press=2).interrupted
    assert in_use(tiny_library) == "index-1"

    assert run(tiny_library, rebuild=True).encoded == 0
    assert in_use(tiny_library) == "index-2"


def test_what_was_written_before_a_failure_is_found(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tiny_library.root / "new.txt").write_text("A yellow hexagon.", encoding="utf-8")

    def fail(*arguments: object, **options: object) -> IngestReport:
        ingest(*arguments, **options)  # type: ignore[arg-type]  # as they were given
        raise EncoderError("out of breath")

    monkeypatch.setattr("florilegium.ingest_run.ingest", fail)
    with pytest.raises(EncoderError):
        run(tiny_library)

    assert "new.txt" in paths(tiny_library.search("yellow hexagon"))
