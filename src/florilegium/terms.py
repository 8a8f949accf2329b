"""Signed terms in what a user types: `+"snow" -car`. Pure functions of strings."""

from __future__ import annotations

import re

from florilegium.types import Term

# A sign belongs to what follows it at once and stands at the start of a word, so that neither
# "state-of-the-art" nor "5 - 3" nor "-5 degrees" is a term.
_TERM = re.compile(
    r"(?<!\S)(?P<sign>[+\-−＋－])"
    r"(?:\"(?P<straight>[^\"]+)\"|[“「](?P<curly>[^”」]+)[”」]|(?P<bare>[^\W\d_][^\s\"“”「」]*))"
)


def split_terms(typed: str) -> tuple[str, tuple[Term, ...]]:
    """Return the text without its signed terms, and the terms in their order.

    `a rose +"in snow" -red` gives `a rose` and two terms. A quotation may hold several words.
    Without a sign quotation marks mean nothing and stay.
    """
    terms = tuple(
        Term(text=words, wanted=match["sign"] in "+＋")
        for match in _TERM.finditer(typed)
        if (words := _words(match))
    )
    if not terms:
        return typed, ()
    return " ".join(_TERM.sub(" ", typed).split()), terms


def _words(match: re.Match[str]) -> str:
    quoted = match["straight"] or match["curly"]
    return (
        " ".join((quoted or match["bare"]).split())
        if quoted
        else match["bare"].rstrip(",.;:!?，。；：！？、")
    )
