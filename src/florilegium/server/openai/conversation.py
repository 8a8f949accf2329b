"""From the messages that a client sends to a question, its picture and the turns before.

Pure: pictures stay data URLs here. Knows what becomes of messages that no question needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from florilegium.errors import InvalidRequestError
from florilegium.server.openai.footer import without_footer
from florilegium.server.openai.schema import ChatMessage

_SYSTEM = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What the user said, what was answered, and the data URL of the picture that came along."""

    question: str
    answer: str = ""
    picture: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The question that is to be answered, with what came before it.

    Of all pictures only the newest is held; it stays in play. `ignored` names the messages that
    are without effect.
    """

    asked: Exchange
    earlier: tuple[Exchange, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    """What was said in one exchange so far, message by message."""

    questions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    picture: str | None = None

    def exchange(self) -> Exchange:
        return Exchange(
            question=_joined(self.questions), answer=_joined(self.answers), picture=self.picture
        )


def read_conversation(messages: Sequence[ChatMessage], *, max_turns: int) -> Conversation:
    """Return what the messages ask.

    Messages of the system are ignored: the library's own rules of citing and refusing hold, and
    nothing that a client sends may switch them off. Several messages of the user in a row are one
    question. More turns than `max_turns` are left out, the oldest first; the newest picture stays.

    Raises:
        InvalidRequestError: The last message is not the user's, or has several pictures.
    """
    ignored: list[str] = []
    drafts: list[_Draft] = []
    is_open = False
    for place, message in enumerate(messages):
        name = f"messages[{place}]"
        if message.role in _SYSTEM or (message.role == "assistant" and not drafts):
            ignored.append(name)
        elif message.role == "assistant":
            drafts[-1].answers.append(without_footer(message.text))
            is_open = False
        else:
            if not is_open:
                drafts.append(_Draft())
            drafts[-1].questions.append(message.text)
            drafts[-1].picture = _only_picture(message, name) or drafts[-1].picture
            is_open = True
    if not is_open:
        raise InvalidRequestError(
            "The last message is not the user's, so there is no question to answer.",
            hint="End `messages` with one of the role user.",
        )
    *earlier, asked = (draft.exchange() for draft in drafts)
    kept = earlier[max(0, len(earlier) - max_turns) :]
    if len(kept) < len(earlier):
        ignored.append(f"the oldest {len(earlier) - len(kept)} turns")
    return Conversation(
        asked=asked,
        earlier=tuple(_with_newest_picture(earlier, kept, has_new=asked.picture is not None)),
        ignored=tuple(ignored),
    )


def _with_newest_picture(
    earlier: Sequence[Exchange], kept: Sequence[Exchange], *, has_new: bool
) -> list[Exchange]:
    """Return the kept exchanges, of which at most one has a picture: the newest there was."""
    held = [replace(one, picture=None) for one in kept]
    if has_new or not held:
        return held
    places = [place for place, one in enumerate(earlier) if one.picture is not None]
    if places:
        # One of a turn that was left out goes to the oldest that is kept.
        place = max(0, places[-1] - (len(earlier) - len(kept)))
        held[place] = replace(held[place], picture=earlier[places[-1]].picture)
    return held


def _only_picture(message: ChatMessage, name: str) -> str | None:
    pictures = message.pictures
    if message.role == "user" and len(pictures) > 1:
        raise InvalidRequestError(
            f"{name} has {len(pictures)} pictures, but a question has one at most.",
            hint="Send the picture that the question is about, and ask about others one by one.",
        )
    return pictures[0] if pictures else None


def _joined(texts: Sequence[str]) -> str:
    stripped = (text.strip() for text in texts)
    return "\n\n".join(text for text in stripped if text)
