"""A follow-up question as one that stands alone, rewritten by a chat model for the search.

Writes the messages and judges the reply: what it says must come from the conversation. Pure;
knows no chat model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from florilegium.answers import Turn
from florilegium.citations import strip_citations
from florilegium.languages import language_of
from florilegium.lexical import content_tokens
from florilegium.prompt import PICTURE_QUESTION, is_refusal
from florilegium.templates import one_line
from florilegium.types import Message, TextPart

LONGEST_REPLY: Final = 300
"""Characters that a rewritten question may have."""

_TURNS = 3  # newest turns that are shown
_LONGEST_ANSWER = 400
_KNOWN = 0.75  # share of the reply's content words that must come from the conversation
_KEPT = 0.5  # share of the question's words from earlier turns that the reply must keep
_ASKS = ("?", "？")
_SYSTEM = (
    "You rewrite the last question of a conversation so that it can be understood alone. "
    "Put names in the place of words like it, they or this. Add nothing else, and do not "
    "answer it. A question that can be understood alone stays as it is. "
    "Reply with the question only, in its language."
)


def rewrite_messages(question: str, history: Sequence[Turn]) -> list[Message]:
    """Return the messages that ask a chat model to rewrite `question`."""
    lines: list[str] = []
    for turn in history[-_TURNS:]:
        lines.append(f"User: {turn.question.strip() or PICTURE_QUESTION}{_shown(turn)}")
        lines.append(f"Assistant: {_shorten(turn.answer)}")
    lines += ["", f"Last question: {question.strip()}"]
    return [
        Message(role="system", parts=(TextPart(text=_SYSTEM),)),
        Message(role="user", parts=(TextPart(text="\n".join(lines)),)),
    ]


def read_rewriting(reply: str, question: str, history: Sequence[Turn]) -> str | None:
    """Return the rewritten question, or None if the reply is no such thing.

    It must be one short line in the language of the question, a question if that is one, take
    three quarters of its words from the conversation, and keep those of the question: all that
    no earlier turn has, and half of the others. What a model makes up is not searched for.
    """
    line = reply.strip().removeprefix("Last question:").strip(" \t\"'“”")
    if not line or "\n" in line or len(line) > LONGEST_REPLY or is_refusal(line):
        return None
    if language_of(line) != language_of(question):
        return None
    if question.strip().endswith(_ASKS) and not line.endswith(_ASKS):
        return None
    said, asked = content_tokens(line), set(content_tokens(question))
    before = {
        word
        for turn in history
        for word in content_tokens(f"{turn.question}\n{turn.answer}{_shown(turn)}")
    }
    if not said or sum(word in asked | before for word in said) < _KNOWN * len(said):
        return None
    new, old = asked - before, asked & before
    keeps = new <= set(said) and len(old.intersection(said)) >= _KEPT * len(old)
    return line if keeps else None


def _shown(turn: Turn) -> str:
    chosen = turn.identification.chosen if turn.identification else None
    return f" (with a picture of: {one_line(chosen.name)})" if chosen else ""


def _shorten(answer: str) -> str:
    plain = " ".join(strip_citations(answer).split())
    return plain if len(plain) <= _LONGEST_ANSWER else f"{plain[:_LONGEST_ANSWER]} …"
