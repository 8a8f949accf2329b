from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from florilegium.encoders.onnx_clip.record import read_record
from florilegium.errors import WeightsNotFoundError
from florilegium.model_records import (
    RECORD_NAME,
    FileRecord,
    FolderRecord,
    read_folder_record,
    read_kind,
    section_of,
    write_folder_record,
)
from tests.unit.installed import install

RECORD = FolderRecord(
    id="tiny--chat",
    kind="llama_cpp",
    files=(FileRecord(path="a/tiny.gguf", sha256="0" * 64, size=7),),
    languages=("en",),
    origin={"source": "tiny/chat", "revision": "1" * 40, "licence": "mit"},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a record that was written."""
    write_folder_record(tmp_path / RECORD_NAME, RECORD)
    return tmp_path / RECORD_NAME


def _change(file: Path, **values: Any) -> None:
    tree = json.loads(file.read_bytes())
    file.write_text(json.dumps(tree | values), encoding="utf-8")


def test_a_record_is_read_as_it_was_written(file: Path) -> None:
    assert read_folder_record(file) == RECORD
    assert [path.name for path in file.parent.iterdir()] == [RECORD_NAME]


def test_unknown_languages_stay_unknown(file: Path) -> None:
    write_folder_record(file, replace(RECORD, languages=None))

    assert read_folder_record(file).languages is None


def test_a_record_finds_its_files_by_their_paths() -> None:
    assert RECORD.file("a/tiny.gguf").size == 7
    with pytest.raises(KeyError):
        RECORD.file("tiny.gguf")


def test_the_kind_of_a_chat_model_is_the_backend_that_opens_it(file: Path) -> None:
    assert read_kind(file) == "llama_cpp"


def test_a_record_without_a_kind_is_of_an_encoder_as_all_once_were(tmp_path: Path) -> None:
    install(tmp_path)

    assert read_kind(tmp_path / "tiny--clip" / RECORD_NAME) == "onnx_clip"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema": 3}, "no model of kind 'llama_cpp' is known"),
        ({"kind": "crystal_ball"}, "no model of kind 'crystal_ball' is known"),
        ({"files": [{"path": "a"}]}, "cannot be used"),
        ({"origin": 7}, "cannot be used"),
    ],
)
def test_a_record_that_cannot_be_used_says_why(
    file: Path, values: dict[str, Any], message: str
) -> None:
    _change(file, **values)

    with pytest.raises(WeightsNotFoundError, match=message):
        read_folder_record(file)


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_what_is_no_record_has_no_kind(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")

    with pytest.raises(WeightsNotFoundError, match="cannot be used"):
        read_kind(file)


def test_a_record_that_is_not_there_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_kind(tmp_path / RECORD_NAME)
    with pytest.raises(FileNotFoundError):
        read_folder_record(tmp_path / RECORD_NAME)


def test_an_encoder_does_not_take_the_record_of_a_chat_model_for_its_own(tmp_path: Path) -> None:
    (tmp_path / "tiny--chat").mkdir()
    write_folder_record(tmp_path / "tiny--chat" / RECORD_NAME, RECORD)

    with pytest.raises(WeightsNotFoundError, match="is a chat model, and no encoder") as caught:
        read_record(tmp_path / "tiny--chat" / RECORD_NAME)

    assert 'chat.name = "llama_cpp:tiny--chat"' in str(caught.value.hint)


@pytest.mark.parametrize(
    ("kind", "section"),
    [("onnx_clip", "encoder"), ("mc_llava", "chat"), ("cross_encoder", "rerank")],
)
def test_each_kind_has_its_section_of_the_settings(kind: str, section: str) -> None:
    assert section_of(kind) == section


def test_a_reranker_has_a_record_like_a_chat_model(file: Path) -> None:
    record = replace(RECORD, kind="cross_encoder")
    write_folder_record(file, record)

    assert read_folder_record(file) == record
    assert read_kind(file) == "cross_encoder"
