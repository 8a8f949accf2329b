"""A new index takes the place of the old one at once, and whoever reads notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import StoreError
from florilegium.generations import CATALOG, CURRENT, STORE, Generations


def put(folder: Path) -> Path:
    """Make what looks like an index."""
    (folder / STORE).mkdir(parents=True)
    (folder / CATALOG).write_text("catalog", encoding="utf-8")
    return folder


def test_the_first_index_has_a_folder_of_its_own(tmp_path: Path) -> None:
    generations = Generations(tmp_path)

    assert generations.current() == tmp_path / "index-1"
    assert generations.next() == tmp_path / "index-2"


def test_an_index_beside_the_cache_is_used_until_it_is_replaced(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "embeddings.db").write_text("cache", encoding="utf-8")
    generations = Generations(tmp_path)

    assert generations.current() == tmp_path
    generations.switch(put(generations.next()))
    generations.remove_old()

    assert generations.current() == tmp_path / "index-1"
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"embeddings.db", "index-1", CURRENT}


def test_a_switch_is_seen_by_others_and_the_old_index_goes(tmp_path: Path) -> None:
    put(tmp_path / "index-1")
    mine, other = Generations(tmp_path), Generations(tmp_path)
    mine.switch(put(mine.next()))

    assert other.current() == tmp_path / "index-2"
    assert other.next() == tmp_path / "index-3"
    mine.remove_old()
    assert mine.all() == [tmp_path / "index-2"]


def test_what_is_being_built_is_not_removed_with_the_old(tmp_path: Path) -> None:
    generations = Generations(tmp_path)
    put(tmp_path / "index-1")
    put(tmp_path / "index-2")
    generations.remove_old()

    assert [path.name for path in generations.all()] == ["index-1", "index-2"]


@pytest.mark.parametrize("content", [b"", b"../elsewhere", b"index-0", b"index-1/../..", b"\xff"])
def test_a_pointer_to_nothing_of_ours_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / CURRENT).write_bytes(content)

    with pytest.raises(StoreError, match="does not name an index") as caught:
        Generations(tmp_path).current()
    assert "doctor --repair" in str(caught.value.hint)


def test_a_switch_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    generations = Generations(tmp_path)
    put(tmp_path / "index-1")
    (tmp_path / f"{CURRENT}.partial").mkdir()

    with pytest.raises(StoreError, match="cannot be put in use"):
        generations.switch(put(generations.next()))
    assert generations.current() == tmp_path / "index-1"


def test_a_lost_pointer_is_not_taken_for_a_new_library(tmp_path: Path) -> None:
    generations = Generations(tmp_path)
    put(tmp_path / "index-1")
    generations.switch(put(generations.next()))
    generations.remove_old()
    (tmp_path / CURRENT).unlink()

    with pytest.raises(StoreError, match="it is gone") as caught:
        generations.current()
    assert "doctor --repair" in str(caught.value.hint)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be made: No such file"):
        Generations(tmp_path / "gone").make(tmp_path / "gone" / "index-1")


def test_the_first_of_all_switches_at_the_moment_of_looking_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "index-1", tmp_path / "index-2"
    first.mkdir()
    second.mkdir()
    exists = Path.exists

    def switched_meanwhile(path: Path) -> bool:
        if path == first:
            monkeypatch.setattr(Path, "exists", exists)
            other = Generations(tmp_path)
            other.switch(second)
            other.remove_old()
        return exists(path)

    monkeypatch.setattr(Path, "exists", switched_meanwhile)

    assert Generations(tmp_path).current() == second
