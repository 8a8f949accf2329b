"""What a question leans on: nothing, the question before it, or a picture. Pure functions of text.

Judged by wording alone, in English and Chinese; knows no model and no search.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from florilegium.lexical import content_tokens
from florilegium.simplified import simplify

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
# "In winter?" leans on what was said before; "In which month do I plant tulips?" does not.
_ASKS = (
    r"(what|which|who|whom|whose|how|when|where|why|do|does|did|is|are|was|were|can|could|"
    r"should|will|would|may|must)"
)
_LEAD_IN = re.compile(
    rf"(and|or|but|then|also|the same|(what|how) about)\b|"
    rf"(in|on|at|for|with|without|during)\b(?!.*\b{_ASKS}\b)|[那还又再](?!些|个|种)",
    re.IGNORECASE,
)
# What a clause within the question says of its own nouns ("roses so that they bloom") points at
# nothing outside of it.
_INNER = re.compile(
    r"\b(so that|that|when|if|because|until|before|after|while|as)\s+(it|they|he|she|their|its)\b",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"\b(it|its|itself|this|these|those)\b|"
    r"\bthat\b(?=\W*$|\s+(one|kind|sort)\b)|\b(about|of|for|with|is|was)\s+that\b|"
    r"(?<!其)[它他她]|[这那]|(?<!土耳)(?<!马)(?<!尤)(?<!极)其(?![他它实中余次间])|呢[?？]?$",
    re.IGNORECASE,
)
# These may mean what stands before them in the same question: "How do gardeners mow their lawn?"
_MAY_POINT_WITHIN = re.compile(r"\b(they|them|their|theirs|he|she|him|her|his)\b", re.IGNORECASE)
_IN_PICTURE = re.compile(
    r"\b(in|on) the (picture|photo|photograph|image)\b|[图照]片?[中里上]", re.IGNORECASE
)
_IDENTIFIES = re.compile(
    r"(what|who|which)\b.{0,30}\b(this|that|these|those|it|they)\W*$|.{0,4}[这那].{0,8}什么",
    re.IGNORECASE,
)


def is_follow_up(question: str) -> bool:
    """Return whether a question seems to lean on the one before: "And in winter?", "它有毒吗?"."""
    asked = simplify(question.strip())
    han = len(_HAN.findall(asked))
    short = han <= 4 if han else len(asked.split()) <= 2
    return short or bool(_LEAD_IN.match(asked)) or _points_back(_INNER.sub("", asked))


def _points_back(question: str) -> bool:
    if _POINTS_BACK.search(question):
        return True
    person = _MAY_POINT_WITHIN.search(question)
    return person is not None and len(content_tokens(question[: person.start()])) <= 1


def points_at_picture(question: str) -> bool:
    """Return whether a question that comes with a picture is about it: "How do I water it?".

    A question without content words ("What now?") can be about nothing else.
    """
    asked = simplify(question)
    return not content_tokens(asked) or is_follow_up(asked) or bool(_IN_PICTURE.search(asked))


def asks_what_it_is(question: str) -> bool:
    """Return whether a question asks what it points at is: "Which flower is this?"."""
    return bool(_IDENTIFIES.match(simplify(question.strip())))


def search_text(question: str, earlier: Sequence[str]) -> str:
    """Return what to search for: a follow-up brings the last question that stood alone along.

    Args:
        question: The question at hand.
        earlier: The questions of earlier turns, oldest first.
    """
    asked = question.strip()
    if not asked or not is_follow_up(asked):
        return asked
    # "What is this?" says nothing that a later question could lean on; the picture does.
    before = [text.strip() for text in earlier if not asks_what_it_is(text)]
    before = [text for text in before if text]
    if not before:
        return asked
    root = next((text for text in reversed(before) if not is_follow_up(text)), before[0])
    return f"{root} {asked}"
