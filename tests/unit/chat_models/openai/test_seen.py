"""What was found of a model's sight is kept for a day, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.chat_models.openai.probe import Sight
from florilegium.chat_models.openai.seen import (
    FILE_NAME,
    VALID_SECONDS,
    recall_sight,
    remember_sight,
)

SIGHT = Sight(sees=True, reason="it read two numbers in pictures")
BLIND = Sight(sees=False, reason="it refused a picture")


def test_what_was_found_is_known_to_the_next_process(tmp_path: Path) -> None:
    remember_sight(tmp_path / "new", "http://s/v1", "m", SIGHT)

    assert recall_sight(tmp_path / "new", "http://s/v1", "m") == SIGHT


def test_models_and_servers_are_told_apart(tmp_path: Path) -> None:
    remember_sight(tmp_path, "http://s/v1", "m", SIGHT)
    remember_sight(tmp_path, "http://s/v1", "n", BLIND)

    assert recall_sight(tmp_path, "http://s/v1", "m") == SIGHT
    assert recall_sight(tmp_path, "http://s/v1", "n") == BLIND
    assert recall_sight(tmp_path, "http://t/v1", "m") is None


@pytest.mark.parametrize(
    ("age", "known"), [(0, True), (VALID_SECONDS - 1, True), (VALID_SECONDS, False), (-1, False)]
)
def test_it_is_forgotten_after_a_day(tmp_path: Path, age: float, known: bool) -> None:
    remember_sight(tmp_path, "s", "m", SIGHT, clock=lambda: 1000.0)

    found = recall_sight(tmp_path, "s", "m", clock=lambda: 1000.0 + age)

    assert (found == SIGHT) is known


@pytest.mark.parametrize("text", ["", "{", "[]", '{"s m": {"sight": {"sees": "?"}, "at": 0}}'])
def test_a_damaged_file_counts_as_absent_and_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")

    assert recall_sight(tmp_path, "s", "m") is None
    remember_sight(tmp_path, "s", "m", SIGHT)
    assert recall_sight(tmp_path, "s", "m") == SIGHT


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()

    remember_sight(file, "s", "m", SIGHT)

    assert recall_sight(file, "s", "m") is None


def test_the_file_does_not_grow_without_end(tmp_path: Path) -> None:
    for number in range(70):
        remember_sight(tmp_path, "s", f"m{number}", SIGHT)

    assert recall_sight(tmp_path, "s", "m0") is None
    assert recall_sight(tmp_path, "s", "m69") == SIGHT
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]
