"""A tiny MC-LLaVA on a graphics card: what it says there, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from florilegium.chat_models.mc_llava.device import Way
from florilegium.errors import ChatError
from florilegium.torch_device import Device
from florilegium.types import ChatOptions, ImagePart, TextPart
from tests.torch.test_mc_llava_chat_model import ask, open_tiny, says
from tests.torch.tiny_mc_llava import make_mc_llava, picture, pin_of

pytestmark = pytest.mark.gpu

SHORT = ChatOptions(max_tokens=24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mc_llava(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(autouse=True)
def pinned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tiny model pass for the published one."""
    monkeypatch.setattr("florilegium.chat_models.mc_llava.chat_model.PUBLISHED", pin_of(folder))


QUESTION = ask(ImagePart(image=picture(300, 170)), TextPart(text="Which flower is this?"))


def test_the_card_is_taken_by_itself(folder: Path, card: str) -> None:
    model = open_tiny(folder, device="auto")

    assert says(model, QUESTION, SHORT)
    assert model.describe().endswith(f"{card}, fp16, at most 100 crops of a picture")
    model.close()


def test_full_precision_says_what_the_processor_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same_crops(device: Device, *_: object) -> Way:
        return Way(device=device, precision="fp32", most_crops=12)

    # Otherwise it looks at more of a picture on a card.
    monkeypatch.setattr("florilegium.chat_models.mc_llava.chat_model.choose_way", same_crops)
    said = {}
    for device in ("cpu", "cuda"):
        model = open_tiny(folder, device=device)
        said[device] = says(model, QUESTION, SHORT)
        model.close()

    assert said["cuda"] == said["cpu"]
    assert len(set(said["cuda"])) > 2


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_close_gives_the_memory_back_and_replies_keep_none(
    folder: Path, precision: str, held_bytes: Callable[[], int]
) -> None:
    before = held_bytes()
    model = open_tiny(folder, device="cuda", precision=precision)

    after = []
    for _ in range(3):
        deltas = list(model.stream(QUESTION, options=SHORT))
        assert deltas[-1].finish_reason in {"stop", "length"}
        after.append(held_bytes())
    model.close()

    assert after[0] > before
    assert after[1:] == after[:1] * 2
    assert held_bytes() == before


def test_a_full_card_is_told_and_the_model_goes_on(
    folder: Path, full_card: Callable[[], AbstractContextManager[None]]
) -> None:
    model = open_tiny(folder, device="cuda", precision="fp32")

    with full_card(), pytest.raises(ChatError, match="do not fit into memory"):
        says(model, QUESTION, SHORT)
    said = says(model, QUESTION, SHORT)
    with full_card(), pytest.raises(ChatError, match="out of memory") as caught:
        says(model, QUESTION, SHORT)

    assert "memory" in (caught.value.hint or "")
    assert says(model, QUESTION, SHORT) == said
    model.close()
