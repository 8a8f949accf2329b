"""Measures which engine runs a model's tower fastest here, and opens that one.

A candidate whose row does not agree with the model's record is left out. Knows nothing of
pictures or tokens: the caller brings a probe, the input whose row is in the record.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip import engines
from florilegium.encoders.onnx_clip.candidates import (
    Machine,
    list_engines,
    pick_variant,
    stream_counts,
)
from florilegium.encoders.onnx_clip.chosen import (
    Chosen,
    LeftOut,
    Measured,
    TowerName,
    make_key,
    recall,
    remember,
)
from florilegium.encoders.onnx_clip.probe import cosine
from florilegium.encoders.onnx_clip.processor import processor_name, usable_threads
from florilegium.encoders.onnx_clip.record import Graph, ModelRecord, Variant
from florilegium.encoders.onnx_clip.tower import Engine, Inputs, Tower
from florilegium.errors import EncoderError, FlorilegiumError
from florilegium.types import Precision

logger = logging.getLogger(__name__)

Opener: TypeAlias = Callable[[Path, Graph, Engine], Tower]

_REVISION = 1  # of how it is measured; what an earlier one chose is measured again
_LEAST_COSINE = 0.999
_LEAST_COSINE_FP32 = 0.9999
_NEAR_TIE = 1.05  # a simpler engine stays unless another one is faster by this factor
_RUNS = 3
_ENOUGH_SECONDS = 0.25
_LEAST_SECONDS = 0.02  # what is fast is run more often
_TEXT_BATCHES = (1, 16)  # a query, and some chunks
_PICTURES = 8


def open_fastest(
    folder: Path,
    record: ModelRecord,
    *,
    tower: TowerName,
    config: EncoderConfig,
    cache_folder: Path,
    probe: Inputs,
    opener: Opener = engines.open_tower,
) -> tuple[Tower, Chosen]:
    """Return a tower in the engine that is fastest here, and how that was found.

    What was measured before on this machine is read from the cache folder.

    Args:
        folder: The model folder.
        record: What is known of it.
        tower: Which of the two towers.
        config: What the user asks for; it narrows the choice.
        cache_folder: Where the choice is remembered.
        probe: One row of input, whose output is in the record.
        opener: What opens a graph.

    Raises:
        ConfigError: What is asked for cannot be had from this model or on this machine.
        MissingExtraError: What is asked for is not installed.
        EncoderError: No engine runs the tower as its record says.
    """
    variant = pick_variant(record, config.precision)
    graph, row = _expected(record.variants[variant], tower)
    open_in = partial(opener, folder, graph)
    key = _key(record, graph, tower, config)
    known = recall(cache_folder, key)
    if known is not None:
        try:
            return open_in(known.engine), known
        except FlorilegiumError as error:
            logger.info("The engine of %r is chosen again: %s", record.id, error)
    exact = variant == "fp32"
    race = _Race(open_in, probe, row, exact=exact, batches=_batches(tower, config))
    chosen = _choose(record, race, tower=tower, variant=variant, config=config)
    if chosen.speeds:
        remember(cache_folder, key, chosen)
    return (open_in(chosen.engine) if race.leader is None else race.leader), chosen


def name_engine(engine: Engine) -> str:
    """Return how an engine is called in messages."""
    device = "" if engine.device == "cpu" else f" {engine.device}"
    streams = f", {engine.streams} streams" if engine.streams > 1 else ""
    return f"{engine.name}{device} {engine.precision}{streams}"


def describe(chosen: Chosen) -> str:
    """Return in one line what was chosen, and over what."""
    unit = "pictures/s" if chosen.tower == "vision" else "texts/s"
    name = name_engine(chosen.engine)
    speeds = {name_engine(each.engine): each.rows_per_second for each in chosen.speeds}
    others = [f"{other}: {_round(rate)}" for other, rate in speeds.items() if other != name]
    line = f"{name}: {_round(speeds[name])} {unit}" if name in speeds else f"{name}, not measured"
    if others:
        line += f" ({'; '.join(others)})"
    if chosen.left_out:
        reasons = "; ".join(f"{each.name}, {each.reason}" for each in chosen.left_out)
        line += f". Left out: {reasons}"
    return line


def check_tower(tower: Tower, record: ModelRecord, chosen: Chosen, probe: Inputs) -> None:
    """Compare what an opened tower gives with what the record says. Raises EncoderError."""
    _, row = _expected(record.variants[chosen.variant], chosen.tower)
    exact = chosen.variant == "fp32"
    try:
        _check_row(tower, chosen.engine, probe, np.asarray(row), exact=exact)
    except EncoderError as error:
        raise EncoderError(
            f"The {chosen.tower} tower of the model {record.id!r} fails its self-test in "
            f"{name_engine(chosen.engine)}: {error.message}.",
            hint="Fetch or export the model again, or set `encoder.engine` to another one.",
        ) from error


class _Race:
    """Candidates run one after another, of which one at a time is in memory.

    The last one stays open if it leads.
    """

    def __init__(
        self,
        open_in: Callable[[Engine], Tower],
        probe: Inputs,
        row: Sequence[float],
        *,
        exact: bool,
        batches: Sequence[int],
    ) -> None:
        self._open_in = open_in
        self._probe = probe
        self._row = np.asarray(row, dtype=np.float64)
        self._exact = exact
        self._batches = batches
        self.leader: Tower | None = None
        self.best: Measured | None = None
        self.speeds: list[Measured] = []
        self.left_out: list[LeftOut] = []

    def run(self, candidates: Iterable[Engine]) -> None:
        """Measure candidates, simpler ones first."""
        for engine in candidates:
            try:
                self._run_one(engine)
            except FlorilegiumError as error:
                self.left_out.append(LeftOut(name=name_engine(engine), reason=error.message))

    def _run_one(self, engine: Engine) -> None:
        self._close_leader()
        tower = self._open_in(engine)
        try:
            _check_row(tower, engine, self._probe, self._row, exact=self._exact)
            measured = Measured(engine=engine, rows_per_second=self._rate(tower))
        except FlorilegiumError:
            tower.close()
            raise
        self.speeds.append(measured)
        if self.best and measured.rows_per_second <= _NEAR_TIE * self.best.rows_per_second:
            tower.close()
            return
        self.leader, self.best = tower, measured

    def _close_leader(self) -> None:
        if self.leader:
            self.leader.close()
        self.leader = None

    def _rate(self, tower: Tower) -> float:
        seconds = [_seconds_per_row(tower, self._probe, rows) for rows in self._batches]
        return len(seconds) / sum(seconds)


def _check_row(
    tower: Tower,
    engine: Engine,
    probe: Inputs,
    row: npt.NDArray[np.float64],
    *,
    exact: bool,
) -> None:
    found = np.asarray(tower.run(probe)[0], dtype=np.float64)
    if found.shape != row.shape:
        raise EncoderError(f"its row has {len(found)} numbers, but {len(row)} are expected")
    similarity = cosine(found, row)
    least = _LEAST_COSINE_FP32 if exact and engine.precision == "fp32" else _LEAST_COSINE
    if not similarity >= least:
        raise EncoderError(
            f"its row and that of the model's record have a cosine of {similarity:.4f} only"
        )


def _choose(
    record: ModelRecord,
    race: _Race,
    *,
    tower: TowerName,
    variant: Precision,
    config: EncoderConfig,
) -> Chosen:
    machine = _look_around(config)
    candidates = list_engines(record, config=config, machine=machine)
    streams = _streams(tower, candidates, machine.threads)
    absent = _absent(machine, config)
    if len(candidates) == 1 and not streams:
        return Chosen(tower=tower, variant=variant, engine=candidates[0], left_out=absent)
    race.run(candidates)
    openvino = [each for each in race.speeds if each.engine.name == "openvino"]
    if openvino:
        # Streams help all precisions alike, so only the fastest is tried with more.
        fastest = max(openvino, key=lambda each: each.rows_per_second).engine
        race.run(replace(fastest, streams=count) for count in streams)
    left_out = (*absent, *race.left_out)
    if race.best is None:
        reasons = "; ".join(f"{each.name}, {each.reason}" for each in left_out)
        raise EncoderError(
            f"No engine runs the {tower} tower of the model {record.id!r} as its record says: "
            f"{reasons}.",
            hint="Fetch or export the model again.",
        )
    return Chosen(
        tower=tower,
        variant=variant,
        engine=race.best.engine,
        speeds=tuple(race.speeds),
        left_out=left_out,
    )


def _expected(variant: Variant, tower: TowerName) -> tuple[Graph, tuple[float, ...]]:
    if tower == "vision":
        return variant.vision, variant.image_row
    return variant.text, variant.text_row


def _look_around(config: EncoderConfig) -> Machine:
    return Machine(
        threads=usable_threads(config.threads),
        devices=engines.onnxruntime_devices(),
        # Importing it takes time, and memory.
        openvino=None if config.engine == "onnxruntime" else engines.openvino_capabilities(),
    )


def _absent(machine: Machine, config: EncoderConfig) -> tuple[LeftOut, ...]:
    if config.engine != "auto" or config.device not in {"auto", "cpu"}:
        return ()
    if machine.openvino is not None:
        return ()
    reason = "not installed; `pip install 'florilegium[openvino]'` brings it"
    return (LeftOut(name="openvino", reason=reason),)


def _streams(tower: TowerName, candidates: Sequence[Engine], threads: int) -> tuple[int, ...]:
    # A lone text, as a query is, would have one stream's share of the cores.
    if tower == "text" or all(engine.name != "openvino" for engine in candidates):
        return ()
    return stream_counts(threads)


def _batches(tower: TowerName, config: EncoderConfig) -> tuple[int, ...]:
    if tower == "text":
        return _TEXT_BATCHES
    return (min(config.batch_size, max(_PICTURES, usable_threads(config.threads))),)


def _key(record: ModelRecord, graph: Graph, tower: TowerName, config: EncoderConfig) -> str:
    paths = {graph.path, *graph.data}
    return make_key(
        {
            "revision": _REVISION,
            "tower": tower,
            "graph": sorted(file.sha256 for file in record.files if file.path in paths),
            "asked": [config.engine, config.device, config.precision],
            "batches": _batches(tower, config),
            "threads": usable_threads(config.threads),
            "processor": processor_name(),
            "devices": sorted(engines.onnxruntime_devices()),
            "versions": engines.versions(),
        }
    )


def _seconds_per_row(tower: Tower, probe: Inputs, rows: int) -> float:
    first = np.zeros(rows, dtype=np.intp)
    batch: Inputs = {name: array[first] for name, array in probe.items()}
    tower.run(batch)  # engines prepare for each size of batch
    runs: list[float] = []
    while sum(runs) < _ENOUGH_SECONDS and (len(runs) < _RUNS or sum(runs) < _LEAST_SECONDS):
        start = time.perf_counter()
        tower.run(batch)
        runs.append(time.perf_counter() - start)
    # Other work on the machine only makes it slower.
    return min(runs) / rows


def _round(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
