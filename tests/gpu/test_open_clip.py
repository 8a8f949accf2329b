"""Tiny models of OpenCLIP give the rows on a graphics card that they give on the processor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest

from florilegium.errors import EncoderError
from florilegium.types import Embeddings
from tests.torch.test_open_clip_encoder import TEXTS, open_tiny, photos
from tests.torch.tiny_open_clip import COLOURS, TinyModel, picture

pytestmark = pytest.mark.gpu

# The least cosine with fp32 on the processor.
AGREEMENT = {"fp32": 0.9999, "bf16": 0.99, "fp16": 0.999}


@pytest.fixture(params=["clip", "siglip"])
def model(request: pytest.FixtureRequest) -> TinyModel:
    found: TinyModel = request.getfixturevalue(request.param)
    return found


def rows_of(
    model: TinyModel, *, device: str, precision: str, batch_size: int = 16
) -> tuple[Embeddings, Embeddings]:
    """Return the rows of pictures and of texts."""
    encoder = open_tiny(model, device=device, precision=precision, batch_size=batch_size)
    pictures = [*photos(), *map(picture, COLOURS)]
    rows = encoder.encode_images(pictures), encoder.encode_texts(TEXTS, purpose="document")
    encoder.close()
    return rows


@pytest.mark.parametrize("precision", list(AGREEMENT))
def test_rows_are_those_of_the_processor(model: TinyModel, precision: str) -> None:
    exact = rows_of(model, device="cpu", precision="fp32")

    for ours, theirs in zip(rows_of(model, device="cuda", precision=precision), exact, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1.0, atol=1e-5)
        assert (ours * theirs).sum(axis=1).min() >= AGREEMENT[precision]


@pytest.mark.parametrize("precision", list(AGREEMENT))
def test_rows_do_not_depend_on_the_batch(model: TinyModel, precision: str) -> None:
    alone = rows_of(model, device="cuda", precision=precision, batch_size=1)

    for size in (3, 64):
        together = rows_of(model, device="cuda", precision=precision, batch_size=size)
        for ours, theirs in zip(together, alone, strict=True):
            # Twice rounded, on both sides.
            least = 0.99999 if precision == "fp32" else AGREEMENT[precision]
            assert (ours * theirs).sum(axis=1).min() >= least


def test_the_card_and_its_precision_are_taken_by_themselves(model: TinyModel, card: str) -> None:
    import torch

    native = torch.cuda.is_bf16_supported(including_emulation=False)

    encoder = open_tiny(model, device="auto")
    encoder.encode_images([picture("red")])
    weights = list(encoder._load_towers()._model.parameters())
    encoder.close()

    assert {each.device.type for each in weights} == {"cuda"}
    # OpenCLIP leaves positions and norms of some towers in fp32.
    assert (torch.bfloat16 if native else torch.float16) in {each.dtype for each in weights}
    assert encoder.describe_engines().endswith(f", {card}, {'bf16' if native else 'fp16'}")


@pytest.mark.parametrize("precision", list(AGREEMENT))
def test_close_gives_the_memory_back(
    model: TinyModel, precision: str, held_bytes: Callable[[], int]
) -> None:
    import torch

    before = held_bytes()
    encoder = open_tiny(model, device="cuda", precision=precision)

    for _ in range(2):
        encoder.encode_images(photos())
        encoder.encode_texts(TEXTS, purpose="query")
        assert torch.cuda.memory_allocated() > before
        encoder.close()
        assert held_bytes() == before


def test_two_threads_get_the_rows_of_one(model: TinyModel) -> None:
    encoder = open_tiny(model, device="cuda", precision="fp32")
    alone = encoder.encode_images(photos())
    found: list[Embeddings] = []

    def encode() -> None:
        found.extend(encoder.encode_images(photos()) for _ in range(20))

    threads = [threading.Thread(target=encode) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    encoder.close()

    assert len(found) == 40
    for rows in found:
        np.testing.assert_allclose(rows, alone, atol=1e-5)


def test_a_full_card_is_told_and_the_encoder_goes_on(
    model: TinyModel, full_card: Callable[[], AbstractContextManager[None]]
) -> None:
    encoder = open_tiny(model, device="cuda", precision="fp32")

    with full_card(), pytest.raises(EncoderError, match="does not fit into memory") as caught:
        encoder.encode_images(photos())
    assert "`encoder.precision`" in (caught.value.hint or "")

    rows = encoder.encode_images(photos())
    with full_card(), pytest.raises(EncoderError, match=r"out of memory") as caught:
        encoder.encode_images(photos())
    assert "`encoder.batch_size`" in (caught.value.hint or "")
    np.testing.assert_allclose(encoder.encode_images(photos()), rows, atol=1e-5)
    encoder.close()
