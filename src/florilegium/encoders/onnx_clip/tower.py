"""One tower of a model, opened in an engine: arrays in, rows out. Types only, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from florilegium.types import Precision

Inputs: TypeAlias = Mapping[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]

EngineName = Literal["onnxruntime", "openvino"]
Device = Literal["cpu", "cuda", "coreml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How a tower runs: by which library, where, in which numbers, in how many streams.

    `precision` is what it computes with. int8 needs a graph of its own; bf16 is fp32 weights
    rounded by the engine; fp16 is a graph of its own, or fp32 weights rounded.
    Streams work on parts of a batch at the same time, with `threads` shared among them.
    """

    name: EngineName
    device: Device
    precision: Precision
    threads: int
    streams: int = 1


class Tower(Protocol):
    """An opened graph. Several threads may use it at once."""

    def run(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        """Return shape (n, dim), not normalised. Raises EncoderError."""

    def close(self) -> None:
        """Free the weights. A closed tower is not used again."""
