"""Pulls of rerankers, against a hub on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium.config_sections import RerankConfig
from florilegium.model_files import Wish
from florilegium.model_pull import pull_model
from florilegium.model_records import FolderRecord
from florilegium.models import check_files, find_model
from florilegium.registry import open_reranker
from tests.tiny_hub import TinyHub, serve
from tests.tiny_reranker import write_tiny_reranker

NAME = "tiny/reranker"
SMALL = "onnx/model_quantized.onnx"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    write_tiny_reranker(tmp_path / "hub")
    write_tiny_reranker(tmp_path / "hub", graph=SMALL, dynamic=True)
    with serve(TinyHub(NAME, tmp_path / "hub"), monkeypatch) as running:
        yield running


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_reranker_is_pulled_checked_and_opened(hub: TinyHub, models: Path) -> None:
    pulled = pull_model(NAME, folder=models).model

    assert pulled.setting == 'rerank.name = "cross_encoder:tiny--reranker"'
    assert isinstance(pulled.record, FolderRecord)
    assert {file.path for file in pulled.record.files} == {
        "config.json", "onnx/model.onnx", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert list(check_files(pulled.folder, pulled.record)) == []
    reranker = open_reranker(pulled.backend, config=RerankConfig())
    best, worst = reranker.score("red rose", ["a red rose", "coffee"])
    assert best > worst


def test_a_smaller_graph_is_the_one_that_is_opened(hub: TinyHub, models: Path) -> None:
    pull_model(NAME, folder=models, wish=Wish(patterns=("*quantized*",)))

    model = find_model(NAME, folder=models)

    assert (model.folder / SMALL).is_file()
    assert not (model.folder / "onnx/model.onnx").exists()
    assert open_reranker(model.backend, config=RerankConfig()).score("a", ["a"]).shape == (1,)


def test_what_is_damaged_is_fetched_again(hub: TinyHub, models: Path) -> None:
    folder = pull_model(NAME, folder=models).model.folder
    (folder / "onnx/model.onnx").write_bytes(b"damaged")

    assert not pull_model(NAME, folder=models).kept
    assert pull_model(NAME, folder=models).kept
