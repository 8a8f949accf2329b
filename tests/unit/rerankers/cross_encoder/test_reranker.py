from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from florilegium.config_sections import RerankConfig
from florilegium.errors import WeightsNotFoundError
from florilegium.ids import sha256_file
from florilegium.model_records import RECORD_NAME, FileRecord, FolderRecord, write_folder_record
from florilegium.registry import open_reranker
from florilegium.rerankers.cross_encoder.reranker import CrossEncoder
from florilegium.types import RerankerInfo
from tests.tiny_reranker import MAX_TOKENS, write_tiny_reranker
from tests.unit.installed import install_chat_model


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(tmp_path / "models"))
    return tmp_path / "models"


def install(folder: Path, name: str = "tiny--reranker") -> Path:
    target = write_tiny_reranker(folder / name)
    files = tuple(
        FileRecord(
            path=path.relative_to(target).as_posix(),
            sha256=sha256_file(path),
            size=path.stat().st_size,
        )
        for path in sorted(target.rglob("*"))
        if path.is_file()
    )
    record = FolderRecord(id=name, kind="cross_encoder", files=files, languages=("en",))
    write_folder_record(target / RECORD_NAME, record)
    return target


def test_a_folder_is_opened_by_its_path(tmp_path: Path) -> None:
    write_tiny_reranker(tmp_path)

    reranker = open_reranker(f"cross_encoder:{tmp_path}", config=RerankConfig())

    best, worst = reranker.score("red rose", ["a red rose", "coffee"])
    assert best > worst


def test_a_pulled_model_is_opened_by_its_name(models: Path) -> None:
    install(models)

    reranker = open_reranker("cross_encoder:tiny/reranker", config=RerankConfig())

    assert reranker.info == RerankerInfo(
        id="cross_encoder:tiny/reranker", max_tokens=MAX_TOKENS, languages=frozenset({"en"})
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("", "The reranker 'cross_encoder' needs a model"),
        ("bge-reranker-base", "still to be pulled"),
        ("nowhere", "for the reranker 'cross_encoder'"),
        ("qwen3-vl-2b", "is a chat model, and no reranker"),
        ("siglip2-base-256", "is an encoder, and no reranker"),
        ("tiny--chat", "is a chat model, and no reranker"),
    ],
)
def test_a_model_that_is_not_there_or_another_kind_is_told(
    models: Path, model: str, message: str
) -> None:
    install_chat_model(models)

    with pytest.raises(WeightsNotFoundError, match=message):
        open_reranker(f"cross_encoder:{model}", config=RerankConfig())


def test_a_foreign_graph_in_a_pulled_model_is_refused(models: Path) -> None:
    (install(models) / "model.onnx").write_bytes(b"of somebody else")

    with pytest.raises(WeightsNotFoundError, match=r"holds 'model\.onnx', which is not of it"):
        open_reranker("cross_encoder:tiny--reranker", config=RerankConfig())


def test_the_info_opens_no_weights(tmp_path: Path) -> None:
    folder = write_tiny_reranker(tmp_path)
    (folder / "onnx/model.onnx").write_bytes(b"no graph")

    assert CrossEncoder(folder, name="tiny").info.max_tokens == MAX_TOKENS


def test_a_long_text_has_the_score_of_its_best_window(tmp_path: Path) -> None:
    reranker = CrossEncoder(write_tiny_reranker(tmp_path), name="tiny")
    room = MAX_TOKENS - 3 - 2
    best = "red rose " + "a " * (room - 2)
    rest = "coffee " * room

    long, first, second = reranker.score("red rose", [best + rest, best, rest])

    np.testing.assert_allclose(long, max(first, second), atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_the_size_of_batches_changes_no_score(tmp_path: Path, batch_size: int) -> None:
    folder = write_tiny_reranker(tmp_path)
    texts = ["a " * length for length in (1, 40, 7, 200, 3)] + ["red rose", ""]

    scores = CrossEncoder(folder, name="t", batch_size=batch_size).score("red rose", texts)

    np.testing.assert_allclose(
        scores, CrossEncoder(folder, name="t").score("red rose", texts), atol=1e-5
    )
