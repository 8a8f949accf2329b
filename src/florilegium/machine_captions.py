"""What a chat model is asked for a caption, and which of its replies is one.

Pure functions of strings. Knows no chat model, no picture and no index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from florilegium.config import ChatConfig
from florilegium.config_sections import IngestConfig
from florilegium.fields import MACHINE_CAPTION, Fields, fold, plain
from florilegium.ids import hash_bytes
from florilegium.redaction import show_address
from florilegium.sentences import split_sentences

Mode = Literal["off", "missing", "all"]
Problem = Literal[
    "caption_refused", "caption_empty", "caption_repeats", "caption_cut", "caption_error"
]

LONGEST_REPLY: Final = 4_000
"""Characters of a reply that are read; more is no caption of one or two sentences."""

PROBLEMS: Final[dict[Problem, tuple[str, str]]] = {
    "caption_refused": (
        "the chat model refused to describe it",
        "Take another model, or describe the picture yourself.",
    ),
    "caption_empty": (
        "the chat model said nothing",
        "Take another model, or change ingest.caption_prompt.",
    ),
    "caption_repeats": (
        "the chat model said the same over and over",
        "Take another model, or change ingest.caption_prompt.",
    ),
    "caption_cut": (
        "the reply was cut off before its first sentence was whole",
        "Raise ingest.caption_max_tokens, or switch the model's thinking off.",
    ),
    "caption_error": (
        "the reply was the text of an error",
        "Look at the log of the model's server.",
    ),
}
"""What each problem means, and what to do about it."""

# The fields in which people say in words what a picture shows; a label is only a name of its kind.
_WORDS: Final = frozenset({"title", "caption", "keywords"})
_THOUGHT_END: Final = "</think>"
_CONTROL: Final = re.compile(r"<\|[^|<>]{1,40}\|>|</?s>|<end_of_utterance>|<eos>")
_LEAD_IN: Final = re.compile(
    r"\s*(?:(?:sure|certainly|of course|okay|ok)\b[^:\n]{0,80}[:\n]"
    r"|here(?:'s| is| are)\b[^:\n]{0,80}:"
    r"|\W{0,3}(?:caption|description|answer|描述|说明|答案)\W{0,3}[:：])\W{0,3}(?=\S)",
    re.IGNORECASE,
)
_REFUSAL: Final = re.compile(
    r"\W*(?:(?:i'?m|i am|we are|we're) (?:so |very |really |truly )?"
    r"(?:sorry|unable|not able|afraid)\b"
    r"|sorry\b|(?:my )?apologies\b|i apologi[sz]e\b|unfortunately,? (?:i|we|there is no)\b"
    r"|(?:i|we) (?:cannot|can'?t|can not|could not|couldn'?t|won'?t|will not|do not see|don'?t see"
    r"|am unable|do not have|don'?t have|must decline)\b"
    r"|as an? (?:ai|large language|language)\b"
    r"|(?:there is|there's) no (?:image|picture|photo)\b|no (?:image|picture) (?:was|is|has)\b"
    r"|(?:please|could you|can you) (?:please )?(?:provide|upload|share|attach|send)\b"
    r"|(?:非常|很|十分)?(?:抱歉|对不起|遗憾)|我(?:无法|不能|没办法|看不到)|无法(?:识别|查看|描述|处理)"
    r"|作为(?:一个|一款)?(?:AI|人工智能|语言模型|大模型)|请(?:您)?(?:提供|上传|发送))",
    re.IGNORECASE,
)
_ERROR: Final = re.compile(
    r"\W*(?:error\s*[:(\d]|(?:an? )?(?:\w+ )?(?:error|exception) (?:has )?occurred\b"
    r"|(?:\w*error|\w*exception):|traceback \(|(?:http(?:/[\d.]+)? )?[45]\d\d\s+[a-z]"
    r"|internal server error|bad gateway|bad request\W*$|service unavailable|gateway time-?out"
    r"|too many requests|rate limit|(?:cuda|gpu) (?:out of memory|error)|out of memory"
    r"|<(?:!doctype|html)\b|\{\s*\"(?:error|detail|message|code)\")",
    re.IGNORECASE,
)
_REPEATED: Final = re.compile(r"(?P<said>.{2,100}?)(?P=said){4}", re.DOTALL)
_ENDS: Final = re.compile(r"[.!?…。！？][\"'”’»」』)\]）*_]*\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reply is: a caption, or none and why."""

    caption: str = ""
    problem: Problem | None = None


def caption_recipe(ingest: IngestConfig, chat: ChatConfig) -> str | None:
    """Return what captions are kept under: who is asked what. None when none are wanted.

    A server that is asked for its only model is known by its address, without what may be secret
    there. The settings are all that is looked at, so that captions are found while a server is
    down.
    """
    if ingest.captions == "off":
        return None
    model = chat.name if ":" in chat.name else f"{chat.name} {show_address(chat.base_url)}"
    return f"{model} {hash_bytes(ingest.caption_prompt.strip().encode())}"


def wants_caption(
    mode: Mode, *, fields: Iterable[tuple[str, str]], words_at_links: Iterable[str]
) -> bool:
    """Return whether a picture is to have a machine caption.

    In the mode `missing`, it is if people said nothing of it but the names of its file and folders.
    """
    if mode != "missing":
        return mode == "all"
    said = (value for name, value in fields if name in _WORDS)
    return not any(_has_words(words) for words in (*said, *words_at_links))


def with_machine_caption(fields: Fields, caption: str) -> Fields:
    """Return the fields of a picture with this machine caption alone; "" takes it away."""
    others = {(name, value) for name, value in fields if name != MACHINE_CAPTION}
    return tuple(sorted(others | {(MACHINE_CAPTION, caption)} if caption else others))


def machine_caption_of(fields: Fields) -> str:
    """Return the machine caption among the fields of a picture, "" if there is none."""
    return next((value for name, value in fields if name == MACHINE_CAPTION), "")


def read_reply(reply: str, *, is_cut: bool) -> Reading:
    """Return the caption in a reply: one line, without thoughts, repetitions and a broken end.

    Args:
        reply: What the chat model said.
        is_cut: Whether it was stopped before it had finished.
    """
    said = _CONTROL.sub(" ", reply.rpartition(_THOUGHT_END)[2]).strip()
    said = _LEAD_IN.sub("", said, count=1).replace("**", "")
    straight = said.replace("’", "'")
    if _ERROR.match(straight):
        return Reading(problem="caption_error")
    if _REFUSAL.match(straight):
        return Reading(problem="caption_refused")
    if not _has_words(said):
        return Reading(problem="caption_cut" if is_cut else "caption_empty")
    sentences = list(_sentences(said))
    if is_cut and not _ENDS.search(sentences[-1]):
        sentences.pop()
    if not sentences:
        # What repeats itself until it is stopped would go on with more room.
        looping = _loops(said)
        return Reading(problem="caption_repeats" if looping else "caption_cut")
    kept = list(_without_repetitions(sentences))
    if not kept:
        return Reading(problem="caption_repeats")
    caption = _unquoted(plain(" ".join(kept)))
    if not _has_words(caption):
        return Reading(problem="caption_empty")
    return Reading(caption=caption)


def _sentences(text: str) -> Iterator[str]:
    for span in split_sentences(text):
        yield text[span.start : span.end]


def _without_repetitions(sentences: Iterable[str]) -> Iterator[str]:
    """Yield sentences until one loops, refuses or is an error; what was said before is left out."""
    seen: set[str] = set()
    for sentence in sentences:
        straight = sentence.replace("’", "'")
        if _loops(sentence) or _REFUSAL.match(straight) or _ERROR.match(straight):
            return
        folded = fold(re.sub(r"\W+", " ", sentence))
        if folded not in seen:
            seen.add(folded)
            yield sentence


def _loops(text: str) -> bool:
    return any(_has_words(found["said"]) for found in _REPEATED.finditer(text))


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _unquoted(text: str) -> str:
    for opening, closing in ('""', "“”", "「」", "''"):
        inner = text[1:-1]
        if text[:1] == opening and text[-1:] == closing and not {opening, closing} & set(inner):
            return inner.strip()
    return text
