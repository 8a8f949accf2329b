"""What is settled before an answer is written: what to search for, and what the picture shows.

Both may be asked of the chat model in a few words; where it is not able, wording and votes
decide. Knows how a conversation goes; leaves searching to what it is given.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from florilegium import identify, questions, standalone
from florilegium.answers import Candidate, Identification, Turn
from florilegium.errors import ChatError, ChatTimeoutError, ChatUnavailableError
from florilegium.evidence import Evidence
from florilegium.protocols import ChatModel
from florilegium.streams import closing_stream
from florilegium.thinking import without_thoughts
from florilegium.types import (
    ChatModelInfo,
    ChatOptions,
    Hit,
    Message,
)

logger = logging.getLogger(__name__)

_SURE = 0.5  # share of the votes from which one name is given for what a picture shows
_MOST_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search gave: hits, best first, the evidence, and names for the picture.

    `searched` are the words that were searched for; `candidates` and `is_known` are those of the
    search's Explanation.
    """

    hits: tuple[Hit, ...]
    evidence: Evidence
    searched: str
    candidates: tuple[Candidate, ...] = ()
    is_known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """The user's picture, with the content hash of its file where it is known."""

    image: Image.Image
    content_hash: str | None = None


class ShortReplies:
    """A chat model that is asked short things on the way; given up when it is out of reach.

    `failure` is the error by which that showed: whoever wants the answer itself need not wait for
    a dead server a second time. `problem` says what went wrong last.
    """

    def __init__(self, chat_model: ChatModel, *, max_tokens: int) -> None:
        self._chat_model = chat_model
        self._max_tokens = max_tokens
        self.failure: ChatError | None = None
        self.problem: str | None = None

    def info(self) -> ChatModelInfo | None:
        """Return what the chat model is, or None if it cannot say."""
        if self.failure is not None:
            return None
        try:
            return self._chat_model.info
        except ChatError as error:
            self._note(error)
            return None

    def ask(self, messages: Sequence[Message], *, longest: int) -> str | None:
        """Return the reply, or None if the chat model failed.

        A reply of more than `longest` characters is cut short there, and the model stopped. It is
        not given fewer tokens instead, since models that think need them before they speak.
        """
        if self.failure is not None:
            return None
        options = ChatOptions(max_tokens=self._max_tokens, temperature=0.0)
        reply = ""
        try:
            with closing_stream(self._chat_model.stream(messages, options=options)) as stream:
                for delta in without_thoughts(stream):
                    reply += delta.text
                    if len(reply) > longest:
                        break
            return reply
        except ChatError as error:
            self._note(error)
            return None

    def _note(self, error: ChatError) -> None:
        logger.info("A short question to the chat model failed: %s", error)
        self.problem = f"The chat model failed: {error.message}"
        if isinstance(error, ChatUnavailableError | ChatTimeoutError):
            self.failure = error


def image_in_play(image: Picture | None, history: Sequence[Turn]) -> Picture | None:
    """Return the picture that a question is about: its own, or the last one of earlier turns."""
    if image is not None:
        return image
    turn = _turn_with_picture(history)
    if turn is None or turn.image is None:
        return None
    return Picture(image=turn.image, content_hash=turn.image_hash)


def search_text(
    question: str, *, image: Picture | None, history: Sequence[Turn], replies: ShortReplies
) -> str:
    """Return what to search for.

    A question that comes after others is rewritten by the chat model to stand alone; where it is
    not able to, a follow-up ("And in winter?") brings the question that it leans on along. One
    that brings its own picture leans on that.
    """
    by_wording = questions.search_text(question, [turn.question for turn in history])
    if not history or image is not None or not question.strip():
        return by_wording
    info = replies.info()
    if info is None or not info.generative:
        return by_wording
    messages = standalone.rewrite_messages(question, history)
    reply = replies.ask(messages, longest=standalone.LONGEST_REPLY)
    rewritten = standalone.read_rewriting(reply or "", question, history)
    return rewritten or by_wording


def identify_picture(
    found: Found,
    *,
    question: str,
    image: Picture | None,
    history: Sequence[Turn],
    replies: ShortReplies,
) -> Identification | None:
    """Return what the picture in play shows, or None when nobody asks or nothing is like it.

    Args:
        found: What the search for the picture gave.
        question: As the user asked it.
        image: The picture that came with the question; that of an earlier turn stays in play,
            and so does what it was found to show.
        history: Earlier turns, oldest first.
        replies: The chat model that chooses from the candidates, if it sees.
    """
    picture = image_in_play(image, history)
    about_picture = not question.strip() or questions.points_at_picture(question)
    if picture is None or not about_picture:
        return None
    earlier = _turn_with_picture(history) if image is None else None
    if earlier is not None and earlier.identification is not None:
        return earlier.identification
    candidates = found.candidates[: identify.MOST_CANDIDATES]
    if not candidates:
        return None
    if found.is_known:
        return Identification(candidates=candidates, chosen=candidates[0], by="known")
    return _choose(candidates, picture=picture, replies=replies)


def describe_identity(identification: Identification | None) -> str | None:
    """Return what the picture shows in words, with the names that come near when votes differ."""
    if identification is None or identification.chosen is None:
        return None
    if identification.by != "vote" or identification.chosen.share >= _SURE:
        return identification.chosen.name
    voted = [one.name for one in identification.candidates if one.share > 0][:_MOST_NAMES]
    return " or ".join(voted)


def _choose(
    candidates: tuple[Candidate, ...], *, picture: Picture, replies: ShortReplies
) -> Identification:
    info = replies.info()
    if info is None or not info.generative:
        return _voted(candidates, replies.problem)
    if info.max_images == 0:
        return _voted(candidates, f"{info.id} sees no pictures.")
    messages = identify.choice_messages(candidates, picture.image)
    reply = replies.ask(messages, longest=identify.LONGEST_REPLY)
    if reply is None:
        return _voted(candidates, replies.problem)
    number = identify.read_choice(reply, candidates)
    if number is None:
        return _voted(candidates, f"{info.id} replied {reply.strip()[:80]!r}, which is no choice.")
    chosen = None if number == identify.NONE_FITS else candidates[number - 1]
    return Identification(candidates=candidates, chosen=chosen, by="model")


def _voted(candidates: tuple[Candidate, ...], note: str | None) -> Identification:
    chosen = candidates[0] if candidates[0].share > 0 else None
    return Identification(candidates=candidates, chosen=chosen, by="vote", note=note)


def _turn_with_picture(history: Sequence[Turn]) -> Turn | None:
    return next((turn for turn in reversed(history) if turn.image is not None), None)
