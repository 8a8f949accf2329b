"""Where MC-LLaVA runs and in which numbers, given what is there and what the settings ask for.

Pure: the caller says what PyTorch found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from florilegium.torch_device import Device, Found, choose_device

Numbers = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a model runs, in which numbers, and at how many crops of a picture it looks at most."""

    device: Device
    precision: Numbers
    most_crops: int


def choose_way(
    device: Literal["auto"] | Device, precision: Literal["auto"] | Numbers, found: Found
) -> Way:
    """Return how the settings want the model run; what they leave open is chosen here.

    Raises:
        ConfigError: They ask for a device that PyTorch does not find.
        MissingExtraError: They ask for one that PyTorch was not built for.
    """
    chosen = choose_device(device, found, setting="chat.device")
    # The weights are published in half precision, which processors are slow in.
    automatic: Numbers = "fp32" if chosen == "cpu" else "fp16"
    return Way(
        device=chosen,
        precision=automatic if precision == "auto" else precision,
        # A hundred is what the model card takes. Each crop costs the whole tower, seconds on a
        # processor; twelve cost about as much as it takes to read the prompt.
        most_crops=100 if chosen == "cuda" else 12,
    )
