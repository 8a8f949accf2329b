"""Messages as models take them: texts and pictures in order, or ChatML.

Pure functions. What a model's own chat template does is up to its backend; these give it what
such templates expect. Knows no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from florilegium.types import ImagePart, Message, MessagePart, SourcePart, TextPart

LONGEST_NAME: Final = 80
"""Characters of a name that is shown to a chat model outside of a source."""

OWN_PICTURE = "The user's picture:"
"""What stands before the user's picture."""

# Tokens by which the usual templates mark roles and pictures. A source that contains one must not
# be able to end its message, to speak as somebody else, or to claim a picture.
_CONTROL = re.compile(
    r"<[|｜][^<>|｜\n]{1,40}[|｜]>"
    r"|</?s>|<(?:bos|eos|pad|unk)>|<<\s*/?\s*SYS\s*>>"
    r"|\[/?(?:INST|IMG(?:_BREAK|_END)?|[A-Z]+_[A-Z_]+)\]"
    r"|</?(?:start|end)_of_(?:turn|image|utterance)>|</?im_(?:start|end)>"
    r"|</?(?:image|img|video|audio|IMG_CONTEXT|image_soft_token|fake_token_around_image)>"
    r"|</?(?:image|video|audio)_pad>|<__\w{1,60}__>|<row_\d+_col_\d+>|<global-img>"
    r"|</?(?:tool_call|tool_response|think)>"
)
_HARMLESS = str.maketrans("<>[]", "‹›()")
# Letters of no width, and full-width signs, look the same to a reader, and to a model.
_UNSEEN = "[\u200b-\u200f\u2060\ufeff]*"
_FENCE = re.compile(
    rf"[<＜]{_UNSEEN}\s*{_UNSEEN}[/／]?\s*{_UNSEEN.join('source')}\b", re.IGNORECASE
)
_LONGEST_ATTRIBUTE = 200
_GUESSES = "Guesses at what it shows, which may be wrong: "
_GAP = "\n\n"


def flatten(message: Message) -> tuple[TextPart | ImagePart, ...]:
    """Return the parts of a message as texts and pictures, in order; texts that meet are joined.

    Sources become text between `<source …>` and `</source>`. A line before each picture says
    whose it is: `Picture [2]:` of the library, or `The user's picture:`.
    """
    flat: list[TextPart | ImagePart] = []
    texts: list[str] = []
    for part in message.parts:
        if isinstance(part, ImagePart):
            texts.append(OWN_PICTURE if part.number is None else f"Picture [{part.number}]:")
            flat.append(TextPart(text=_GAP.join(texts)))
            flat.append(part)
            texts = []
        else:
            texts.append(render_part(part))
    if texts:
        flat.append(TextPart(text=_GAP.join(texts)))
    return tuple(flat)


def render_part(part: TextPart | SourcePart) -> str:
    """Return a text or a source as plain text.

    What looks like the end of a source, or like a control token of a chat template, is defused,
    so that no source can end itself or speak for somebody else.
    """
    if isinstance(part, TextPart):
        return defuse_control(part.text)
    title, path = _attribute(part.title), _attribute(part.path)
    head = f'<source number="{part.number}" title="{title}" path="{path}">'
    guesses = ", ".join(f"{one.name} ({one.weight:.0%})" for one in part.guesses if one.weight > 0)
    plain = f"{part.text}\n{_GUESSES}{guesses}" if guesses else part.text
    text = _FENCE.sub(lambda match: f"‹{match[0][1:]}", defuse_control(plain))
    return f"{head}\n{text}\n</source>"


def defuse_control(text: str) -> str:
    """Return `text` with the control tokens of chat templates made harmless but readable."""
    return _CONTROL.sub(lambda match: match[0].translate(_HARMLESS), text)


def without_system(messages: Sequence[Message]) -> list[Message]:
    """Return messages for a template without a system role: its text begins the next message."""
    merged: list[Message] = []
    pending: list[MessagePart] = []
    for message in messages:
        if message.role == "system":
            pending += message.parts
        else:
            merged.append(replace(message, parts=(*pending, *message.parts)))
            pending = []
    return merged


def count_pictures(messages: Iterable[Message]) -> int:
    """Return how many pictures messages hold."""
    return sum(isinstance(part, ImagePart) for message in messages for part in message.parts)


def chatml(messages: Sequence[Message], *, image_token: str) -> tuple[str, list[ImagePart]]:
    """Return messages as a ChatML prompt that ends where the reply begins, and its pictures.

    `image_token` stands in the prompt for each picture, in their order. The form is that of
    OpenAI's ChatML, which many open models were tuned on.
    """
    blocks: list[str] = []
    pictures: list[ImagePart] = []
    for message in messages:
        pieces: list[str] = []
        for part in flatten(message):
            if isinstance(part, ImagePart):
                pictures.append(part)
                pieces.append(image_token)
            else:
                pieces.append(part.text)
        body = "\n".join(pieces)
        blocks.append(f"<|im_start|>{message.role}\n{body}<|im_end|>\n")
    return "".join([*blocks, "<|im_start|>assistant\n"]), pictures


def one_line(text: str, *, longest: int = LONGEST_NAME) -> str:
    """Return a name from a library so that it can stand in a line: defused, bounded, unbroken."""
    plain = defuse_control(" ".join(text.split()))
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def _attribute(text: str) -> str:
    plain = one_line(text, longest=_LONGEST_ATTRIBUTE)
    return plain.replace('"', "'").replace("<", "‹").replace(">", "›")
