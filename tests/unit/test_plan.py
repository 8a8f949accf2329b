"""What a run has to do follows from names, sizes and times."""

from __future__ import annotations

from dataclasses import replace

from florilegium import Library
from florilegium.plan import Plan, make_plan
from florilegium.scan import scan_folder
from tests.unit.test_ingest import make_later

SUFFIXES = {".png", ".txt", ".md"}


def plan_of(library: Library, *, chunk_tokens: int = 200) -> Plan:
    """Return what the next run of this library would do."""
    config = library.settings.config
    changed = config.ingest.model_copy(update={"chunk_tokens": chunk_tokens})
    return make_plan(
        scan_folder(library.root, suffixes=SUFFIXES, exclude=()),
        index=library.index,
        config=config.model_copy(update={"ingest": changed}),
    )


def test_nothing_is_to_do_when_nothing_has_changed(tiny_library: Library) -> None:
    plan = plan_of(tiny_library)

    assert (plan.to_do, plan.removed, plan.unchanged, plan.reload) == ((), (), 7, False)


def test_a_new_a_touched_and_a_lost_file(tiny_library: Library) -> None:
    (tiny_library.root / "new.txt").write_text("new", encoding="utf-8")
    (tiny_library.root / "circle.md").unlink()
    make_later(tiny_library.root / "circle.png")
    plan = plan_of(tiny_library)

    assert [seen.path for seen in plan.to_do] == ["circle.png", "new.txt"]
    assert plan.removed == ("circle.md",)
    assert plan.unchanged == 5
    assert plan.hashes()["circle.png"] == plan.known["circle.png"].content_hash


def test_other_chunks_mean_that_everything_is_loaded_again(tiny_library: Library) -> None:
    plan = plan_of(tiny_library, chunk_tokens=64)

    assert (len(plan.to_do), plan.unchanged, plan.reload, plan.hashes()) == (7, 0, True, {})
    assert replace(plan, reload=False).hashes() != {}
