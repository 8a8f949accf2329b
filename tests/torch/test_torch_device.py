"""What PyTorch finds on this machine."""

from __future__ import annotations

import pytest

from florilegium.torch_device import find_devices

pytestmark = pytest.mark.torch


def test_a_processor_is_always_there_and_what_is_usable_was_built_for() -> None:
    import torch

    found = find_devices(torch)

    assert "cpu" in found.usable
    assert found.usable <= found.built
    assert not found.bf16 or "cuda" in found.usable
