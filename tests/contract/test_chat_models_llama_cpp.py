"""The chat model `llama_cpp` against the contract: with real weights, and with eyes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium.chat_models.llama_cpp.chat_model import open_chat_model
from florilegium.config import ChatConfig
from florilegium.protocols import ChatModel
from florilegium.testing.chat_contract import ChatModelContract
from tests.smollm2 import find_smollm2
from tests.tiny_gguf import write_llama, write_mmproj


@pytest.fixture(scope="module")
def real() -> Iterator[ChatModel]:
    opened = _open(find_smollm2())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatModel]:
    folder = tmp_path_factory.mktemp("seeing")
    write_llama(folder / "tiny.gguf")
    write_mmproj(folder / "mmproj.gguf")
    opened = _open(folder)
    yield opened
    opened.close()


def _open(model: Path) -> ChatModel:
    config = ChatConfig(context_tokens=2048)
    return open_chat_model(str(model), config=config, texts=None, cache_folder=Path("unused"))


class TestLlamaCppChatModel(ChatModelContract):
    @pytest.fixture
    def chat_model(self, real: ChatModel) -> ChatModel:
        return real


class TestLlamaCppChatModelWithEyes(ChatModelContract):
    @pytest.fixture
    def chat_model(self, seeing: ChatModel) -> ChatModel:
        return seeing
