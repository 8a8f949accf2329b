"""The chat models that are built in, against the contract."""

from __future__ import annotations

import pytest

from florilegium.chat_models.extractive import ExtractiveChatModel
from florilegium.protocols import ChatModel
from florilegium.testing.chat_contract import ChatModelContract
from florilegium.testing.chat_model import FakeChatModel
from florilegium.testing.encoder import FakeEncoder


class TestExtractiveChatModel(ChatModelContract):
    @pytest.fixture
    def chat_model(self) -> ChatModel:
        return ExtractiveChatModel()


class TestExtractiveChatModelWithTextEncoder(ChatModelContract):
    @pytest.fixture
    def chat_model(self) -> ChatModel:
        return ExtractiveChatModel(texts=FakeEncoder(dim=32))


class TestFakeChatModel(ChatModelContract):
    @pytest.fixture
    def chat_model(self) -> ChatModel:
        return FakeChatModel()


class TestFakeChatModelWithoutEyes(ChatModelContract):
    @pytest.fixture
    def chat_model(self) -> ChatModel:
        return FakeChatModel(["It has two words."] * 3, max_images=0)
