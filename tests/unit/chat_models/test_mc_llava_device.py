from __future__ import annotations

from typing import Literal

import pytest

from florilegium.chat_models.mc_llava.device import Numbers, Way, choose_way
from florilegium.torch_device import Device, Found

PROCESSOR = Found(built=frozenset({"cpu"}), usable=frozenset({"cpu"}))
ASLEEP = Found(built=frozenset({"cpu", "cuda"}), usable=frozenset({"cpu"}))
CARD = Found(built=frozenset({"cpu", "cuda"}), usable=frozenset({"cpu", "cuda"}))
APPLE = Found(built=frozenset({"cpu", "mps"}), usable=frozenset({"cpu", "mps"}))


@pytest.mark.parametrize(
    ("device", "precision", "found", "way"),
    [
        ("auto", "auto", PROCESSOR, Way(device="cpu", precision="fp32", most_crops=12)),
        ("auto", "auto", ASLEEP, Way(device="cpu", precision="fp32", most_crops=12)),
        ("auto", "auto", CARD, Way(device="cuda", precision="fp16", most_crops=100)),
        ("auto", "auto", APPLE, Way(device="mps", precision="fp16", most_crops=12)),
        ("cpu", "auto", CARD, Way(device="cpu", precision="fp32", most_crops=12)),
        ("cpu", "bf16", CARD, Way(device="cpu", precision="bf16", most_crops=12)),
        ("cuda", "bf16", CARD, Way(device="cuda", precision="bf16", most_crops=100)),
    ],
)
def test_what_is_left_open_is_chosen_by_what_is_there(
    device: Literal["auto"] | Device, precision: Literal["auto"] | Numbers, found: Found, way: Way
) -> None:
    assert choose_way(device, precision, found) == way
