"""One tower in ONNX Runtime: on the processor, on CUDA, or on CoreML. Never on another one.

Streams are left at one: each would be a session with its own copy of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors

from florilegium.encoders.onnx_clip.feed import check_names, check_rows, feed, takes_one
from florilegium.encoders.onnx_clip.record import Graph
from florilegium.encoders.onnx_clip.tower import Device, Engine, Inputs, Tower
from florilegium.errors import EncoderError

VERSION: str = onnxruntime.__version__

_PROVIDERS: Mapping[Device, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}

_OPTIONS: Mapping[Device, Mapping[str, str]] = {
    "cpu": {},
    # The default searches anew for each size of batch.
    "cuda": {"cudnn_conv_algo_search": "HEURISTIC"},
    "coreml": {"ModelFormat": "MLProgram"},
}

_HINTS: Mapping[Device, str] = {
    "cpu": "Reinstall `onnxruntime`.",
    "cuda": "Install `onnxruntime-gpu` in place of `onnxruntime`, with the CUDA that it names.",
    "coreml": "Install `onnxruntime` on macOS, or set `encoder.device` to `cpu`.",
}

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}

_ERRORS = (
    onnxruntime_errors.EPFail,
    onnxruntime_errors.EngineError,
    onnxruntime_errors.Fail,
    onnxruntime_errors.InvalidArgument,
    onnxruntime_errors.InvalidGraph,
    onnxruntime_errors.InvalidProtobuf,
    onnxruntime_errors.NoModel,
    onnxruntime_errors.NoSuchFile,
    onnxruntime_errors.NotImplemented,
    onnxruntime_errors.RuntimeException,
    RuntimeError,
    ValueError,
)


def devices() -> frozenset[Device]:
    """Return what the installed package was built for, be it there or not."""
    built = onnxruntime.get_available_providers()
    return frozenset(device for device, provider in _PROVIDERS.items() if provider in built)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphShape:
    """What goes in and out of a graph, by name; a dimension that is open is None."""

    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: Mapping[str, tuple[int | None, ...]]


def describe_graph(file: Path) -> GraphShape:
    """Return the inputs and outputs of a graph. Raises EncoderError."""
    options = _session_options(1)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
    except _ERRORS as error:
        raise _unloadable(file.name, error) from error
    return GraphShape(
        inputs={each.name: _size(each.shape) for each in session.get_inputs()},
        outputs={each.name: _size(each.shape) for each in session.get_outputs()},
    )


def open_onnxruntime_tower(folder: Path, graph: Graph, engine: Engine) -> Tower:
    """Return the tower, loaded. Raises EncoderError."""
    provider = _PROVIDERS[engine.device]
    if engine.device not in devices():
        raise _without(engine.device, "was not built for it")
    try:
        session = onnxruntime.InferenceSession(
            str(folder / graph.path),
            _session_options(engine.threads),
            providers=[(provider, dict(_OPTIONS[engine.device]))],
            # By default, what fails is run again on the processor, with a print.
            enable_fallback=0,
        )
    except _ERRORS as error:
        raise _unloadable(graph.path, error) from error
    if provider not in session.get_providers():
        raise _without(engine.device, "could not start it")
    return OnnxRuntimeTower(session, graph)


class OnnxRuntimeTower:
    """A session and what is known of its graph. Several threads may use it at once."""

    def __init__(self, session: onnxruntime.InferenceSession, graph: Graph) -> None:
        found = {each.name: each.type for each in session.get_inputs()}
        check_names(graph, inputs=found, outputs=[each.name for each in session.get_outputs()])
        first = session.get_inputs()[0].shape[0]
        self._takes_one = takes_one(graph, first if isinstance(first, int) else None)
        self._types = {name: _numpy_type(graph, name, found[name]) for name in graph.inputs}
        self._graph = graph
        self._session: onnxruntime.InferenceSession | None = session

    def run(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        arrays = feed(self._graph, inputs, self._types)
        count = len(arrays[self._graph.inputs[0]])
        session = self._session
        if session is None:
            raise EncoderError(f"The graph {self._graph.path!r} was closed.")
        step = 1 if self._takes_one else count
        try:
            parts = [
                session.run([self._graph.output], _part(arrays, start, start + step))[0]
                for start in range(0, count, step)
            ]
            rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        except _ERRORS as error:
            raise EncoderError(
                f"ONNX Runtime failed on the graph {self._graph.path!r}: {error}"
            ) from error
        return check_rows(self._graph, rows, count=count)

    def close(self) -> None:
        self._session = None


def _size(shape: Sequence[object]) -> tuple[int | None, ...]:
    return tuple(each if isinstance(each, int) else None for each in shape)


def _unloadable(path: str, error: Exception) -> EncoderError:
    return EncoderError(
        f"ONNX Runtime cannot load the graph {path!r}: {error}",
        hint="Fetch or export the model again.",
    )


def _part(
    arrays: Mapping[str, npt.NDArray[np.generic]], start: int, end: int
) -> dict[str, npt.NDArray[np.generic]]:
    return {name: array[start:end] for name, array in arrays.items()}


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _numpy_type(graph: Graph, name: str, found: str) -> npt.DTypeLike:
    if found not in _TYPES:
        raise EncoderError(
            f"The input {name!r} of the graph {graph.path!r} is a {found}, "
            f"but one of {', '.join(_TYPES)} is expected."
        )
    return _TYPES[found]


def _without(device: Device, what: str) -> EncoderError:
    return EncoderError(
        f"The device {device!r} is asked for, but ONNX Runtime {VERSION} {what}.",
        hint=_HINTS[device],
    )


_: type[Tower] = OnnxRuntimeTower
