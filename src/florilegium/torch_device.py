"""On which device PyTorch runs a model, and which of its errors say that memory ran out.

Imports no PyTorch: whoever has one hands it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from florilegium.errors import ConfigError, MissingExtraError

Device = Literal["cpu", "cuda", "mps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The devices that PyTorch was built for, and those that it can use here.

    `bf16` says that the graphics card computes in bf16 by itself.
    """

    built: frozenset[Device]
    usable: frozenset[Device]
    bf16: bool = False


def find_devices(torch: Any) -> Found:
    """Return what PyTorch, the package itself, was built for and can use here."""
    built: set[Device] = {"cpu"}
    usable: set[Device] = {"cpu"}
    cuda = torch.cuda.is_available()
    if torch.backends.cuda.is_built():
        built.add("cuda")
    if cuda:
        usable.add("cuda")
    if torch.backends.mps.is_built():
        built.add("mps")
    if torch.backends.mps.is_available():
        usable.add("mps")
    # An older card computes bf16 in fp32, slower than fp32 itself.
    bf16 = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    return Found(built=frozenset(built), usable=frozenset(usable), bf16=bf16)


def choose_device(wanted: Literal["auto"] | Device, found: Found, *, setting: str) -> Device:
    """Return the device that is wanted, or the fastest there is.

    Args:
        wanted: The value of the setting.
        found: What there is.
        setting: The name of the setting, for messages.

    Raises:
        ConfigError: PyTorch does not find the device.
        MissingExtraError: PyTorch was not built for it.
    """
    if wanted == "auto":
        accelerators: tuple[Device, ...] = ("cuda", "mps")
        return next((device for device in accelerators if device in found.usable), "cpu")
    if wanted not in found.built:
        raise MissingExtraError(
            f"`{setting}` is {wanted!r}, but the installed PyTorch was built without it.",
            hint=f"Install the PyTorch that fits, or set `{setting}` to `auto`.",
        )
    if wanted not in found.usable:
        raise ConfigError(
            f"`{setting}` is {wanted!r}, but PyTorch finds no such device that it can use.",
            hint=f"Set `{setting}` to `auto`, or look at the driver of the card.",
        )
    return wanted


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a device or the machine had no memory left."""
    # PyTorch has a class for it, but raises a plain RuntimeError for processors.
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text
