"""`gate.json` comes back as it was written, and a damaged one says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from florilegium.errors import StoreError
from florilegium.gate_file import GATE_FILE, MeasuredGate, read_gate, write_gate

GATE = MeasuredGate(
    threshold=0.42,
    precision=0.9,
    recall=0.8,
    f1=0.847,
    questions=40,
    date="2026-11-26T08:00:00+00:00",
    encoders={"minilm": "abc"},
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = write_gate(tmp_path, GATE)

    assert file == tmp_path / GATE_FILE
    assert read_gate(tmp_path) == GATE
    assert [path.name for path in tmp_path.iterdir()] == [GATE_FILE]


def test_a_library_without_one_has_none(tmp_path: Path) -> None:
    assert read_gate(tmp_path) is None


def test_the_format_is_plain_json(tmp_path: Path) -> None:
    write_gate(tmp_path, GATE)

    assert json.loads((tmp_path / GATE_FILE).read_text(encoding="utf-8")) == {
        "format": 1,
        "threshold": 0.42,
        "precision": 0.9,
        "recall": 0.8,
        "f1": 0.847,
        "questions": 40,
        "date": "2026-11-26T08:00:00+00:00",
        "encoders": {"minilm": "abc"},
    }


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": "NaN"}, "threshold"),
        ({"format": 2}, "format"),
        ({"extra": 1}, "extra"),
        ({"questions": 0}, "questions"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, change: dict[str, object], named: str) -> None:
    values = json.loads(GATE.model_dump_json()) | change
    (tmp_path / GATE_FILE).write_text(json.dumps(values), encoding="utf-8")

    with pytest.raises(StoreError, match=named) as caught:
        read_gate(tmp_path)

    assert "--store-threshold" in str(caught.value.hint)


def test_a_file_that_is_cut_off_says_so(tmp_path: Path) -> None:
    (tmp_path / GATE_FILE).write_text('{"format": 1, "thresh', encoding="utf-8")

    with pytest.raises(StoreError, match=r"gate\.json.* cannot be used: the file: "):
        read_gate(tmp_path)


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write_gate(tmp_path / "gone", GATE)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / GATE_FILE).mkdir()

    with pytest.raises(StoreError, match="cannot be used"):
        read_gate(tmp_path)
