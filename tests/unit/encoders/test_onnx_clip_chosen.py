"""A choice is remembered in a file that may be absent, damaged or read-only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from florilegium.encoders.onnx_clip.chosen import (
    FILE_NAME,
    Chosen,
    LeftOut,
    Measured,
    make_key,
    recall,
    remember,
)
from tests.unit.encoders.onnx_clip_samples import engine

CHOSEN = Chosen(
    tower="vision",
    variant="fp32",
    engine=engine("openvino", precision="bf16", streams=2),
    speeds=(
        Measured(engine=engine(), rows_per_second=48.5),
        Measured(engine=engine("openvino", precision="bf16", streams=2), rows_per_second=101.0),
    ),
    left_out=(LeftOut(name="openvino fp32", reason="it failed"),),
)


def test_what_was_remembered_is_recalled(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"

    remember(folder, "a", CHOSEN)
    remember(folder, "b", replace(CHOSEN, tower="text"))

    assert recall(folder, "a") == CHOSEN
    assert recall(folder, "b") == replace(CHOSEN, tower="text")
    assert recall(folder, "c") is None
    assert [file.name for file in folder.iterdir()] == [FILE_NAME]


def test_the_last_choice_counts(tmp_path: Path) -> None:
    remember(tmp_path, "a", CHOSEN)

    remember(tmp_path, "a", replace(CHOSEN, engine=engine()))

    assert recall(tmp_path, "a") == replace(CHOSEN, engine=engine())


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"a": {}}', b'{"a": {"tower": "vision", "variant": "fp32", "engine": 1}}'],
)
def test_a_damaged_file_counts_as_absent_and_is_replaced(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(damage)

    assert recall(tmp_path, "a") is None

    remember(tmp_path, "a", CHOSEN)
    assert recall(tmp_path, "a") == CHOSEN


def test_an_engine_that_does_not_exist_is_not_recalled(tmp_path: Path) -> None:
    remember(tmp_path, "a", CHOSEN)
    file = tmp_path / FILE_NAME
    tree = json.loads(file.read_bytes())
    tree["a"]["engine"]["name"] = "abacus"
    file.write_text(json.dumps(tree), encoding="utf-8")

    assert recall(tmp_path, "a") is None


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    remember(file, "a", CHOSEN)

    assert recall(file, "a") is None


def test_the_file_does_not_grow_without_end(tmp_path: Path) -> None:
    for number in range(66):
        remember(tmp_path, str(number), CHOSEN)

    assert recall(tmp_path, "1") is None
    assert recall(tmp_path, "2") == CHOSEN
    assert recall(tmp_path, "65") == CHOSEN


def test_a_key_depends_on_each_fact_and_not_on_their_order() -> None:
    assert make_key({"a": 1, "b": [2]}) == make_key({"b": [2], "a": 1})
    assert make_key({"a": 1, "b": [2]}) != make_key({"a": 1, "b": [3]})
