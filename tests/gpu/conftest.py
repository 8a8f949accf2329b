"""What tests on a graphics card share: that there is one, and what its memory holds."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.torch.conftest import clip, importable_torchvision, siglip

__all__ = ["clip", "importable_torchvision", "siglip"]

_BLOCK = 64 * 2**20  # bytes, more than PyTorch keeps in one piece for small tensors


@pytest.fixture(scope="session", autouse=True)
def card() -> str:
    """Return the name of the graphics card."""
    torch = pytest.importorskip("torch", reason="these tests need PyTorch: run `make test-torch`")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch finds no graphics card of the kind `cuda` here")
    name: str = torch.cuda.get_device_name()
    return name


@pytest.fixture
def held_bytes(card: str) -> Callable[[], int]:
    """Return what counts the bytes that tensors hold on the card."""
    import torch

    def count() -> int:
        gc.collect()
        torch.cuda.synchronize()
        # A library's room for matrix products, which it keeps as long as the process lives.
        torch._C._cuda_clearCublasWorkspaces()
        return int(torch.cuda.memory_allocated())

    return count


@pytest.fixture
def full_card(card: str) -> Callable[[], AbstractContextManager[None]]:
    """Return what leaves this process no memory on the card for as long as it is entered."""
    import torch

    @contextmanager
    def fill() -> Iterator[None]:
        gc.collect()
        torch._C._cuda_clearCublasWorkspaces()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(0.0)
        ballast, size = [], _BLOCK
        try:
            while size >= 512:  # the least that PyTorch gives out
                try:
                    ballast.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
                except torch.OutOfMemoryError:
                    size //= 2
            yield
        finally:
            ballast.clear()
            torch.cuda.set_per_process_memory_fraction(1.0)
            torch.cuda.empty_cache()

    return fill
