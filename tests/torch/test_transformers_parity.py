"""The replies of tiny chat models, token for token those of transformers called directly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.torch.tiny_vlm import (
    SHORT,
    WRITERS,
    ask,
    change_json,
    open_model,
    photos,
    spy_on_tokens,
    text_of,
    write_idefics3,
)

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folders(
    tmp_path_factory: pytest.TempPathFactory, importable_torchvision: None
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("transformers")
    return {name: write(folder / name) for name, write in WRITERS.items()}


def reference_reply(folder: Path, pictures: Sequence[Image.Image], text: str) -> Any:
    """Return the tokens that transformers itself replies with, and their text."""
    import torch
    import transformers

    processor = transformers.AutoProcessor.from_pretrained(str(folder))
    model = transformers.AutoModelForImageTextToText.from_pretrained(
        str(folder), dtype=torch.float32
    ).eval()
    last: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, start=1):
        last.append({"type": "text", "text": f"Picture [{number}]:"})
        last.append({"type": "image", "image": picture})
    last.append({"type": "text", "text": text})
    conversation = [
        {"role": "system", "content": [{"type": "text", "text": "Answer in a word."}]},
        {"role": "user", "content": [{"type": "text", "text": "Füße?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Feet."}]},
        {"role": "user", "content": last},
    ]
    inputs = processor.apply_chat_template(
        conversation,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        written = model.generate(**inputs, max_new_tokens=SHORT.max_tokens, do_sample=False)
    ids = written[0, inputs["input_ids"].shape[1] :].tolist()
    return ids, processor.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("llava", 0),
        ("llava", 1),
        ("idefics3", 0),
        ("idefics3", 1),
        ("idefics3", 2),
        ("onevision", 0),
        ("onevision", 1),
        ("onevision", 2),
        ("qwen", 0),
        ("qwen", 1),
        ("qwen", 2),
    ],
)
def test_the_greedy_reply_is_that_of_transformers_itself(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    ids, text = reference_reply(folders[name], photos(count), "Which is a rose?")
    tokens = spy_on_tokens(monkeypatch)
    model = open_model(folders[name])

    deltas = list(model.stream(ask("Which is a rose?", photos(count)), options=SHORT))
    model.close()

    assert len(set(ids)) > 5, "a reply that says nothing proves nothing"
    assert tokens == ids
    assert text_of(deltas) == text


def test_pictures_change_the_reply(folders: dict[str, Path]) -> None:
    model = open_model(folders["idefics3"])
    one, two = photos(2)

    replies = [
        text_of(list(model.stream(ask("Which?", pictures), options=SHORT)))
        for pictures in ([one], [two], [one, two], [two, one])
    ]
    model.close()

    assert len(set(replies)) == 4


def test_a_reply_stops_at_the_end_token_and_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_idefics3(tmp_path / "model")
    ids, _ = reference_reply(folder, [], "Which?")
    end = ids[8]
    change_json(folder / "generation_config.json", eos_token_id=end)
    tokens = spy_on_tokens(monkeypatch)
    model = open_model(folder)

    deltas = list(model.stream(ask("Which?"), options=SHORT))
    model.close()

    assert tokens == ids[: ids.index(end) + 1]
    assert deltas[-1].finish_reason == "stop"
