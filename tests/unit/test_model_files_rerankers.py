"""Which files make a reranker, and how it is told from an encoder and a chat model."""

from __future__ import annotations

from typing import Any

import pytest

from florilegium.errors import WeightsNotFoundError
from florilegium.model_cards import find_card
from florilegium.model_files import Wish, choose_files, find_kind, judge_config
from florilegium.model_hub import HubFile, Repository

GRAPH, SMALL = "onnx/model.onnx", "onnx/model_quantized.onnx"
FILES = (GRAPH, SMALL, "config.json", "tokenizer.json", "tokenizer_config.json", "README.md")
SCORING = {"architectures": ["XLMRobertaForSequenceClassification"]}


def repository(*paths: str) -> Repository:
    files = tuple(HubFile(path=path, size=1) for path in paths)
    return Repository(name="tiny/reranker", commit="1" * 40, files=files)


def chosen(*paths: str, **wish: Any) -> set[str]:
    files = choose_files(repository(*paths), "cross_encoder", wish=Wish(**wish), card=None)
    return {file.path for file in files}


@pytest.mark.parametrize("more", [(), ("model.safetensors", "pytorch_model.bin")])
def test_the_configuration_tells_a_reranker_from_a_chat_model(more: tuple[str, ...]) -> None:
    found = repository(*FILES, *more)

    assert find_kind(found, ()) == "transformers"  # until its config.json is read
    assert judge_config(found, SCORING) == "cross_encoder"


def test_towers_of_an_encoder_come_before_a_single_graph() -> None:
    found = repository(*FILES, "onnx/vision_model.onnx", "onnx/text_model.onnx")

    assert find_kind(found, ()) == "onnx_clip"


def test_a_classifier_without_a_graph_is_refused() -> None:
    with pytest.raises(WeightsNotFoundError, match="no ONNX graph of a reranker"):
        judge_config(repository("config.json", "model.safetensors"), SCORING)


def test_the_graph_in_fp32_is_fetched_with_what_it_needs() -> None:
    files = chosen(*FILES, "onnx/model.onnx_data", "model.safetensors", "sentencepiece.bpe.model")

    assert files == {*FILES, "onnx/model.onnx_data"} - {SMALL}


def test_a_smaller_graph_is_fetched_where_it_is_asked_for() -> None:
    assert chosen(*FILES, patterns=("*quantized*",)) == {*FILES} - {GRAPH}

    with pytest.raises(WeightsNotFoundError, match=r"called like '\*q4\*'"):
        chosen(*FILES, patterns=("*q4*",))


def test_a_precision_is_for_encoders() -> None:
    with pytest.raises(WeightsNotFoundError, match="is a reranker, for which --precision"):
        chosen(*FILES, precisions=("fp16",))


def test_a_reranker_needs_a_tokenizer() -> None:
    with pytest.raises(WeightsNotFoundError, match=r"no tokenizer\.json"):
        chosen(GRAPH, "config.json")


@pytest.mark.parametrize(
    "name",
    [
        "ms-marco-minilm-l6", "mxbai-rerank-xsmall", "bge-reranker-base", "bge-reranker-v2-m3",
        "jina-reranker-v2",
    ],
)  # fmt: skip
def test_the_graph_that_a_card_names_is_the_one_that_is_fetched(name: str) -> None:
    card = find_card(name)

    assert card is not None
    assert card.kind == "cross_encoder"
    assert {file.path for file in card.files} <= chosen(*FILES)
