"""Where a model runs and in which numbers, given what is there and what the settings ask for.

Pure: the caller says what PyTorch found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from florilegium.config import EncoderConfig
from florilegium.errors import ConfigError, MissingExtraError


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuda:
    """What PyTorch can do with graphics cards: `built` for them, finds one, which has bf16."""

    built: bool
    available: bool
    bf16: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a model runs, and in which numbers."""

    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16", "fp16"]


def choose_way(config: EncoderConfig, cuda: Cuda) -> Way:
    """Return how the settings want a model run; what they leave open is chosen here.

    Raises:
        ConfigError: They ask for what PyTorch does not do here.
        MissingExtraError: They ask for a graphics card, and PyTorch was built without.
    """
    if config.engine != "auto":
        raise ConfigError(
            f"`encoder.engine` is {config.engine!r}, but 'open_clip' models are run by PyTorch.",
            hint="Set `encoder.engine` to `auto`, or export the model with `florilegium models "
            "export` and use it as `onnx_clip`, which runs in that engine.",
        )
    if config.precision == "int8":
        raise ConfigError(
            "`encoder.precision` is 'int8', which 'open_clip' models cannot be run in.",
            hint="Export the model with `florilegium models export --precision int8` and use it "
            "as `onnx_clip`, or set `encoder.precision` to `auto`.",
        )
    device = _device(config, cuda)
    if config.precision != "auto":
        return Way(device=device, precision=config.precision)
    if device == "cpu":
        return Way(device=device, precision="fp32")
    return Way(device=device, precision="bf16" if cuda.bf16 else "fp16")


def _device(config: EncoderConfig, cuda: Cuda) -> Literal["cpu", "cuda"]:
    if config.device == "coreml":
        raise ConfigError(
            "`encoder.device` is 'coreml', which 'open_clip' models do not run on.",
            hint="Export the model with `florilegium models export` and use it as `onnx_clip`, or "
            "set `encoder.device` to `auto`.",
        )
    if config.device == "auto":
        return "cuda" if cuda.available else "cpu"
    if config.device == "cuda" and not cuda.built:
        raise MissingExtraError(
            "`encoder.device` is 'cuda', but the installed PyTorch was built for processors only.",
            hint="Install the PyTorch that fits your graphics card, or set `encoder.device` to "
            "`auto`.",
        )
    if config.device == "cuda" and not cuda.available:
        raise ConfigError(
            "`encoder.device` is 'cuda', but PyTorch finds no graphics card that it can use.",
            hint="Look whether `nvidia-smi` shows one, or set `encoder.device` to `auto`.",
        )
    return config.device
