"""Where sentences end, in English, Chinese and their neighbours, with Markdown lists and headings.

Pure rules, no model: an abbreviation, an initial or a number does not end a sentence. Knows nothing
of tokens or chunks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from florilegium.types import Span

# A newline ends a sentence where a list goes on, and after a line that is too short to have been
# wrapped; wide (Chinese) characters count as two columns.
_WRAPPED_COLUMNS = 50

_LIST_MARK = r"[ \t]*(?:[-*+•·▪‣–]|\(?\d{1,3}[.)]|[a-z][.)])[ \t]+|[ \t]*(?:\#{1,6}[ \t]|[|>])"
_STARTS_LINE = re.compile(_LIST_MARK)
_NUMBER_MARK = re.compile(r"[ \t]*[-*+•]?[ \t]*\(?(?:\d{1,3}|[A-Za-z])[.)]")
_CLOSERS = r"[\"'”’»」』】）)\]》〉*_]{0,9}"
_END: Final = re.compile(
    rf"(?P<wide>[。！？；｡]+[。！？；｡…]*{_CLOSERS}|…+{_CLOSERS})"
    rf"|(?P<narrow>[.!?؟۔।॥]{{1,20}}{_CLOSERS})(?=\s)"
    r"|(?P<line>\n\s*)"
)
_WORD_BEFORE = re.compile(r"[\w.]+\Z")
_WORD_AFTER = re.compile(r"\s*[\"'“‘«(\[*_]*(\w+)?")

# Never the end of a sentence: something always follows.
_LEADING: Final = (
    "dr mr mrs ms prof st rev gen col maj capt lt sgt sen rep gov hon fr mt ft fig figs eq vs "
    "e.g i.e cf al var subsp ssp f cv viz approx ca resp ed eds vol pp"
)
# An abbreviation only before a number: "No. 5", but "The answer is no."
_NUMBERING: Final = "no nos p c jan feb mar apr jun jul aug sep sept oct nov dec"
# The end of a sentence only when the next word is one that starts sentences.
_EITHER: Final = "etc jr sr inc ltd co corp dept est sp spp a.m p.m a.d b.c ave blvd rd"
_STARTERS: Final = (
    "a all also although an and another as at because before both but by during each even "
    "every for from he her here his how however i if in is it its many most my no not of on "
    "one or our she since so some such that the their then there these they this those though "
    "to we what when where which while who why with you your"
)


def split_sentences(text: str) -> list[Span]:
    """Return the sentences of `text` in order, without the white space around them.

    Together they hold every character that is not white space. Items of a list, headings and
    short lines count as sentences; lines that were wrapped at a width do not.
    """
    spans: list[Span] = []
    start = 0
    for end in (*_borders(text), len(text)):
        span = strip_span(text, start, end)
        if span is not None:
            spans.append(span)
        start = end
    return spans


def strip_span(text: str, start: int, end: int) -> Span | None:
    """Return `text[start:end]` without the white space at its borders, None if nothing is left."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start=start, end=end) if start < end else None


def columns(text: str) -> int:
    """Return how wide `text` is in a monospaced font: wide characters take two columns."""
    return len(text) + sum(unicodedata.east_asian_width(character) in "WF" for character in text)


def _borders(text: str) -> Iterator[int]:
    line_start = 0
    for match in _END.finditer(text):
        kind, end = match.lastgroup, match.end()
        if kind == "line":
            if _ends_line(text, line_start, match.start(), end):
                yield end
            line_start = end
        elif kind == "wide":
            # 「他……走了」 goes on, and so does "wait… for it", but "……" before a space does not.
            if not (match.group().startswith("…") and _goes_on(text, end)):
                yield end
        elif _ends_narrow(text, line_start, match.start("narrow"), end):
            yield end


def _goes_on(text: str, end: int) -> bool:
    following = text[end : end + 1]
    if following in {"，", "、", ",", ";", "："}:
        return True
    word = _WORD_AFTER.match(text, end)
    first = word.group(1) if word else None
    return bool(first) and str(first)[0].islower()


def _ends_line(text: str, start: int, end: int, following: int) -> bool:
    if text.count("\n", end, following) > 1 or _STARTS_LINE.match(text, following):
        return True
    line = text[start:end]
    if line.lstrip().startswith("#"):
        return True
    first = text[following : following + 1]
    return not first.islower() and columns(line[: _WRAPPED_COLUMNS + 1]) < _WRAPPED_COLUMNS


def _ends_narrow(text: str, line_start: int, mark: int, end: int) -> bool:
    after = _WORD_AFTER.match(text, end)
    next_word = (after.group(1) if after else None) or ""
    if next_word[:1].islower() or text[mark] != ".":
        return not next_word[:1].islower()
    if text[mark:end].startswith(".."):
        return True
    if _NUMBER_MARK.fullmatch(text, line_start, mark + 1):
        return False
    # No word is longer than this; a look-behind without a limit would make long lines slow.
    before = _WORD_BEFORE.search(text, max(line_start, mark - 40), mark)
    word = before.group() if before else ""
    return _word_ends(word, next_word)


def _word_ends(word: str, next_word: str) -> bool:
    """Return whether a full stop between these two words ends a sentence."""
    small = word.lower()
    if small in _NUMBERING.split() and (small != "no" or word == "No" or next_word.isdigit()):
        return not next_word[:1].isdigit()
    if small in _LEADING.split():
        return False
    is_initials = all(len(part) == 1 and part.isupper() for part in word.split("."))
    if word and (small in _EITHER.split() or is_initials):
        return next_word.lower() in _STARTERS.split() or not next_word
    return True
