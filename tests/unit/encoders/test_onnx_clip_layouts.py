"""Graphs are found by their names, and so are the files that hold their weights."""

from __future__ import annotations

import pytest

from florilegium.encoders.onnx_clip.layouts import find_pair, weights_beside
from florilegium.types import Precision


@pytest.mark.parametrize(
    ("precision", "pair"),
    [
        ("fp32", ("onnx/vision_model.onnx", "onnx/text_model.onnx")),
        ("fp16", ("onnx/vision_model_fp16.onnx", "onnx/text_model_fp16.onnx")),
        ("int8", ("onnx/vision_model_qdq.onnx", "onnx/text_model_qdq.onnx")),
        ("fp32", ("vision_model.onnx", "text_model.onnx")),
        ("fp32", ("visual/model.onnx", "textual/model.onnx")),
    ],
)
def test_a_pair_is_found_by_its_precision(precision: Precision, pair: tuple[str, str]) -> None:
    assert find_pair(["README.md", *pair], precision) == pair


def test_a_graph_alone_is_no_pair() -> None:
    assert find_pair(["onnx/vision_model.onnx", "text_model.onnx"], "fp32") is None


def test_graphs_whose_scales_depend_on_the_batch_are_no_int8() -> None:
    paths = ["onnx/vision_model_int8.onnx", "onnx/text_model_int8.onnx"]

    assert find_pair(paths, "int8") is None


def test_bf16_has_no_graphs_of_its_own() -> None:
    assert find_pair(["onnx/vision_model.onnx", "onnx/text_model.onnx"], "bf16") is None


def test_weights_beside_a_graph_are_found_and_nothing_else() -> None:
    paths = ["a.onnx", "a.onnx_data", "a.onnx_data_1", "a.onnx.data", "a.onnx.md", "b.onnx_data"]

    assert weights_beside("a.onnx", paths) == ("a.onnx.data", "a.onnx_data", "a.onnx_data_1")
