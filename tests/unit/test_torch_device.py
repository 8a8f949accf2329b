"""Which device is taken, and what is said about one that is not there. Needs no PyTorch."""

from __future__ import annotations

from typing import Literal

import pytest

from florilegium.errors import ConfigError, FlorilegiumError, MissingExtraError
from florilegium.torch_device import Device, Found, choose_device, is_out_of_memory

PROCESSOR = Found(built=frozenset({"cpu"}), usable=frozenset({"cpu"}))
ASLEEP = Found(built=frozenset({"cpu", "cuda"}), usable=frozenset({"cpu"}))
CARD = Found(built=frozenset({"cpu", "cuda"}), usable=frozenset({"cpu", "cuda"}))
APPLE = Found(built=frozenset({"cpu", "mps"}), usable=frozenset({"cpu", "mps"}))


@pytest.mark.parametrize(
    ("wanted", "found", "device"),
    [
        ("auto", PROCESSOR, "cpu"),
        ("auto", ASLEEP, "cpu"),
        ("auto", CARD, "cuda"),
        ("auto", APPLE, "mps"),
        ("cpu", CARD, "cpu"),
        ("cuda", CARD, "cuda"),
        ("mps", APPLE, "mps"),
    ],
)
def test_the_device_that_is_wanted_or_else_the_fastest_is_taken(
    wanted: Literal["auto"] | Device, found: Found, device: Device
) -> None:
    assert choose_device(wanted, found, setting="chat.device") == device


@pytest.mark.parametrize(
    ("wanted", "found", "error", "match"),
    [
        ("cuda", PROCESSOR, MissingExtraError, "`chat.device` is 'cuda'.*was built without it"),
        ("cuda", ASLEEP, ConfigError, "`chat.device` is 'cuda'.*finds no such device"),
        ("mps", CARD, MissingExtraError, "`chat.device` is 'mps'.*was built without it"),
    ],
)
def test_a_device_that_is_not_there_is_an_error(
    wanted: Device, found: Found, error: type[FlorilegiumError], match: str
) -> None:
    with pytest.raises(error, match=match) as caught:
        choose_device(wanted, found, setting="chat.device")

    assert "`auto`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB."), True),
        (RuntimeError("MPS backend out of memory (in use: 8 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (OSError("No such file"), False),
    ],
)
def test_an_error_for_lack_of_memory_is_told_from_others(
    error: BaseException, is_memory: bool
) -> None:
    assert is_out_of_memory(error) is is_memory
