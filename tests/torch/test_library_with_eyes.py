"""A library whose chat model sees: pictures, names and sources reach a real network, end to end.

Its weights are random, so what it says means nothing; what it is given does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from florilegium import Failed, Library, Retrieved
from florilegium.types import ImagePart, Message
from tests.conftest import FAKES, draw, write_tiny_folder
from tests.torch.tiny_vlm import write_idefics3

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, importable_torchvision: None) -> Path:
    folder = write_idefics3(tmp_path_factory.mktemp("seeing"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # Its tokens are single characters, so that even short sources take many.
    config["text_config"]["max_position_embeddings"] = 8192
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture
def library(tmp_path: Path, weights: Path) -> Iterator[Library]:
    write_tiny_folder(tmp_path / "tiny")
    settings = FAKES | {
        "chat.name": f"transformers:{weights}",
        "chat.device": "cpu",
        "chat.max_tokens": "8",
        "chat.min_confidence": "0",
        "chat.max_sources": "2",
    }
    with Library.create(tmp_path / "tiny", overrides=settings) as library:
        library.ingest()
        yield library


def spy_on_messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Message, ...]]:
    """Return the messages of all requests to come; they are passed on."""
    from florilegium.chat_models.transformers.chat_model import TransformersChatModel

    seen: list[tuple[Message, ...]] = []
    stream = TransformersChatModel.stream

    def spy(self: TransformersChatModel, messages: Any, *, options: Any) -> Any:
        seen.append(tuple(messages))
        return stream(self, messages, options=options)

    monkeypatch.setattr(TransformersChatModel, "stream", spy)
    return seen


def test_the_picture_is_named_from_a_list_and_then_asked_about(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = spy_on_messages(monkeypatch)

    events = list(library.stream("What is this?", image=draw("red", "square")))

    assert not [event for event in events if isinstance(event, Failed)]
    assert isinstance(events[0], Retrieved)
    assert events[0].identification is not None
    assert len(requests) == 2
    for messages in requests:
        assert [p for p in messages[-1].parts if isinstance(p, ImagePart) and p.number is None]


def test_a_follow_up_is_rewritten_or_not_and_keeps_the_picture(library: Library) -> None:
    first = library.ask("What is this?", image=draw("red", "square"))

    second = library.ask("How many sides does it have?", history=first.history)

    assert second.history[0].image is not None
    assert second.searched
    assert second.failure is None
