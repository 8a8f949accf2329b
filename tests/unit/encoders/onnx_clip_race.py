"""Towers that take a known time per row, and what chooses among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip.choice import name_engine, open_fastest
from florilegium.encoders.onnx_clip.chosen import Chosen, TowerName
from florilegium.encoders.onnx_clip.record import Graph
from florilegium.encoders.onnx_clip.tower import Engine, Inputs, Tower
from florilegium.errors import EncoderError
from tests.unit.encoders.onnx_clip_samples import make_record, pictures

PICTURE: Inputs = {"pixel_values": pictures((1, 2, 3))}
TOKENS: Inputs = {"input_ids": np.array([[1, 0]])}
ROW = (1.0, 2.0, 3.0)


class Clock:
    """A clock that moves only when a tower works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Workshop:
    """Opens towers that take a known time per row, and keeps book of them."""

    def __init__(
        self,
        clock: Clock,
        rates: Mapping[str, float],
        rows: Mapping[str, tuple[float, ...]] | None = None,
    ) -> None:
        self.clock = clock
        self.rates = rates
        self.rows = rows or {}
        self.opened: list[str] = []
        self.open_now: list[str] = []
        self.batches: set[int] = set()
        self.most_open = 0

    def open(self, folder: Path, graph: Graph, engine: Engine) -> Tower:
        name = name_engine(engine)
        self.opened.append(name)
        if name not in self.rates:
            raise EncoderError(f"{name} is broken.")
        self.open_now.append(name)
        self.most_open = max(self.most_open, len(self.open_now))
        return PacedTower(self, name)


class PacedTower:
    def __init__(self, workshop: Workshop, name: str) -> None:
        self._workshop = workshop
        self.name = name

    def run(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        count = len(next(iter(inputs.values())))
        self._workshop.batches.add(count)
        self._workshop.clock.now += count / self._workshop.rates[self.name]
        row = self._workshop.rows.get(self.name, ROW)
        return np.tile(np.array(row, dtype=np.float32), (count, 1))

    def close(self) -> None:
        self._workshop.open_now.remove(self.name)


def choose(
    workshop: Workshop, folder: Path, *, tower: TowerName = "vision", **asked: Any
) -> tuple[Tower, Chosen]:
    return open_fastest(
        folder / "model",
        make_record("int8"),
        tower=tower,
        config=EncoderConfig(threads=2, **asked),
        cache_folder=folder / "cache",
        probe=PICTURE if tower == "vision" else TOKENS,
        opener=workshop.open,
    )
