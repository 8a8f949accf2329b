"""Which engines may run a model here, given what is installed and what the settings ask for.

Pure: the caller describes the machine, and nothing is opened or measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip.record import ModelRecord
from florilegium.encoders.onnx_clip.tower import Device, Engine, EngineName
from florilegium.errors import ConfigError, FlorilegiumError, MissingExtraError
from florilegium.types import Precision

AskedPrecision: TypeAlias = Precision | Literal["auto"]

_MANY_THREADS = 8  # from here on there is something between one stream and one per thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this machine offers.

    `devices` are those of the installed ONNX Runtime; `openvino` is what OpenVINO says that the
    processor can do, and None where it is not installed.
    """

    threads: int
    devices: frozenset[Device]
    openvino: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """An engine in one precision, and the variants of a model whose graphs it can run so."""

    name: EngineName
    device: Device
    precision: Precision
    variants: tuple[Precision, ...]


# Simpler ones come first. fp16 weights can be computed with in fp32, and fp32 weights rounded;
# CoreML always rounds them.
_WAYS: Sequence[_Way] = (
    _Way(name="onnxruntime", device="cpu", precision="fp32", variants=("fp32",)),
    _Way(name="onnxruntime", device="cpu", precision="fp16", variants=("fp16",)),
    _Way(name="onnxruntime", device="cpu", precision="int8", variants=("int8",)),
    _Way(name="openvino", device="cpu", precision="fp32", variants=("fp32", "fp16")),
    _Way(name="openvino", device="cpu", precision="int8", variants=("int8",)),
    _Way(name="openvino", device="cpu", precision="fp16", variants=("fp32", "fp16")),
    _Way(name="openvino", device="cpu", precision="bf16", variants=("fp32",)),
    _Way(name="onnxruntime", device="cuda", precision="fp32", variants=("fp32",)),
    _Way(name="onnxruntime", device="cuda", precision="fp16", variants=("fp16",)),
    _Way(name="onnxruntime", device="coreml", precision="fp16", variants=("fp32", "fp16")),
)
_HINTS: Mapping[Device, str] = {
    "cpu": "Run `pip install --force-reinstall onnxruntime`.",
    "cuda": "Run `pip uninstall onnxruntime`, then `pip install onnxruntime-gpu`.",
    "coreml": "CoreML is there on macOS only; set `encoder.device` to `auto`.",
}
_ROUNDED: Mapping[Precision, str] = {"bf16": "BF16", "fp16": "FP16"}


def pick_variant(record: ModelRecord, precision: AskedPrecision) -> Precision:
    """Return which graphs of a model the settings mean, whatever engine runs them.

    It depends on nothing else, since other graphs give other vectors. `fp16` takes rounded fp32
    weights where there is no graph of its own, as `bf16` always does. Raises ConfigError.
    """
    wanted: Mapping[AskedPrecision, Sequence[Precision]] = {
        "auto": ("fp32", "fp16"),
        "fp32": ("fp32",),
        "bf16": ("fp32",),
        "fp16": ("fp16", "fp32"),
        "int8": ("int8",),
    }
    for variant in wanted[precision]:
        if variant in record.variants:
            return variant
    missing = wanted[precision][0]
    raise ConfigError(
        f"The model {record.id!r} is here in {', '.join(sorted(record.variants))} only, but "
        f"`encoder.precision` is {precision!r}, which needs its graphs in {missing}.",
        hint=f"Make them with `florilegium models export --precision {missing}`, or set "
        f"`encoder.precision` to what is here.",
    )


def list_engines(
    record: ModelRecord, *, config: EncoderConfig, machine: Machine
) -> tuple[Engine, ...]:
    """Return what may run the model, simpler engines first, each with one stream.

    Raises:
        MissingExtraError: What is asked for is not installed.
        ConfigError: What is asked for cannot be had from this model or on this machine.
    """
    ways = _asked_ways(pick_variant(record, config.precision), config)
    obstacles = {way: _obstacle(way, machine) for way in ways}
    possible = [way for way, obstacle in obstacles.items() if obstacle is None]
    for obstacle in obstacles.values():
        if obstacle is not None and not possible:
            raise obstacle
    if not possible:
        raise ConfigError(
            f"No engine runs the model {record.id!r} with engine {config.engine!r}, device "
            f"{config.device!r} and precision {config.precision!r}.",
            hint="Set one of `encoder.engine`, `encoder.device` and `encoder.precision` to `auto`.",
        )
    return tuple(
        Engine(name=way.name, device=way.device, precision=way.precision, threads=machine.threads)
        for way in possible
    )


def stream_counts(threads: int) -> tuple[int, ...]:
    """Return the numbers of streams above one that are worth a try."""
    between = {math.isqrt(threads)} if threads >= _MANY_THREADS else set()
    return tuple(sorted((between | {threads}) - {1}))


def _asked_ways(variant: Precision, config: EncoderConfig) -> list[_Way]:
    # A graph of its own says how to compute; fp32 weights leave it open.
    narrow = variant == "fp32" and config.precision != "auto"
    return [
        way
        for way in _WAYS
        if variant in way.variants
        and config.engine in {"auto", way.name}
        and config.device in {"auto", way.device}
        and (way.precision == config.precision or not narrow)
    ]


def _obstacle(way: _Way, machine: Machine) -> FlorilegiumError | None:
    if way.name == "onnxruntime":
        if way.device in machine.devices:
            return None
        return MissingExtraError(
            f"The installed ONNX Runtime was not built for the device {way.device!r}.",
            hint=_HINTS[way.device],
        )
    if machine.openvino is None:
        return MissingExtraError(
            f"The engine 'openvino', which would compute in {way.precision}, is not installed.",
            hint="Run `pip install 'florilegium[openvino]'`.",
        )
    needed = _ROUNDED.get(way.precision)
    if needed is None or needed in machine.openvino:
        return None
    return ConfigError(
        f"This processor does not compute in {way.precision}.",
        hint="Set `encoder.precision` to `auto`.",
    )
