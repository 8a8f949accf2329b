"""In which numbers a model of transformers runs, and on which device. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from florilegium.config import ChatConfig
from florilegium.torch_device import Device, Found, choose_device


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a model runs, and in which numbers."""

    device: Device
    precision: Literal["fp32", "bf16", "fp16"]


def choose_way(config: ChatConfig, found: Found) -> Way:
    """Return how the settings want a model run; what they leave open is chosen here.

    Raises:
        ConfigError: They ask for a device that is not there.
        MissingExtraError: They ask for one that PyTorch was not built for.
    """
    device = choose_device(config.device, found, setting="chat.device")
    if config.precision != "auto":
        return Way(device=device, precision=config.precision)
    if device == "cpu":
        return Way(device=device, precision="fp32")
    # Half the memory. Models are trained in bf16, which holds larger numbers than fp16.
    return Way(device=device, precision="bf16" if device == "cuda" and found.bf16 else "fp16")
