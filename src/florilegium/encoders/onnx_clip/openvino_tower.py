"""One tower in OpenVINO, on the processor. A batch is run in parts, one in each stream.

Knows nothing of what this processor does best, but does not run in other numbers than asked for.
"""

from __future__ import annotations

import sys
from collections import deque
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from florilegium.encoders.onnx_clip.feed import check_names, check_rows, feed, takes_one
from florilegium.encoders.onnx_clip.record import Graph
from florilegium.encoders.onnx_clip.tower import Engine, Inputs, Tower
from florilegium.errors import EncoderError
from florilegium.types import Precision

# Importing OpenVINO reports that to its maker and writes an id into the user's home, unless the
# package that does so cannot be imported; then OpenVINO takes an empty one of its own.
_TELEMETRY = "openvino_telemetry"
_was_there = _TELEMETRY in sys.modules
if not _was_there:
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # means: not to be found
try:
    import openvino
finally:
    if not _was_there:
        del sys.modules[_TELEMETRY]

# The weights of an int8 graph are dequantised by the graph itself; the rest is computed in fp32.
_HINTS: dict[Precision, openvino.Type] = {
    "fp32": openvino.Type.f32,
    "bf16": openvino.Type.bf16,
    "fp16": openvino.Type.f16,
    "int8": openvino.Type.f32,
}


def capabilities() -> frozenset[str]:
    """Return what OpenVINO says of the processor, such as FP32, BF16, INT8."""
    return frozenset(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def open_openvino_tower(folder: Path, graph: Graph, engine: Engine) -> Tower:
    """Return the tower, loaded. Raises EncoderError."""
    if engine.device != "cpu":
        raise EncoderError(
            f"OpenVINO is used on the processor only, not on {engine.device!r}.",
            hint="Set `encoder.engine` to `onnxruntime`, or `encoder.device` to `cpu`.",
        )
    hint = _HINTS[engine.precision]
    settings = {
        "INFERENCE_PRECISION_HINT": hint,
        "NUM_STREAMS": engine.streams,
        "INFERENCE_NUM_THREADS": engine.threads,
        # Every process would bind its threads to the same first cores.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        model = _core().read_model(str(folder / graph.path))
        compiled = _core().compile_model(model, "CPU", settings)
        used = compiled.get_property("INFERENCE_PRECISION_HINT")
    except RuntimeError as error:
        raise EncoderError(
            f"OpenVINO cannot load the graph {graph.path!r}: {_last_line(error)}",
            hint="Fetch or export the model again, or set `encoder.engine` to `onnxruntime`.",
        ) from error
    if used != hint:
        raise EncoderError(
            f"OpenVINO does not compute in {engine.precision} on this processor.",
            hint="Set `encoder.precision` to `auto`.",
        )
    return OpenVinoTower(compiled, graph, streams=engine.streams)


class OpenVinoTower:
    """A compiled graph and its idle requests. Several threads may use it at once."""

    def __init__(self, compiled: openvino.CompiledModel, graph: Graph, *, streams: int) -> None:
        # What OpenVINO folds away leaves its names to the input.
        inputs = {
            next((name for name in graph.inputs if name in port.names), port.any_name): port
            for port in compiled.inputs
        }
        outputs = {name: port for port in compiled.outputs for name in port.names}
        check_names(graph, inputs=inputs, outputs=outputs)
        self._types = {name: inputs[name].element_type.to_dtype() for name in graph.inputs}
        self._output = outputs[graph.output]
        first = compiled.inputs[0].partial_shape[0]
        self._takes_one = takes_one(graph, first.get_length() if first.is_static else None)
        self._graph = graph
        self._streams = streams
        self._compiled: openvino.CompiledModel | None = compiled
        # More requests than streams do no harm, they queue. So none has to wait for another
        # thread to give one back, with one of its own in hand.
        self._idle: deque[openvino.InferRequest] = deque()

    def run(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        arrays = feed(self._graph, inputs, self._types)
        count = len(arrays[self._graph.inputs[0]])
        parts = count if self._takes_one else min(self._streams, count)
        bounds = [count * part // parts for part in range(parts + 1)]
        requests = [self._take() for _ in range(parts)]
        try:
            for request, (start, end) in zip(requests, pairwise(bounds), strict=True):
                part = {name: array[start:end] for name, array in arrays.items()}
                request.start_async(part, share_inputs=True)
            for request in requests:
                request.wait()
            # Copied: the next run overwrites what a request holds.
            rows = np.concatenate([request.get_tensor(self._output).data for request in requests])
        except (RuntimeError, ValueError) as error:
            raise EncoderError(
                f"OpenVINO failed on the graph {self._graph.path!r}: {_last_line(error)}"
            ) from error
        # Not after an error: one may still be running.
        self._idle.extend(requests)
        return check_rows(self._graph, rows, count=count)

    def close(self) -> None:
        self._compiled = None
        self._idle.clear()

    def _take(self) -> openvino.InferRequest:
        compiled = self._compiled
        if compiled is None:
            raise EncoderError(f"The graph {self._graph.path!r} was closed.")
        try:
            return self._idle.pop()
        except IndexError:
            return compiled.create_infer_request()


@cache
def _core() -> openvino.Core:
    return openvino.Core()


def _last_line(error: Exception) -> str:
    # The lines before it say where in OpenVINO's source it happened.
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


_: type[Tower] = OpenVinoTower
