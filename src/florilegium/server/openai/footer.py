"""The end of an answer for clients that show nothing but its text: sources, and what went wrong.

What is written here is taken off again when a client sends it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from florilegium.answers import Answer

_RULE = "\n\n---\n"
_LINE = re.compile(r"\[\d+\] `|\(")  # how each line begins
# Clients show the text as Markdown, in which a title could draw a picture from anywhere.
_LOUD = str.maketrans({"[": "(", "]": ")", "<": "‹", ">": "›", "`": "'"})


def footer(answer: Answer) -> str:
    """Return what stands below the text of an answer; empty where there is nothing to say."""
    lines = [*_sources(answer), *_failure(answer)]
    return _RULE + "\n\n".join(lines) if lines else ""


def without_footer(text: str) -> str:
    """Return the text of an answer as it was before a footer was put below it."""
    # Clients send any text: one look at each line, since a pattern of all of it may never end.
    before, rule, below = text.rpartition(_RULE)
    # Between two lines there is an empty one, as `footer` writes it, or none.
    lines = below.rstrip().replace("\n\n", "\n").split("\n")
    return before if rule and all(_LINE.match(line) for line in lines) else text


def _sources(answer: Answer) -> Iterator[str]:
    for citation in answer.citations:
        item = citation.hit.item
        path = " ".join(item.source.path.replace("`", "'").split())
        yield f"[{citation.number}] `{path}` {_quiet(item.title)}".rstrip()


def _failure(answer: Answer) -> Iterator[str]:
    failure = answer.failure
    if failure is None:
        return
    model = _quiet(failure.model)
    if failure.stands_in:
        yield f"(The chat model {model} is out of reach; this is quoted from the library.)"
    else:
        yield f"(The chat model {model} failed here: {_quiet(failure.message)})"


def _quiet(text: str) -> str:
    """Return a text on one line, in which nothing is a sign of Markdown or HTML."""
    return " ".join(text.translate(_LOUD).split())
