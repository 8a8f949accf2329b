"""The graph of a cross-encoder in ONNX Runtime: batches of pairs in, one score for each out."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors

from florilegium.errors import RerankError
from florilegium.rerankers.cross_encoder.pairs import Batch
from florilegium.types import Scores

_HINT = "Fetch the model again, or choose another one."
_DYNAMIC = b"DynamicQuantize"  # begins the names of the operators that choose scales per batch
_TYPES = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}
_PAIR = 2  # logits of a classifier that tells "no" from "yes"
_ERRORS = (
    onnxruntime_errors.EPFail,
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


class PairGraph:
    """A graph that was loaded. Several threads may use it at once.

    `is_batched` is False for a graph that quantizes what it computes with a scale per batch: a
    score would depend on what else is in it, so it takes one pair at a time.
    """

    def __init__(self, file: Path, *, threads: int) -> None:
        """Load a graph. Raises RerankError."""
        self._name = file.name
        try:
            self.is_batched = not _contains(file, _DYNAMIC)
            self._session = onnxruntime.InferenceSession(
                str(file), _options(threads), providers=["CPUExecutionProvider"]
            )
        except (*_ERRORS, OSError) as error:
            raise RerankError(
                f"The graph {str(file)!r} of the cross-encoder cannot be loaded: {error}.",
                hint=_HINT,
            ) from error
        self._inputs = {each.name: each.type for each in self._session.get_inputs()}
        self._check_inputs()
        names = [each.name for each in self._session.get_outputs()]
        self._output = "logits" if "logits" in names else names[0]

    def score(self, batch: Batch) -> Scores:
        """Return shape (n,). Raises RerankError."""
        arrays = {
            "input_ids": batch.ids,
            "attention_mask": batch.mask,
            "token_type_ids": batch.types,
        }
        feed = {name: arrays[name].astype(_TYPES[kind]) for name, kind in self._inputs.items()}
        try:
            (logits,) = self._session.run([self._output], feed)
        except _ERRORS as error:
            raise RerankError(
                f"The graph {self._name!r} failed on {batch.ids.shape} tokens: {error}."
            ) from error
        return self._read(np.asarray(logits), len(batch.ids))

    def _read(self, logits: npt.NDArray[np.floating], count: int) -> Scores:
        if logits.shape == (count, _PAIR):
            logits = logits[:, 1] - logits[:, 0]
        elif logits.shape not in {(count,), (count, 1)}:
            raise RerankError(
                f"The output {self._output!r} of the graph {self._name!r} has the shape "
                f"{logits.shape} for {count} pairs, but one score, or two, for each is expected.",
                hint="Choose a cross-encoder that was made for ranking.",
            )
        scores = logits.reshape(count).astype(np.float32)
        if not np.isfinite(scores).all():
            raise RerankError(f"The graph {self._name!r} gave a score that is no number.")
        return scores

    def _check_inputs(self) -> None:
        known = {"input_ids", "attention_mask", "token_type_ids"}
        for name, kind in self._inputs.items():
            if name not in known or kind not in _TYPES:
                raise RerankError(
                    f"The graph {self._name!r} has an input {name!r} of {kind}, but only "
                    f"{', '.join(sorted(known))} of whole numbers are known.",
                    hint=_HINT,
                )
        if not {"input_ids", "attention_mask"} <= self._inputs.keys():
            raise RerankError(
                f"The graph {self._name!r} takes {', '.join(sorted(self._inputs))}, but input_ids "
                "and attention_mask are expected.",
                hint=_HINT,
            )


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    return options


def _contains(file: Path, word: bytes) -> bool:
    if file.stat().st_size == 0:
        return False
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(word) >= 0
