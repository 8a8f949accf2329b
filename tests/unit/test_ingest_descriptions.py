"""Sidecars and tables are tracked like any file, and what they say reaches the pictures."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.errors import SourceError
from florilegium.report import IngestReport
from florilegium.types import Modality
from tests.conftest import FAKES, draw
from tests.unit.test_ingest import rewrite
from tests.unit.test_ingest_recovery import Killer, Work

LONG = " ".join(f"word{number} of the gate." for number in range(400))


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    """Return what ends runs."""
    return Killer(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two pictures without names, a sidecar and a table."""
    folder = tmp_path / "library"
    (folder / "set").mkdir(parents=True)
    draw("red", "square").save(folder / "IMG_1.png")
    draw("blue", "circle").save(folder / "set" / "IMG_2.png")
    (folder / "IMG_1.png.json").write_text('{"title": "A velvet rose"}', encoding="utf-8")
    (folder / "captions.csv").write_text(
        "file,zh,label,shelf\nset/IMG_2.png,蓝色的圆,Bluebell,7\nset/IMG_9.png,x,,\n",
        encoding="utf-8",
    )
    (folder / "package.json").write_text("{}", encoding="utf-8")
    return folder


def describe(folder: Path, how: str) -> None:
    """Change what is said of the pictures."""
    if how == "changed":
        rewrite(folder / "IMG_1.png.json", '{"title": "A white rose", "caption": "' + LONG + '"}')
        (folder / "captions.csv").unlink()
    rewrite(folder / "set" / "metadata.jsonl", '{"image": "IMG_2.png", "text": "On a wall"}\n')


def cards(library: Library) -> dict[str, str]:
    """Return the cards of all pictures by path."""
    items = library.index.catalog.all_items(Modality.IMAGE)
    return {item.source.path: item.text for item, _ in items}


def titles(library: Library) -> dict[str, str]:
    """Return the titles of all pictures by path."""
    items = library.index.catalog.all_items(Modality.IMAGE)
    return {item.source.path: item.title for item, _ in items}


def ingested(folder: Path) -> tuple[IngestReport, dict[str, str]]:
    """Ingest a folder and return the report and the cards."""
    with Library.open(folder) as library:
        return library.ingest(), cards(library)


def test_what_files_say_is_on_the_cards_and_in_the_fields(folder: Path) -> None:
    with Library.create(folder, overrides=FAKES) as library:
        report = library.ingest()

        assert (report.added, report.ignored, report.failed) == (4, 1, ())
        assert cards(library)["IMG_1.png"].startswith("A velvet rose")
        assert cards(library)["set/IMG_2.png"].startswith("set\n蓝色的圆\nBluebell")
        hit = library.search("Bluebell", modality="image")[0]
        assert hit.item.fields == (("caption", "蓝色的圆"), ("label", "Bluebell"), ("shelf", "7"))


def test_a_name_that_no_file_has_is_a_warning_in_every_run(folder: Path) -> None:
    Library.create(folder, overrides=FAKES).close()

    for _ in range(2):
        report, _ = ingested(folder)

        assert report.failed == ()
        (warning,) = report.warnings
        assert "'captions.csv' describes 1 file" in warning
        assert "'set/IMG_9.png'" in warning


def test_what_was_said_goes_with_its_file(folder: Path) -> None:
    Library.create(folder, overrides=FAKES).close()
    before = ingested(folder)[1]
    (folder / "IMG_1.png.json").unlink()
    report, after = ingested(folder)

    assert report.removed == 1
    assert "velvet" in before["IMG_1.png"]
    assert "velvet" not in after["IMG_1.png"]


def test_a_broken_sidecar_fails_alone_and_says_nothing_any_more(folder: Path) -> None:
    Library.create(folder, overrides=FAKES).close()
    ingested(folder)
    rewrite(folder / "IMG_1.png.json", "{")
    report, after = ingested(folder)

    assert [(one.path, one.code) for one in report.failed] == [
        ("IMG_1.png.json", "source_unreadable")
    ]
    assert "velvet" not in after["IMG_1.png"]
    assert "Bluebell" in after["set/IMG_2.png"]


def test_a_sidecar_whose_picture_goes_is_ignored(folder: Path) -> None:
    Library.create(folder, overrides=FAKES).close()
    ingested(folder)
    (folder / "IMG_1.png").unlink()
    report, _ = ingested(folder)

    assert (report.removed, report.ignored) == (2, 2)


def test_tables_alone_make_no_library_and_cost_none_its_index(folder: Path) -> None:
    Library.create(folder, overrides=FAKES).close()
    ingested(folder)
    for file in ("IMG_1.png", "set/IMG_2.png"):  # as if they lay on a disk that is not mounted
        (folder / file).unlink()

    with pytest.raises(SourceError, match="its index has 4 files; the index was kept"):
        ingested(folder)


def test_a_long_caption_is_searched_to_its_end(folder: Path) -> None:
    rewrite(folder / "IMG_1.png.json", '{"caption": "' + LONG + ' A last emerald."}')
    with Library.create(folder, overrides=FAKES) as library:
        library.ingest()
        catalog, index = library.index.catalog, library.index
        ids = catalog.record_ids()[index.cards]
        limit = index.text_encoder.info.max_text_tokens

        assert index.text_encoder.count_tokens(LONG) > limit
        assert sum(id_.startswith(catalog.items_of(["IMG_1.png"])[0].id) for id_ in ids) > 1
        assert catalog.search_words("emerald", Modality.IMAGE, top_k=5)


@pytest.mark.parametrize("how", ["first", "changed"])
def test_a_run_that_dies_at_any_write_is_completed_by_the_next(
    folder: Path, tmp_path: Path, killer: Killer, how: str
) -> None:
    work = Work.__new__(Work)
    work.folder, work._saved = folder, tmp_path / "saved"
    with Library.create(folder, overrides={**FAKES, "ingest.batch_files": 2}) as library:
        if how == "changed":
            library.ingest()
        describe(folder, how)
    shutil.copytree(folder, work._saved)
    complete = work.finish()
    for at in itertools.count(1):
        work.reset()
        if killer.run(work.folder, at) is not None:
            break
        assert work.finish() == complete, at

    assert at > 10


def test_a_title_in_a_sidecar_is_the_title_of_the_picture(folder: Path) -> None:
    draw("red", "circle").save(folder / "inv-1001.png")
    with Library.create(folder, overrides=FAKES) as library:
        library.ingest()
        before = titles(library)
        (folder / "IMG_1.png.json").unlink()
        library.ingest()
        after = titles(library)

    assert before["IMG_1.png"] == "A velvet rose"
    assert before["inv-1001.png"] == "inv 1001"
    assert after["IMG_1.png"] == "IMG_1"
