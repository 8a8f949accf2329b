"""Tiny chat models of transformers on a graphics card: what they say, stop, and give back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from florilegium.errors import ChatError
from florilegium.types import ChatOptions
from tests.torch.tiny_vlm import (
    SHORT,
    WRITERS,
    ask,
    open_model,
    photos,
    spy_on_tokens,
    text_of,
)

pytestmark = pytest.mark.gpu

LONG = ChatOptions(max_tokens=900)


@pytest.fixture(scope="module")
def folders(
    tmp_path_factory: pytest.TempPathFactory, importable_torchvision: None
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("transformers")
    return {name: write(folder / name) for name, write in WRITERS.items()}


@pytest.mark.parametrize("name", list(WRITERS))
def test_the_card_and_its_precision_are_taken_by_themselves(
    folders: dict[str, Path], name: str
) -> None:
    import torch

    native = torch.cuda.is_bf16_supported(including_emulation=False)
    model = open_model(folders[name], device="auto", precision="auto")

    assert list(model.stream(ask("Which?", photos(1)), options=SHORT))[-1].finish_reason
    assert model._loaded is not None
    weights = list(model._loaded.model.parameters())
    said = model.describe()
    model.close()

    assert said.endswith(", cuda bf16" if native else ", cuda fp16")
    assert {each.device.type for each in weights} == {"cuda"}
    assert {each.dtype for each in weights} == {torch.bfloat16 if native else torch.float16}


@pytest.mark.parametrize("name", list(WRITERS))
@pytest.mark.parametrize("count", [0, 1])
def test_full_precision_says_what_the_processor_says(
    folders: dict[str, Path], name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = spy_on_tokens(monkeypatch)
    said: dict[str, tuple[str, list[int]]] = {}

    for device in ("cpu", "cuda"):
        tokens.clear()
        model = open_model(folders[name], device=device, precision="fp32")
        text = text_of(model.stream(ask("Which flower?", photos(count)), options=SHORT))
        said[device] = text, list(tokens)
        model.close()

    assert said["cuda"] == said["cpu"]
    assert len(set(said["cuda"][1])) > 3


@pytest.mark.parametrize("name", list(WRITERS))
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_streams_and_stops(
    folders: dict[str, Path], name: str, precision: str
) -> None:
    model = open_model(folders[name], device="cuda", precision=precision)
    question = ask("Which?", photos(1))
    whole = list(model.stream(question, options=SHORT))
    alone = text_of(whole)

    stream = model.stream(question, options=LONG)
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # the protocol promises an iterator only
    workers = [each for each in threading.enumerate() if each.name.startswith("florilegium")]

    assert len(whole) > 3
    assert whole[-1].finish_reason in {"stop", "length"}
    assert workers == []
    assert text_of(model.stream(question, options=SHORT)) == alone
    model.close()


def test_closing_the_model_ends_a_reply_that_is_being_written(folders: dict[str, Path]) -> None:
    model = open_model(folders["llava"], device="cuda", precision="bf16")
    stream = model.stream(ask("Which?"), options=LONG)
    first = next(stream)

    model.close()

    assert [first, *stream][-1].finish_reason == "cancelled"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", list(WRITERS))
def test_close_gives_the_memory_back_and_replies_keep_none(
    folders: dict[str, Path], name: str, precision: str, held_bytes: Callable[[], int]
) -> None:
    before = held_bytes()
    model = open_model(folders[name], device="cuda", precision=precision)
    question = ask("Which?", photos(1))

    after = []
    for _ in range(3):
        text_of(model.stream(question, options=SHORT))
        after.append(held_bytes())
    model.close()

    assert after[0] > before
    assert after[1:] == after[:1] * 2
    assert held_bytes() == before


def test_the_same_seed_gives_the_same_reply(folders: dict[str, Path]) -> None:
    model = open_model(folders["llava"], device="cuda", precision="bf16")

    def say(seed: int) -> str:
        options = ChatOptions(max_tokens=40, temperature=1.0, seed=seed)
        return text_of(model.stream(ask("Which?", photos(1)), options=options))

    assert say(7) == say(7)
    assert say(7) != say(8)
    model.close()


def test_a_full_card_is_told_and_the_model_goes_on(
    folders: dict[str, Path], full_card: Callable[[], AbstractContextManager[None]]
) -> None:
    model = open_model(folders["llava"], device="cuda", precision="fp32")
    question = ask("Which?", photos(1))

    with full_card(), pytest.raises(ChatError, match="does not fit into memory"):
        text_of(model.stream(question, options=SHORT))
    said = text_of(model.stream(question, options=SHORT))
    with full_card(), pytest.raises(ChatError, match="ran out of memory"):
        text_of(model.stream(question, options=SHORT))

    assert text_of(model.stream(question, options=SHORT)) == said
    model.close()
