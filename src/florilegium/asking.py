"""What is settled before an answer is written: what to search for, and what the picture shows.

Both may be asked of the chat model in a few words; where it is not able, wording and votes
decide. Knows how a conversation goes; leaves searching to what it is given.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields

from florilegium import identify, questions, standalone
from florilegium.answers import AnswerOptions, Candidate, Identification, Turn
from florilegium.config import ChatConfig
from florilegium.errors import ChatError, ChatTimeoutError, ChatUnavailableError
from florilegium.evidence import Evidence
from florilegium.lexical import content_tokens
from florilegium.protocols import ChatModel
from florilegium.streams import closing_stream
from florilegium.thinking import without_thoughts
from florilegium.tracing import note, traced
from florilegium.types import ChatModelInfo, ChatOptions, Hit, Message, Picture

logger = logging.getLogger(__name__)

_SURE = 0.5  # share of the votes from which one name is given for what a picture shows
_MOST_NAMES = 3
_FEW_WORDS = 3  # content words of a question that can hardly stand alone if it points back


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
class Wanted:
    """What is to be searched for: words, the picture that they are about, and what to read.

    `about` is the path of the text that tells of what the picture was identified as.
    """

    text: str
    picture: Picture | None = None
    about_picture: bool = False
    about: str | None = None


class ShortReplies:
    """A chat model that is asked short things on the way; given up when it is out of reach.

    `failure` is the error by which that showed: whoever wants the answer itself need not wait for
    a dead server a second time. `problem` says what went wrong last.

    Args:
        chat_model: Who is asked.
        max_tokens: Room for a reply; models that think need it before they speak.
        going_first: Makes others who compute here pause while a model in process speaks.
    """

    def __init__(
        self,
        chat_model: ChatModel,
        *,
        max_tokens: int,
        going_first: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._chat_model = chat_model
        self._max_tokens = max_tokens
        self._going_first = going_first
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

    @traced("short reply")
    def ask(self, messages: Sequence[Message], *, longest: int) -> str | None:
        """Return the reply, or None if the chat model failed.

        A reply of more than `longest` characters is cut short there, and the model stopped.
        """
        info = self.info()
        if info is None:
            return None
        note(model=info.id)
        options = ChatOptions(max_tokens=self._max_tokens, temperature=0.0)
        courtesy = self._going_first() if info.in_process else nullcontext()
        reply = ""
        try:
            stream = self._chat_model.stream(messages, options=options)
            with courtesy, closing_stream(stream) as deltas:
                for delta in without_thoughts(deltas):
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


def settle_options(options: AnswerOptions, config: ChatConfig) -> ChatOptions:
    """Return how the chat model is to reply: as the settings say, and within them as was asked."""
    return ChatOptions(
        max_tokens=min(options.max_tokens or config.max_tokens, config.max_tokens),
        temperature=config.temperature if options.temperature is None else options.temperature,
        top_p=options.top_p,
        seed=options.seed,
    )


def without_effect(
    options: AnswerOptions, *, config: ChatConfig, info: ChatModelInfo | None
) -> tuple[str, ...]:
    """Return the names of the options that changed nothing about an answer.

    Args:
        options: What was asked for.
        config: What the settings allow.
        info: The chat model that wrote the answer; None if none spoke.
    """
    given = [one.name for one in fields(options) if getattr(options, one.name) != one.default]
    if info is None:
        return tuple(given)
    ignored = set() if info.generative else {"temperature"}
    # One that quotes, or is at temperature 0, leaves nothing to chance.
    if ignored or settle_options(options, config).temperature == 0:
        ignored |= {"top_p", "seed"}
    if options.max_tokens is not None and options.max_tokens > config.max_tokens:
        ignored.add("max_tokens")
    return tuple(name for name in given if name in ignored)


def image_in_play(image: Picture | None, history: Sequence[Turn]) -> Picture | None:
    """Return the picture that a question may be about: its own, or the last of earlier turns."""
    if image is not None:
        return image
    turn = _turn_with_picture(history)
    if turn is None or turn.image is None:
        return None
    return Picture(image=turn.image, content_hash=turn.image_hash)


@traced("understand")
def want(
    question: str, *, image: Picture | None, history: Sequence[Turn], replies: ShortReplies
) -> Wanted:
    """Return what to search for.

    A question that comes after others is rewritten by the chat model to stand alone; where it is
    not able to, a follow-up ("And in winter?") brings the question that it leans on along. One
    that brings its own picture leans on that. The picture of an earlier turn is searched for with
    questions that are about it, by their wording and unless the model finds that they stand alone.
    """
    by_wording = questions.search_text(question, [turn.question for turn in history])
    pointed = not question.strip() or questions.points_at_picture(question)
    if image is not None or not history:
        return Wanted(text=by_wording, picture=image, about_picture=image is not None and pointed)
    rewritten = _rewrite(question, history=history, replies=replies)
    stands_alone = rewritten is not None and _bare(rewritten) == _bare(question)
    few = len(content_tokens(question)) <= _FEW_WORDS
    if stands_alone and few and by_wording != question.strip():
        # Weak models repeat "And how hot?" as it is, which nobody could search for.
        rewritten, stands_alone = None, False
    earlier = image_in_play(None, history) if pointed and not stands_alone else None
    return Wanted(text=rewritten or by_wording, picture=earlier, about_picture=earlier is not None)


@traced("identify")
def identify_picture(
    found: Found, wanted: Wanted, *, is_new: bool, history: Sequence[Turn], replies: ShortReplies
) -> Identification | None:
    """Return what the picture shows, or None when nobody asks or nothing is like it.

    Args:
        found: What the search for the picture gave.
        wanted: What was searched for.
        is_new: Whether the picture came with the question; what one of an earlier turn was found
            to show stays in play.
        history: Earlier turns, oldest first.
        replies: The chat model that chooses from the candidates, if it sees.
    """
    if wanted.picture is None or not wanted.about_picture:
        return None
    earlier = None if is_new else _identified_before(history)
    if earlier is not None:
        return earlier
    candidates = found.candidates[: identify.MOST_CANDIDATES]
    if not candidates:
        return None
    if found.is_known:
        return Identification(candidates=candidates, chosen=candidates[0], by="known")
    return _choose(candidates, picture=wanted.picture, replies=replies)


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


def _rewrite(question: str, *, history: Sequence[Turn], replies: ShortReplies) -> str | None:
    """Return the question as the chat model rewrites it, if it can and is to be believed."""
    info = replies.info() if question.strip() else None
    if info is None or not info.generative:
        return None
    messages = standalone.rewrite_messages(question, history)
    reply = replies.ask(messages, longest=standalone.LONGEST_REPLY)
    return standalone.read_rewriting(reply or "", question, history)


def _bare(question: str) -> str:
    return "".join(character for character in question.casefold() if character.isalnum())


def _turn_with_picture(history: Sequence[Turn]) -> Turn | None:
    return next((turn for turn in reversed(history) if turn.image is not None), None)


def _identified_before(history: Sequence[Turn]) -> Identification | None:
    """Return what the newest picture of earlier turns was found to show, in any turn since."""
    for turn in reversed(history):
        if turn.identification is not None or turn.image is not None:
            return turn.identification
    return None
