from __future__ import annotations

import pytest

from florilegium.errors import WeightsNotFoundError
from florilegium.rerankers.cross_encoder.layouts import GRAPHS, find_graph, require_graph


def test_the_graph_in_fp32_is_taken_before_smaller_ones() -> None:
    everything = {"onnx/model_int8.onnx", "model.onnx", "onnx/model.onnx", "tokenizer.json"}

    assert find_graph(everything) == "onnx/model.onnx"
    assert find_graph(everything - {"onnx/model.onnx"}) == "model.onnx"
    assert find_graph({"onnx/model_quantized.onnx", "onnx/model_int8.onnx"}) == (
        "onnx/model_quantized.onnx"
    )


def test_towers_of_an_encoder_are_no_graph_of_a_reranker() -> None:
    assert find_graph({"onnx/vision_model.onnx", "onnx/text_model.onnx"}) is None


def test_every_graph_is_named_once() -> None:
    assert len(set(GRAPHS)) == len(GRAPHS)


def test_a_repository_without_a_graph_is_named() -> None:
    assert require_graph(["model.onnx"], repository="a/b", asked="") == "model.onnx"

    with pytest.raises(WeightsNotFoundError, match=r"'a/b' has no .* called like '\*q4\*'"):
        require_graph(["README.md"], repository="a/b", asked="*q4*")
