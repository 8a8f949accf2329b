"""A record says the same after it was written and read, and a damaged one is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from florilegium.encoders.onnx_clip.record import (
    RECORD_NAME,
    ModelRecord,
    read_record,
    write_record,
)
from florilegium.encoders.onnx_clip.survey import survey_folder
from florilegium.errors import WeightsNotFoundError
from tests.tiny_onnx import write_tiny_clip


@pytest.fixture
def record(tmp_path: Path) -> ModelRecord:
    """Return the record of a model with two variants and weights beside a graph."""
    write_tiny_clip(tmp_path / "tiny", half=True, external=True)
    return survey_folder(tmp_path / "tiny", id="tiny", origin={"source": "drawn"})


def test_what_is_written_is_read_again(record: ModelRecord, tmp_path: Path) -> None:
    known = replace(
        record,
        languages=("en", "zh"),
        variants={**record.variants, "fp16": replace(record.variants["fp16"], drift=0.9991)},
    )

    write_record(tmp_path / RECORD_NAME, known)

    assert read_record(tmp_path / RECORD_NAME) == known


def test_nothing_else_is_left_of_writing(record: ModelRecord, tmp_path: Path) -> None:
    write_record(tmp_path / RECORD_NAME, record)

    assert sorted(path.name for path in tmp_path.iterdir()) == [RECORD_NAME, "tiny"]


def test_a_file_is_found_by_its_path(record: ModelRecord) -> None:
    assert record.file("tokenizer.json").size > 0
    with pytest.raises(KeyError):
        record.file("absent.json")


def test_no_record_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_record(tmp_path / RECORD_NAME)


@pytest.mark.parametrize(
    "change", [{"schema": 99}, {"dim": "wide"}, {"text": {}}, {"preprocessing": {"mean": 1}}]
)
def test_a_record_that_says_nonsense_is_refused(
    record: ModelRecord, tmp_path: Path, change: dict[str, object]
) -> None:
    file = tmp_path / RECORD_NAME
    write_record(file, record)
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | change), encoding="utf-8")

    with pytest.raises(WeightsNotFoundError, match="cannot be used"):
        read_record(file)


def test_half_a_record_is_refused(record: ModelRecord, tmp_path: Path) -> None:
    file = tmp_path / RECORD_NAME
    write_record(file, record)
    file.write_bytes(file.read_bytes()[:200])

    with pytest.raises(WeightsNotFoundError, match="cannot be used"):
        read_record(file)
