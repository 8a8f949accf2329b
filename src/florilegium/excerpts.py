"""The stretch of a text that fits a query best, cut to a width in terminal cells.

Pure functions of strings; a Chinese character is two cells wide. The choice is only for display:
ranking is done elsewhere.
"""

from __future__ import annotations

import re

from rich.cells import cell_len, set_cell_size

_RUNS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_WORD_BREAK = re.compile(r"\s")
_ELLIPSIS = "…"
_MOST_MATCHES = 1_000


def best_excerpt(text: str, query: str, *, width: int = 100) -> str:
    """Return about `width` cells of `text`, around the densest stretch of words of `query`."""
    flat = " ".join(text.split())
    if cell_len(flat) <= width:
        return flat
    start = _best_start(flat, query, width=width)
    head = _ELLIPSIS if start else ""
    return head + cut(flat[start:], width=width - len(head))


def cut(text: str, *, width: int) -> str:
    """Return `text` in at most `width` cells, ending in `…` and at a word if it was longer."""
    if cell_len(text) <= width:
        return text
    kept = set_cell_size(text, width - 1).rstrip()
    following = text[len(kept) : len(kept) + 1]
    last_space = kept.rfind(" ")
    if following and not _WORD_BREAK.match(following) and last_space > len(kept) * 2 // 3:
        kept = kept[:last_space]
    return kept.rstrip(" ,;，；、") + _ELLIPSIS


def query_terms(query: str) -> list[str]:
    """Return the words of a query, and pairs of characters where words are not set apart."""
    terms: list[str] = []
    for run in _RUNS.findall(query.lower()):
        if "\u3040" <= run[0] <= "\u9fff":
            terms += [run[i : i + 2] for i in range(max(1, len(run) - 1))]
        elif len(run) > 2:
            terms.append(run)
    return list(dict.fromkeys(terms))


def _best_start(text: str, query: str, *, width: int) -> int:
    # Lower-casing may change the length of a text; positions then mean nothing.
    lower = text.lower() if len(text.lower()) == len(text) else text
    found: list[tuple[int, str]] = []
    for term in query_terms(query):
        # Stems match, so "watering" finds "water": only the beginning of a word is compared.
        stem = term[:5] if term.isascii() else term
        boundary = r"\b" if term.isascii() else ""
        found += [(match.start(), stem) for match in re.finditer(boundary + re.escape(stem), lower)]
    if not found:
        return 0
    found.sort()
    del found[_MOST_MATCHES:]  # each is compared with each
    reach = width if text.isascii() else width // 2
    scores = [
        (sum(map(len, {stem for at, stem in found if start <= at < start + reach})), -start)
        for start, _ in found
    ]
    start = _sentence_start(text, -max(scores)[1], back=reach // 3)
    return min(start, _last_full_start(text, width=width))


def _last_full_start(text: str, *, width: int) -> int:
    # An excerpt that begins near the end would be a scrap: begin so that it fills the width.
    start, cells = len(text), 1
    while start and cells + cell_len(text[start - 1]) <= width:
        start -= 1
        cells += cell_len(text[start])
    space = text.find(" ", start, start + 20)
    return start if space < 0 else space + 1


def _sentence_start(text: str, at: int, *, back: int) -> int:
    # Begin where the sentence does if that is near; otherwise at the word itself.
    begin = max(0, at - back)
    if begin == 0:
        return 0
    ends = [match.end() for match in re.finditer(r"[.!?]\s|[。！？]", text[begin:at])]
    return begin + ends[-1] if ends else at
