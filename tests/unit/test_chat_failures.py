"""What becomes of an answer whose chat model fails, or takes less than it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from florilegium.answers import Failed, Failure, Finished, Retrieved, Token, Turn
from florilegium.chat_models.extractive import ExtractiveChatModel
from florilegium.errors import (
    ChatError,
    ChatRejectedError,
    ChatTimeoutError,
    ChatUnavailableError,
    ContextExceededError,
)
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import ChatModelInfo, ChatOptions, Delta, Message
from tests.unit.chat_samples import (
    RED,
    answer_of,
    ask,
    make_hit,
    render_text,
)


class FailingChatModel(FakeChatModel):
    """Fail with an error before the first token, or cannot even say what it is."""

    def __init__(self, error: ChatError, *, hides: bool = False) -> None:
        super().__init__()
        self._error = error
        self._hides = hides
        self.asked = 0

    @property
    def info(self) -> ChatModelInfo:
        if self._hides:
            raise self._error
        return super().info

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        self.asked += 1
        raise self._error


DOWN = ChatUnavailableError("Nobody listens at port 9.", hint="Start the server.")


def test_an_error_that_the_user_must_mend_comes_through() -> None:
    model = FailingChatModel(ChatRejectedError("The key is wrong."))

    with pytest.raises(ChatRejectedError, match="key is wrong"):
        ask("What?", model, fallback=ExtractiveChatModel)


@pytest.mark.parametrize("error", [DOWN, ChatTimeoutError("Nothing came.")])
@pytest.mark.parametrize("hides", [False, True])
def test_the_fallback_answers_when_the_chat_model_is_out_of_reach(
    error: ChatError, hides: bool
) -> None:
    model = FailingChatModel(error, hides=hides)

    events = ask("When are roses pruned?", model, fallback=ExtractiveChatModel)

    failure = Failure(
        model="fake", code=error.code, message=error.message, hint=error.hint, stands_in=True
    )
    assert [type(event) for event in events[:3]] == [Retrieved, Failed, Token]
    assert events[1] == Failed(failure=failure)
    answer = answer_of(events)
    assert answer.text == "Roses are pruned in early spring. [1]"
    assert (answer.model, answer.failure) == ("extractive", failure)


def test_without_a_fallback_a_chat_model_out_of_reach_is_an_error() -> None:
    with pytest.raises(ChatUnavailableError, match="port 9"):
        ask("When are roses pruned?", FailingChatModel(DOWN))


def test_a_server_that_is_down_is_asked_only_once() -> None:
    model = FailingChatModel(DOWN)
    history = [Turn(question="", answer="A rose.", image=RED)]

    ask("When is it pruned?", model, history=history, fallback=ExtractiveChatModel)

    assert model.asked == 1


def test_what_was_said_before_the_model_failed_is_kept() -> None:
    model = FakeChatModel([ChatTimeoutError("Nothing came.", hint="Wait.")])

    events = ask("What?", model, fallback=ExtractiveChatModel)

    assert [type(event) for event in events] == [Retrieved, Token, Failed, Finished]
    answer = answer_of(events)
    assert answer.text == "…"
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.hint) == ("chat_timeout", "Wait.")
    assert answer.history[-1].answer == "…"
    assert model.open_streams == 0


# -- contexts that turn out smaller --


class SmallChatModel(FakeChatModel):
    """Take no more than some characters, which `info` does not say."""

    def __init__(self, characters: int) -> None:
        super().__init__(["Yes [1]."])
        self._characters = characters

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        if sum(len(render_text(message)) for message in messages) > self._characters:
            raise ContextExceededError("Too long.")
        return super().stream(messages, options=options)


def test_a_context_that_turns_out_smaller_gets_fewer_sources_and_is_told() -> None:
    hits = [make_hit(f"{n}.txt", "word " * 200) for n in range(5)]

    answer = answer_of(ask("What?", SmallChatModel(4000), hits=hits))

    assert answer.text == "Yes [1]."
    assert answer.notes[0].endswith("of 5 sources did not fit.")


def test_a_context_that_is_far_too_small_is_an_error() -> None:
    hits = [make_hit(f"{n}.txt", "word " * 200) for n in range(5)]

    with pytest.raises(ContextExceededError):
        ask("What?", SmallChatModel(100), hits=hits)


def test_a_refusal_says_that_the_model_could_not_be_asked() -> None:
    history = [Turn(question="How do I water dahlias?", answer="Deeply.")]

    answer = answer_of(ask("And roses?", FailingChatModel(DOWN), confidence=0.1, history=history))

    assert answer.refused
    assert answer.notes == ("The chat model failed: Nobody listens at port 9.",)
