"""Products of weights become int8 with scales that are found once, so rows stay by themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from florilegium.errors import EncoderError
from florilegium.exporting.quantize import products_of_weights, quantize_graph

Rows = npt.NDArray[np.float32]
DIM = 32


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Return a graph with a product of weights, one of two inputs, and one of weights again."""
    rng = np.random.default_rng(0)
    weights = {
        name: (rng.standard_normal((DIM, DIM)) / np.sqrt(DIM)).astype(np.float32)
        for name in ("first", "second")
    }
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["a"], name="by_weights"),
        helper.make_node("Transpose", ["a"], ["b"], perm=[1, 0], name="turn"),
        helper.make_node("MatMul", ["a", "b"], ["c"], name="by_itself"),
        helper.make_node("MatMul", ["c", "a"], ["d"], name="back"),
        helper.make_node("MatMul", ["a", "second"], ["row"], name="by_more_weights"),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", DIM])],
            [
                helper.make_tensor_value_info("row", TensorProto.FLOAT, ["n", DIM]),
                helper.make_tensor_value_info("d", TensorProto.FLOAT, ["n", DIM]),
            ],
            [numpy_helper.from_array(array, name) for name, array in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def samples(count: int = 4) -> list[dict[str, Rows]]:
    rng = np.random.default_rng(1)
    return [{"x": rng.standard_normal((8, DIM)).astype(np.float32)} for _ in range(count)]


def run(file: Path, rows: Rows) -> Rows:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found: Rows = session.run(["row"], {"x": rows})[0]
    return found


def test_only_products_of_weights_are_chosen(graph: Path) -> None:
    assert products_of_weights(onnx.load(graph)) == ["by_weights", "by_more_weights"]


def test_rows_stay_near_and_weights_become_int8(graph: Path, tmp_path: Path) -> None:
    target = tmp_path / "model_qdq.onnx"

    quantize_graph(graph, target, samples())

    given = samples(5)[-1]["x"]
    exact, found = run(graph, given), run(target, given)
    cosines = np.sum(exact * found, axis=1) / (
        np.linalg.norm(exact, axis=1) * np.linalg.norm(found, axis=1)
    )
    kinds = {each.data_type for each in onnx.load(target).graph.initializer if len(each.dims) == 2}
    assert cosines.min() > 0.999
    assert not np.array_equal(exact, found)
    assert kinds == {TensorProto.INT8}


def test_a_row_does_not_depend_on_what_else_is_in_the_batch(graph: Path, tmp_path: Path) -> None:
    target = tmp_path / "model_qdq.onnx"
    quantize_graph(graph, target, samples())
    row = samples()[0]["x"][:1]
    loud = np.concatenate([row, 100 * samples()[1]["x"]])

    np.testing.assert_allclose(run(target, loud)[0], run(target, row)[0], atol=1e-6)


def test_without_samples_there_are_no_scales(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="needs samples"):
        quantize_graph(graph, tmp_path / "model_qdq.onnx", [])


def test_a_graph_without_weights_is_refused(graph: Path, tmp_path: Path) -> None:
    model = onnx.load(graph)
    del model.graph.node[0], model.graph.node[3]
    (model.graph.input[0].name, _) = ("a", None)
    model.graph.node.append(helper.make_node("Identity", ["a"], ["row"], name="same"))
    del model.graph.initializer[:]
    onnx.save(model, graph)

    with pytest.raises(EncoderError, match="no product of weights"):
        quantize_graph(graph, tmp_path / "model_qdq.onnx", [{"a": samples()[0]["x"]}])


def test_the_root_logger_is_left_as_it_was(graph: Path, tmp_path: Path) -> None:
    import logging

    before = logging.getLogger().level

    quantize_graph(graph, tmp_path / "model_qdq.onnx", samples())

    assert logging.getLogger().level == before
