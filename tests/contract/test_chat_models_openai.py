"""The chat model `openai` against the contract: with llama.cpp's server, and with one that sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from florilegium.chat_models.openai.chat_model import open_chat_model
from florilegium.config import ChatConfig
from florilegium.errors import ChatRejectedError, ContextExceededError, UnsupportedInputError
from florilegium.protocols import ChatModel
from florilegium.testing.chat_contract import OPTIONS, ChatModelContract, a_question
from florilegium.types import Message, TextPart
from tests.llama_server import run_llama_server
from tests.misbehaving_server import MisbehavingServer, sees
from tests.smollm2 import find_smollm2

KEY = "sk-of-the-tests"


@pytest.fixture(scope="session")
def llama_server() -> Iterator[str]:
    with run_llama_server(find_smollm2(), key=KEY, context_tokens=1024) as address:
        yield address


def _open(address: str, cache_folder: Path, key: str = KEY) -> ChatModel:
    config = ChatConfig(base_url=f"{address}/v1").with_api_key(SecretStr(key))
    return open_chat_model("", config=config, texts=None, cache_folder=cache_folder)


class TestOpenAIChatModelWithLlamaServer(ChatModelContract):
    @pytest.fixture
    def chat_model(self, llama_server: str, shared_cache: Path) -> Iterator[ChatModel]:
        chat_model = _open(llama_server, shared_cache)
        yield chat_model
        chat_model.close()

    def test_the_server_says_how_large_its_context_is(self, chat_model: ChatModel) -> None:
        assert chat_model.info.context_tokens == 1024

    def test_a_model_without_eyes_is_found_out_by_trying(
        self, llama_server: str, tmp_path: Path
    ) -> None:
        chat_model = _open(llama_server, tmp_path)

        with pytest.raises(UnsupportedInputError, match="image input is not supported"):
            list(chat_model.stream(a_question(pictures=1), options=OPTIONS))

        assert chat_model.info.max_images == 0
        chat_model.close()

    def test_messages_that_are_too_long_are_an_error_of_their_own(
        self, chat_model: ChatModel
    ) -> None:
        messages = [Message(role="user", parts=(TextPart(text="Roses need water. " * 400),))]

        with pytest.raises(ContextExceededError, match="exceeds the available context size"):
            list(chat_model.stream(messages, options=OPTIONS))

    def test_a_wrong_key_is_refused(self, llama_server: str, tmp_path: Path) -> None:
        chat_model = _open(llama_server, tmp_path, key="sk-wrong")

        with pytest.raises(ChatRejectedError, match="Invalid API Key"):
            list(chat_model.stream(a_question(), options=OPTIONS))

        chat_model.close()


class TestOpenAIChatModelWithEyes(ChatModelContract):
    @pytest.fixture
    def chat_model(self, tmp_path: Path) -> Iterator[ChatModel]:
        with MisbehavingServer(sees) as server:
            config = ChatConfig(base_url=server.base_url)
            chat_model = open_chat_model("seer", config=config, texts=None, cache_folder=tmp_path)
            yield chat_model
            chat_model.close()
