"""What the processor can do at most: its fastest matrix products, and what one picture needs.

Usage: python -m benchmarks.ceiling ENGINE ... serves products as tasks, see `turns`. An engine
that is not installed is left out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.turns import Clock, Rows, Task, serve

# Rows, and the widths of matrices one after the other, so that engines which compute in smaller
# numbers need to convert at the two ends only.
CHAINS: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "2048 × 2048": (2048, (2048, 2048, 2048, 2048, 2048)),
    "of ViT-B/32, 16 pictures": (16 * 50, (768, 3072, 768, 3072, 768)),
}
SECONDS = 0.4
_LEVELS = 256
_REACH = 4.0  # values beyond four standard deviations are cut off

Multiply = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionTower:
    """The sizes of a vision transformer; the default is ViT-B/32."""

    side: int = 224
    patch: int = 32
    width: int = 768
    layers: int = 12
    mlp: int = 3072
    dim: int = 512

    @property
    def operations(self) -> int:
        """Return the multiplications and additions of all matrix products for one picture."""
        patches = (self.side // self.patch) ** 2
        tokens = patches + 1
        embed = patches * 3 * self.patch**2 * self.width
        project = tokens * self.width * 4 * self.width  # queries, keys, values, output
        attend = 2 * tokens * tokens * self.width  # scores, and values by scores
        feed = 2 * tokens * self.width * self.mlp
        head = self.width * self.dim
        return 2 * (embed + self.layers * (project + attend + feed) + head)


def operations(chain: str) -> int:
    """Return the multiplications and additions of one chain of products."""
    rows, widths = CHAINS[chain]
    return sum(2 * rows * a * b for a, b in pairwise(widths))


def open_products(
    clock: Clock, engines: Sequence[str]
) -> tuple[dict[str, object], dict[str, Task]]:
    """Return a task for each engine and precision; the time of the fastest run is what counts."""
    tasks: dict[str, Task] = {}
    versions: dict[str, str] = {}
    for engine in engines:
        if all(find_spec(package) for package in (engine, *_ALSO.get(engine, ()))):
            versions[engine] = version(engine)
            for precision, make in _ENGINES[engine].items():
                tasks[f"{precision} {engine}"] = _task(clock, make)
    return {"versions": versions}, tasks


def _task(clock: Clock, make: Callable[[Rows, list[Rows]], Multiply]) -> Task:
    def measure(chains: Sequence[str]) -> None:
        for chain in chains:
            multiply = make(*_matrices(chain))
            multiply()
            clock.seconds[chain] = min(_runs(multiply))

    return measure


def _runs(multiply: Multiply) -> Iterator[float]:
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        started = time.perf_counter()
        multiply()
        yield time.perf_counter() - started


def _matrices(chain: str) -> tuple[Rows, list[Rows]]:
    rows, widths = CHAINS[chain]
    chance = np.random.default_rng(0)
    weights = [
        # Scaled so that values keep their size along the chain.
        (chance.standard_normal((a, b), dtype=np.float32) / np.sqrt(a)).astype(np.float32)
        for a, b in pairwise(widths)
    ]
    return chance.standard_normal((rows, widths[0]), dtype=np.float32), weights


def _numpy(start: Rows, weights: list[Rows]) -> Multiply:
    def multiply() -> Rows:
        rows = start
        for weight in weights:
            rows = rows @ weight
        return rows

    return multiply


def _torch(precision: str) -> Callable[[Rows, list[Rows]], Multiply]:
    def make(start: Rows, weights: list[Rows]) -> Multiply:
        torch = import_module("torch")
        kind = getattr(torch, precision)
        first, *others = (torch.from_numpy(rows).to(kind) for rows in (start, *weights))

        def multiply() -> object:
            rows = first
            with torch.inference_mode():
                for weight in others:
                    rows = rows @ weight
            return rows

        return multiply

    return make


def _openvino(precision: str, *, int8: bool = False) -> Callable[[Rows, list[Rows]], Multiply]:
    def make(start: Rows, weights: list[Rows]) -> Multiply:
        ov: Any = import_module("openvino")
        ops: Any = import_module("openvino.opset13")
        given = ops.parameter(start.shape, ov.Type.f32)
        node = given
        for weight in weights:
            if int8:
                ends = [np.float32(end) for end in (-_REACH, _REACH, -_REACH, _REACH)]
                node = ops.fake_quantize(node, *ends, _LEVELS)
                scale, numbers = _to_int8(weight)
                matrix = ops.convert(ops.constant(numbers), "f32")
                matrix = ops.multiply(matrix, ops.constant(scale))
            else:
                matrix = ops.constant(weight)
            node = ops.matmul(node, matrix, False, False)
        settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        compiled = ov.Core().compile_model(ov.Model([node], [given]), "CPU", settings)
        request = compiled.create_infer_request()
        return lambda: request.infer({0: start}, share_inputs=True, share_outputs=True)

    return make


def _onnxruntime(start: Rows, weights: list[Rows]) -> Multiply:
    onnx: Any = import_module("onnx")
    nodes, constants = [], []
    last = "rows"
    for number, weight in enumerate(weights):
        constants.append(onnx.numpy_helper.from_array(weight, f"w{number}"))
        nodes.append(onnx.helper.make_node("MatMul", [last, f"w{number}"], [f"y{number}"]))
        last = f"y{number}"
    return _session(start, nodes, constants, last)


def _onnxruntime_int8(start: Rows, weights: list[Rows]) -> Multiply:
    onnx: Any = import_module("onnx")
    node, from_array = onnx.helper.make_node, onnx.numpy_helper.from_array
    step = np.array(2 * _REACH / (_LEVELS - 1), dtype=np.float32)
    constants = [from_array(step, "step"), from_array(np.array(128, dtype=np.uint8), "zero")]
    nodes = [node("QuantizeLinear", ["rows", "step", "zero"], ["q"])]
    last = "q"
    for n, weight in enumerate(weights):
        scale, numbers = _to_int8(weight)
        constants += [
            from_array(numbers, f"w{n}"),
            from_array(scale, f"s{n}"),
            from_array(np.array(0, dtype=np.int8), f"z{n}"),
        ]
        inputs = [last, "step", "zero", f"w{n}", f"s{n}", f"z{n}", "step", "zero"]
        nodes.append(node("QLinearMatMul", inputs, [f"y{n}"]))
        last = f"y{n}"
    nodes.append(node("DequantizeLinear", [last, "step", "zero"], ["out"]))
    return _session(start, nodes, constants, "out")


def _session(start: Rows, nodes: list[Any], constants: list[Any], output: str) -> Multiply:
    onnx, ort = import_module("onnx"), import_module("onnxruntime")
    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "products",
        [onnx.helper.make_tensor_value_info("rows", floats, start.shape)],
        [onnx.helper.make_tensor_value_info(output, floats, None)],
        constants,
    )
    sets = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=sets, ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"rows": start})


def _to_int8(weight: Rows) -> tuple[Any, Any]:
    scale = np.array(np.abs(weight).max() / 127, dtype=np.float32)
    return scale, np.round(weight / scale).astype(np.int8)


_ALSO = {"onnxruntime": ("onnx",)}
_ENGINES: Mapping[str, Mapping[str, Callable[[Rows, list[Rows]], Multiply]]] = {
    "numpy": {"fp32": _numpy},
    "torch": {"fp32": _torch("float32"), "bf16": _torch("bfloat16")},
    "openvino": {
        "fp32": _openvino("f32"),
        "bf16": _openvino("bf16"),
        "int8": _openvino("f32", int8=True),
    },
    "onnxruntime": {"fp32": _onnxruntime, "int8": _onnxruntime_int8},
}


if __name__ == "__main__":
    serve(lambda clock: open_products(clock, sys.argv[1:]))
