"""What every chat model must do, as tests that a subclass runs against its own.

A subclass gives a fixture `chat_model`; nothing here knows how a reply comes about.
"""

from __future__ import annotations

import pytest
from PIL import Image

from florilegium.errors import UnsupportedInputError
from florilegium.protocols import ChatModel
from florilegium.types import (
    ChatOptions,
    Delta,
    FinishReason,
    ImagePart,
    Message,
    MessagePart,
    SourcePart,
    TextPart,
)

OPTIONS = ChatOptions(max_tokens=256, temperature=0.0, seed=1)
FINISH_REASONS: tuple[FinishReason, ...] = ("stop", "length", "cancelled")


def a_question(*, pictures: int = 0) -> list[Message]:
    """Return messages that ask about two sources, with some small pictures."""
    parts: list[MessagePart] = [
        SourcePart(
            number=1,
            title="Dahlia",
            path="dahlia.txt",
            text="Dahlias are planted after the last frost. Water them twice a week in summer.",
        ),
        SourcePart(
            number=2,
            title="Rose",
            path="rose.txt",
            text="Roses are pruned in early spring. Their hips are rich in vitamin C.",
        ),
    ]
    parts += [ImagePart(image=Image.new("RGB", (8, 8), (200, 0, 0))) for _ in range(pictures)]
    parts.append(TextPart(text="When are dahlias planted?"))
    rules = "Answer from the numbered sources and cite them like [1]."
    return [
        Message(role="system", parts=(TextPart(text=rules),)),
        Message(role="user", parts=tuple(parts)),
    ]


class ChatModelContract:
    """Subclass this, and give a fixture `chat_model` that opens the chat model under test."""

    @pytest.fixture
    def chat_model(self) -> ChatModel:
        raise NotImplementedError("A subclass gives the chat model.")

    def test_the_deltas_join_to_the_reply(self, chat_model: ChatModel) -> None:
        """All deltas together are a text that says something.

        If this fails: deltas are dropped, or the last one is yielded without its text.
        """
        deltas = list(chat_model.stream(a_question(), options=OPTIONS))

        assert all(isinstance(delta, Delta) for delta in deltas)
        assert "".join(delta.text for delta in deltas).strip()

    def test_only_the_last_delta_has_a_finish_reason(self, chat_model: ChatModel) -> None:
        """Every delta but the last has None, and the last has one of the three reasons.

        If this fails: the reason is sent with each delta, or the stream ends without one.
        """
        deltas = list(chat_model.stream(a_question(), options=OPTIONS))

        assert [delta.finish_reason for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
        assert deltas[-1].finish_reason in FINISH_REASONS

    def test_only_the_last_delta_says_what_was_counted(self, chat_model: ChatModel) -> None:
        """A model that counts its tokens says how many with its last delta, and no other.

        If this fails: the usage is sent with each delta, or counts nothing.
        """
        deltas = list(chat_model.stream(a_question(), options=OPTIONS))

        assert [delta.usage for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
        usage = deltas[-1].usage
        assert usage is None or usage.prompt_tokens > 0
        assert usage is None or 0 < usage.completion_tokens <= OPTIONS.max_tokens

    def test_the_same_request_gives_the_same_reply_at_temperature_zero(
        self, chat_model: ChatModel
    ) -> None:
        """Temperature 0 asks for the same reply every time.

        If this fails: sampling is on, or the seed is not passed on.
        """
        first = "".join(delta.text for delta in chat_model.stream(a_question(), options=OPTIONS))
        second = "".join(delta.text for delta in chat_model.stream(a_question(), options=OPTIONS))

        assert first == second

    def test_closing_a_stream_early_leaves_the_model_ready_for_the_next(
        self, chat_model: ChatModel
    ) -> None:
        """After one delta the iterator is closed; nothing more comes, and the next reply is whole.

        If this fails: the iterator has no `close`, or closing it keeps the connection or the
        state of the first reply.
        """
        stream = chat_model.stream(a_question(), options=OPTIONS)
        next(stream)

        stream.close()  # type: ignore[attr-defined]  # the protocol says Iterator, for brevity

        assert list(stream) == []
        deltas = list(chat_model.stream(a_question(), options=OPTIONS))
        assert deltas[-1].finish_reason in FINISH_REASONS

    def test_as_many_pictures_as_the_info_says_are_taken(self, chat_model: ChatModel) -> None:
        """A request with `info.max_images` pictures is answered.

        If this fails: the limit in `info` is not the real one.
        """
        messages = a_question(pictures=chat_model.info.max_images)

        deltas = list(chat_model.stream(messages, options=OPTIONS))

        assert deltas[-1].finish_reason in FINISH_REASONS

    def test_too_many_pictures_are_refused_before_anything_is_sent(
        self, chat_model: ChatModel
    ) -> None:
        """One picture over the limit raises when the stream is asked for, or at its first step.

        If this fails: pictures are dropped silently, or the server's own error comes through.
        """
        messages = a_question(pictures=chat_model.info.max_images + 1)
        deltas: list[Delta] = []

        with pytest.raises(UnsupportedInputError, match=str(chat_model.info.id)):
            deltas.extend(chat_model.stream(messages, options=OPTIONS))

        assert deltas == []

    def test_the_info_is_the_same_before_and_after_a_reply(self, chat_model: ChatModel) -> None:
        """`info` names the model and does not depend on its having been used.

        If this fails: `info` is filled in by the first reply.
        """
        before = chat_model.info

        list(chat_model.stream(a_question(), options=OPTIONS))

        assert chat_model.info == before
        assert before.id
        assert before.max_images >= 0

    def test_closing_twice_is_harmless(self, chat_model: ChatModel) -> None:
        """`close` may be called by a `with` block and again by hand.

        If this fails: the second call touches what the first has freed.
        """
        chat_model.close()

        chat_model.close()
