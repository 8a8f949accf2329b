"""What is wrong is found and named; what the next ingest settles is no damage."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.errors import IndexLockedError, StoreError, WeightsNotFoundError
from florilegium.inspection import (
    Finding,
    check_database,
    check_files,
    find_leftovers,
    inspect_databases,
    inspect_folder,
)
from tests.conftest import FAKES
from tests.unit.test_ingest_recovery import Killer, Work, killer

__all__ = ["killer"]


# -- one part at a time --


def test_findings_become_checks_that_say_what_to_do() -> None:
    one = Finding(part="store", code="orphans", message="Two too many.", count=2)

    (check,) = check_files(lambda: [one])

    assert (check.name, check.ok, check.message) == ("files: store", False, "Two too many.")
    assert "doctor --repair" in (check.hint or "")


def test_no_finding_is_a_check_too() -> None:
    (check,) = check_files(list)

    assert (check.name, check.ok) == ("files", True)


@pytest.mark.parametrize(
    ("error", "ok"), [(IndexLockedError, True), (WeightsNotFoundError, True), (StoreError, False)]
)
def test_what_cannot_be_compared_is_not_called_damaged(error: type[StoreError], ok: bool) -> None:
    def fail() -> list[Finding]:
        raise error("Out of reach.", hint="Wait.")

    (check,) = check_files(fail)

    assert check.ok is ok
    assert "Out of reach." in check.message


def test_a_whole_database_passes_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 50)
    assert check_database(file) is None
    assert check_database(tmp_path / "none.db") is None

    with file.open("r+b") as stream:
        stream.seek(5 * 4096)
        stream.write(b"\xa5" * 4096)
    assert "page" in (check_database(file) or "").lower()
    file.write_bytes(b"no database at all")
    assert check_database(file) == "file is not a database"


def test_a_database_that_is_in_use_is_not_called_damaged(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (1)")

        assert check_database(file) is None


def test_a_damaged_index_of_words_is_found(tiny_library: Library) -> None:
    tiny_library.close()
    file = next(tiny_library.root.rglob("catalog.db"))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM text_words_idx")
        connection.execute("UPDATE text_words_data SET block=x'00' WHERE id > 10")

    found = tiny_library.inspect()

    assert [(one.part, one.code) for one in found] == [("catalog", "corrupt")]
    assert tiny_library.repair().encoded == 0
    assert tiny_library.inspect(deep=True) == []
    assert tiny_library.search("roses")


def test_a_folder_without_an_index_has_nothing_wrong(tmp_path: Path) -> None:
    assert inspect_folder(tmp_path) == []
    assert inspect_databases(tmp_path, tmp_path / "index-1") == []
    assert find_leftovers(tmp_path) == []
    with Library.create(tmp_path / "new", overrides=FAKES) as library:
        assert library.inspect(deep=True) == []


def test_settings_that_were_changed_are_no_damage(tiny_library: Library) -> None:
    tiny_library.close()
    with Library.open(tiny_library.root, overrides={"encoder.name": "fake:64"}) as library:
        assert library.inspect(deep=True) == []


def test_a_lost_catalog_is_found_after_a_search_has_made_an_empty_one(
    tiny_library: Library,
) -> None:
    tiny_library.close()
    next(tiny_library.root.rglob("catalog.db")).write_bytes(b"")
    with pytest.raises(StoreError):
        tiny_library.search("red")

    assert [(one.part, one.code) for one in tiny_library.inspect()] == [("catalog", "lost")]
    assert tiny_library.repair().encoded == 0
    assert tiny_library.search("red square")


def test_an_index_that_is_being_built_is_no_leftover(tiny_library: Library) -> None:
    (tiny_library.root / ".florilegium" / "index-2" / "store").mkdir(parents=True)

    assert tiny_library.inspect() == []


# -- no false alarm after a run that ended early --


@pytest.fixture(params=[False, True], ids=["first run", "later run"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Work:
    """Return a folder that was never ingested, and one where everything has changed since."""
    return Work(tmp_path, changed=request.param, **{"ingest.batch_files": 4})


def test_what_a_killed_run_leaves_is_no_damage(work: Work, killer: Killer, tmp_path: Path) -> None:
    killer.run(work.folder, 0)
    for at in range(1, killer.count + 1, 4):
        work.reset()
        assert killer.run(work.folder, at) is None
        with Library.open(work.folder) as library:
            assert library.inspect(deep=True) == [], f"killed before write {at}"


def test_what_a_stopped_rebuild_leaves_is_no_damage_and_repaired_with_the_rest(
    work: Work, killer: Killer
) -> None:
    complete = work.finish()
    shutil.rmtree(work.folder.parent / "saved")
    killer.run(work.folder, 9, rebuild=True)

    with Library.open(work.folder) as library:
        assert library.inspect(deep=True) == []
        report = library.repair()
        assert (report.encoded, report.left) == (0, ())
    assert work.finish() == complete
