"""Where a chat model of transformers runs, in which numbers, and what is refused. Needs none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from florilegium.chat_models.transformers.device import Way, choose_way
from florilegium.config import ChatConfig
from florilegium.torch_device import Found

NOTHING = Found(built=frozenset({"cpu"}), usable=frozenset({"cpu"}))
OLD_CARD = Found(built=frozenset({"cpu", "cuda"}), usable=frozenset({"cpu", "cuda"}))
CARD = replace(OLD_CARD, bf16=True)
MAC = Found(built=frozenset({"cpu", "mps"}), usable=frozenset({"cpu", "mps"}))


@pytest.mark.parametrize(
    ("found", "device", "precision"),
    [
        (NOTHING, "cpu", "fp32"),
        (CARD, "cuda", "bf16"),
        (OLD_CARD, "cuda", "fp16"),
        (MAC, "mps", "fp16"),
    ],
)
def test_auto_takes_what_is_there_and_the_numbers_that_fit_it(
    found: Found, device: Literal["cpu", "cuda", "mps"], precision: Literal["fp32", "fp16"]
) -> None:
    assert choose_way(ChatConfig(), found) == Way(device=device, precision=precision)


def test_the_processor_is_taken_beside_a_card_when_it_is_asked_for() -> None:
    assert choose_way(ChatConfig(device="cpu"), CARD) == Way(device="cpu", precision="fp32")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("found", [NOTHING, OLD_CARD, MAC])
def test_a_precision_that_is_asked_for_is_taken(precision: Any, found: Found) -> None:
    assert choose_way(ChatConfig(precision=precision), found).precision == precision
