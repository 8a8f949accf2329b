"""A check says what it found, and an error of ours is a finding."""

from __future__ import annotations

import re

import pytest

from florilegium.chat_models.extractive import ExtractiveChatModel
from florilegium.checks import (
    Check,
    attempt,
    check_reranker,
    try_chat_model,
    try_encoder,
    try_reranker,
)
from florilegium.errors import ChatError, RerankUnavailableError, WeightsNotFoundError
from florilegium.testing.chat_model import FakeChatModel
from florilegium.testing.encoder import FakeEncoder
from florilegium.testing.reranker import FakeReranker
from florilegium.types import ChatOptions, Modality, RerankerInfo


def test_what_works_is_described() -> None:
    encoder = FakeEncoder(dim=32)

    check = attempt("encoder", lambda: try_encoder(encoder))

    assert check == Check(name="encoder", ok=True, message="fake:32, 32 dimensions")
    assert encoder.calls == {Modality.IMAGE: 1, Modality.TEXT: 1}


def test_an_encoder_that_has_chosen_an_engine_says_which() -> None:
    class TunedEncoder(FakeEncoder):
        def describe_engines(self) -> str:
            return "vision: openvino bf16, 2 streams: 101 pictures/s"

    found = try_encoder(TunedEncoder(dim=32))

    assert found == "fake:32, 32 dimensions; vision: openvino bf16, 2 streams: 101 pictures/s"


def test_an_error_of_ours_is_a_finding_with_its_hint() -> None:
    def fail() -> str:
        raise WeightsNotFoundError("No weights.", hint="Install them.")

    check = attempt("encoder", fail)

    assert (check.ok, check.message, check.hint) == (False, "No weights.", "Install them.")


def test_a_defect_is_not_hidden_as_a_finding() -> None:
    def fail() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        attempt("encoder", fail)


def test_a_chat_model_is_tried_with_a_short_question() -> None:
    model = FakeChatModel(["Yes."])

    found = try_chat_model(model, max_tokens=64)

    assert re.fullmatch(r"fake; replied in \d+\.\d s", found)
    assert model.options == [ChatOptions(max_tokens=64)]
    assert model.open_streams == 0


def test_a_chat_model_that_only_quotes_is_not_asked() -> None:
    assert try_chat_model(ExtractiveChatModel(), max_tokens=64) == "extractive"


def test_a_chat_model_that_can_describe_itself_does() -> None:
    class DescribedChatModel(FakeChatModel):
        def describe(self) -> str:
            return "a fake, text only"

    assert try_chat_model(DescribedChatModel(["Yes."]), max_tokens=64).startswith(
        "a fake, text only; replied"
    )


def test_a_chat_model_without_words_is_a_finding() -> None:
    with pytest.raises(ChatError, match="'fake' replied with nothing"):
        try_chat_model(FakeChatModel([" "]), max_tokens=64)


def test_a_chat_model_that_only_thinks_says_nothing() -> None:
    with pytest.raises(ChatError, match="'fake' replied with nothing"):
        try_chat_model(FakeChatModel(["<think>Yes?</think>"]), max_tokens=64)


def test_without_a_reranker_there_is_nothing_to_check() -> None:
    assert check_reranker(lambda: None) == []


def test_a_reranker_is_tried_with_a_short_text() -> None:
    reranker = FakeReranker()

    (check,) = check_reranker(lambda: reranker)

    assert check.ok
    assert check.name == "reranker"
    assert re.fullmatch(r"fake, 512 tokens; scored in \d+\.\d s", check.message)
    assert len(reranker.received) == 1


def test_a_reranker_whose_limit_nobody_knows_is_described_without_one() -> None:
    class Served(FakeReranker):
        @property
        def info(self) -> RerankerInfo:
            return RerankerInfo(id="served:rose")

    assert try_reranker(Served()).startswith("served:rose; scored")


def test_a_reranker_that_fails_is_a_finding_with_its_hint() -> None:
    def absent() -> FakeReranker:
        raise WeightsNotFoundError("No weights.", hint="Pull them.")

    down = FakeReranker(error=RerankUnavailableError("Down.", hint="Start it."))

    assert check_reranker(absent) == [
        Check(name="reranker", ok=False, message="No weights.", hint="Pull them.")
    ]
    assert check_reranker(lambda: down) == [
        Check(name="reranker", ok=False, message="Down.", hint="Start it.")
    ]
