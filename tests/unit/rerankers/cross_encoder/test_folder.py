from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from florilegium.errors import WeightsNotFoundError
from florilegium.model_records import RECORD_NAME, FolderRecord, write_folder_record
from florilegium.rerankers.cross_encoder.folder import read_folder
from tests.tiny_reranker import MAX_TOKENS, write_tiny_reranker


def change(file: Path, **values: Any) -> None:
    tree = json.loads(file.read_bytes()) | values
    kept = {key: value for key, value in tree.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")


@pytest.mark.parametrize("graph", ["onnx/model.onnx", "model.onnx", "onnx/model_quantized.onnx"])
def test_the_graph_is_found_in_a_folder_of_the_hub(tmp_path: Path, graph: str) -> None:
    folder = write_tiny_reranker(tmp_path, graph=graph)

    assert read_folder(folder).graph == tmp_path / graph


def test_a_graph_may_be_named_itself(tmp_path: Path) -> None:
    write_tiny_reranker(tmp_path)
    write_tiny_reranker(tmp_path, graph="onnx/model_quantized.onnx")

    found = read_folder(tmp_path / "onnx/model_quantized.onnx")

    assert found.graph.name == "model_quantized.onnx"
    assert found.tokenizer == tmp_path / "tokenizer.json"


@pytest.mark.parametrize(("family", "pad_id"), [("bert", 0), ("roberta", 1)])
def test_positions_of_padding_are_no_room_for_tokens(
    tmp_path: Path, family: Any, pad_id: int
) -> None:
    found = read_folder(write_tiny_reranker(tmp_path, family=family))

    assert (found.max_tokens, found.pad_id) == (MAX_TOKENS, pad_id)


def test_the_smaller_limit_counts(tmp_path: Path) -> None:
    change(write_tiny_reranker(tmp_path) / "tokenizer_config.json", model_max_length=32)

    assert read_folder(tmp_path).max_tokens == 32


def test_a_model_that_does_not_say_how_much_it_reads_is_refused(tmp_path: Path) -> None:
    change(write_tiny_reranker(tmp_path) / "config.json", max_position_embeddings=None)

    with pytest.raises(WeightsNotFoundError, match="how many tokens"):
        read_folder(tmp_path)


@pytest.mark.parametrize("file", ["onnx/model.onnx", "tokenizer.json", "config.json"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, file: str) -> None:
    (write_tiny_reranker(tmp_path) / file).unlink()

    with pytest.raises(WeightsNotFoundError, match=file):
        read_folder(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (write_tiny_reranker(tmp_path) / "config.json").write_text(text, encoding="latin-1")

    with pytest.raises(WeightsNotFoundError, match=r"config\.json"):
        read_folder(tmp_path)


def test_languages_are_those_of_the_record_or_of_the_card(tmp_path: Path) -> None:
    folder = write_tiny_reranker(tmp_path / "tiny")
    assert read_folder(folder).languages is None
    write_folder_record(
        folder / RECORD_NAME,
        FolderRecord(id="tiny", kind="cross_encoder", files=(), languages=("en",)),
    )
    assert read_folder(folder).languages == frozenset({"en"})

    named = write_tiny_reranker(tmp_path / "bge-reranker-base")
    assert read_folder(named).languages == frozenset({"zh", "en"})
