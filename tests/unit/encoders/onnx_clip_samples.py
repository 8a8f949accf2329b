"""Graphs of a few nodes whose rows can be worked out by hand, and a record of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from florilegium.encoders.onnx_clip.record import FileRecord, Graph, ModelRecord, TextRules, Variant
from florilegium.encoders.onnx_clip.tower import Device, Engine, EngineName
from florilegium.preprocessing import Preprocessing
from florilegium.types import Precision

VISION = Graph(path="vision.onnx", inputs=("pixel_values",), output="image_embeds")
TEXT = Graph(path="text.onnx", inputs=("input_ids",), output="text_embeds")


def engine(
    name: EngineName = "onnxruntime",
    *,
    device: Device = "cpu",
    precision: Precision = "fp32",
    threads: int = 2,
    streams: int = 1,
) -> Engine:
    """Return an engine; by default the simplest one."""
    return Engine(name=name, device=device, precision=precision, threads=threads, streams=streams)


def pictures(*colours: tuple[float, float, float]) -> npt.NDArray[np.float32]:
    """Return pictures of 4 by 4 pixels, each of one colour."""
    rows = np.asarray(colours, dtype=np.float32)[:, :, None, None]
    return np.broadcast_to(rows, (len(colours), 3, 4, 4))


def write_vision(folder: Path, *, half: bool = False, path: str = VISION.path) -> None:
    """Write a graph whose row is the mean of each colour."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    mean = helper.make_node(
        "ReduceMean", ["pixel_values"], [VISION.output], keepdims=0, axes=[2, 3]
    )
    _save(
        folder / path,
        [mean],
        inputs=[helper.make_tensor_value_info("pixel_values", kind, ["n", 3, 4, 4])],
        outputs=[helper.make_tensor_value_info(VISION.output, kind, ["n", 3])],
    )


def write_text(folder: Path, *, path: str = TEXT.path) -> None:
    """Write a graph whose row is the sum of the tokens, once, twice and three times."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["numbers", "axes"], ["sums"], keepdims=1),
        helper.make_node("MatMul", ["sums", "factors"], [TEXT.output]),
    ]
    _save(
        folder / path,
        nodes,
        inputs=[helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "tokens"])],
        outputs=[helper.make_tensor_value_info(TEXT.output, TensorProto.FLOAT, ["n", 3])],
        weights={
            "axes": np.array([1], dtype=np.int64),
            "factors": np.array([[1, 2, 3]], dtype=np.float32),
        },
    )


def write_int8_vision(folder: Path, *, path: str = "vision_int8.onnx") -> None:
    """Write a graph of whole numbers: quantised, multiplied by the same, and back."""
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["means"], keepdims=0, axes=[2, 3]),
        helper.make_node("QuantizeLinear", ["means", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["weights", "scale", "zero"], ["w"]),
        helper.make_node("MatMul", ["d", "w"], [VISION.output]),
    ]
    _save(
        folder / path,
        nodes,
        inputs=[helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, 4, 4])],
        outputs=[helper.make_tensor_value_info(VISION.output, TensorProto.FLOAT, ["n", 3])],
        weights={
            "scale": np.array(1, dtype=np.float32),
            "zero": np.array(0, dtype=np.int8),
            "weights": np.eye(3, dtype=np.int8),
        },
    )


def make_record(*others: Precision, fp32: bool = True) -> ModelRecord:
    """Return the record of the graphs above, in fp32 and in other precisions."""
    variant = Variant(vision=VISION, text=TEXT, image_row=(1.0, 2.0, 3.0), text_row=(1.0, 2.0, 3.0))
    variants: dict[Precision, Variant] = {"fp32": variant} if fp32 else {}
    for precision in others:
        vision = replace(VISION, path=f"vision_{precision}.onnx")
        variants[precision] = replace(variant, vision=vision)
    return ModelRecord(
        id="tiny",
        family="clip",
        dim=3,
        preprocessing=object.__new__(Preprocessing),  # nothing here looks at it
        text=TextRules(max_tokens=77, pad_id=0, fixed_length=False),
        files=(
            FileRecord(path=VISION.path, sha256="a" * 64, size=1),
            FileRecord(path=TEXT.path, sha256="b" * 64, size=1),
        ),
        variants=variants,
    )


def _save(
    file: Path,
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Mapping[str, npt.NDArray[np.generic]] | None = None,
) -> None:
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), file)
