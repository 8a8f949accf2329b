"""Against numbers that the original code gave for the tiny checkpoint, with transformers 4.38.

The weights, the pictures and the prompts are formulas, so the file of numbers is all there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from florilegium.chat_models.mc_llava.crops import choose_boxes, find_centres
from florilegium.types import ChatOptions
from tests.conftest import ROOT
from tests.torch.tiny_mc_llava import SIDE, make_mc_llava, picture, pin_of

if TYPE_CHECKING:
    # Needs PyTorch, which the tests that are not marked `torch` do without.
    from florilegium.chat_models.mc_llava.runner import Runner

pytestmark = pytest.mark.torch

CASES: list[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "golden" / "mc_llava" / "original.json").read_text(encoding="utf-8")
)
NAMED = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
SEEING = pytest.mark.parametrize(
    "case", [case for case in CASES if case["size"]], ids=lambda case: case["name"]
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let PyTorch take one thread: for a network as small as this one, more are slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mc_llava(tmp_path_factory.mktemp("mc-llava"))


def load_tiny(folder: Path, case: dict[str, Any]) -> Runner:
    from florilegium.chat_models.mc_llava.checkpoint import load_network
    from florilegium.chat_models.mc_llava.device import Way
    from florilegium.chat_models.mc_llava.layout import read_layout
    from florilegium.chat_models.mc_llava.runner import Runner
    from florilegium.chat_models.mc_llava.words import open_words

    pin = pin_of(folder)
    layout = read_layout(folder, pin=pin)
    way = Way(device="cpu", precision="fp32", most_crops=case["most_crops"])
    return Runner(
        load_network(folder, layout, pin=pin, way=way),
        open_words(folder, image_token=layout.image_token),
        layout,
        most_crops=way.most_crops,
    )


def pictures_of(case: dict[str, Any]) -> list[Image.Image]:
    return [picture(*case["size"])] if case["size"] else []


@NAMED
def test_the_prompt_has_the_same_tokens(folder: Path, case: dict[str, Any]) -> None:
    assert load_tiny(folder, case).words.encode(case["prompt"]) == case["ids"]


@SEEING
def test_crops_have_the_same_pixels(case: dict[str, Any]) -> None:
    from florilegium.chat_models.mc_llava.runner import prepare_crops

    boxes = choose_boxes(*case["size"], side=SIDE, most=case["most_crops"])
    image = picture(*case["size"])

    pixels = prepare_crops(SIDE).to_pixels([image.crop(box) for box in boxes])

    found = [[crop.mean(dtype=np.float64), crop.std(dtype=np.float64)] for crop in pixels]
    assert len(found) == len(find_centres(boxes)) == len(case["pixels"])
    np.testing.assert_allclose(found, case["pixels"], atol=1e-4)


@SEEING
def test_a_picture_gives_the_same_rows(folder: Path, case: dict[str, Any]) -> None:
    rows = load_tiny(folder, case).see(picture(*case["size"])).double().sum(dim=1)

    step = max(1, len(rows) // 30)
    np.testing.assert_allclose(rows[::step], case["rows"], atol=1e-3)


@NAMED
def test_the_next_token_has_the_same_logits(folder: Path, case: dict[str, Any]) -> None:
    runner = load_tiny(folder, case)

    logits = runner.next_logits(runner.read(case["ids"], pictures_of(case)))

    np.testing.assert_allclose(logits, case["logits"], atol=5e-5)


@NAMED
def test_the_reply_has_the_same_tokens(folder: Path, case: dict[str, Any]) -> None:
    runner = load_tiny(folder, case)
    rows = runner.read(case["ids"], pictures_of(case))

    tokens = runner.reply(rows, ChatOptions(max_tokens=len(case["reply"]), temperature=0.0))

    assert list(tokens) == case["reply"]
