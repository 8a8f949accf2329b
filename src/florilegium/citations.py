"""Citation numbers in streamed text, and the quotes that they stand behind.

Pure functions of text and hits. Knows nothing of chat models or of how a prompt is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from florilegium.answers import Citation
from florilegium.types import Hit, Modality, Span

_LONGEST_BODY = 60
_BODY = r"[ \t\d,，、;；–-]"
_NUMBER = r"[ \t]*\d+[ \t]*"
_OPEN, _CLOSE = r"[\[【［]", r"[\]】］]"
_WORD = r"(?:(?:[Ss]ources?|来源|资料)[ \t:：]*)?"
# All the blanks there are, from the first: a try at each of them takes minutes where they are many.
_BLANKS = r"(?<![ \t])[ \t]*+"
_MARKER = re.compile(
    rf"(?P<space>{_BLANKS}){_OPEN}(?={_WORD}{_BODY}{{1,{_LONGEST_BODY}}}{_CLOSE}){_WORD}"
    rf"(?P<body>{_NUMBER}(?:[,，、;；–-]{_NUMBER})*){_CLOSE}"
)
# What may still become a marker when more text comes: trailing blanks, or an open bracket.
_BEGUN_WORD = r"(?:[Ss](?:o(?:u(?:r(?:ce?)?)?)?)?|来|资)?"
_PARTIAL = re.compile(
    rf"{_BLANKS}(?<=[ \t])$|{_BLANKS}{_OPEN}(?:{_BEGUN_WORD}|{_WORD}{_BODY}{{0,{_LONGEST_BODY}}})$"
)
_ONE_OR_RANGE = re.compile(r"(\d+)[ \t]*(?:[–-][ \t]*(\d+))?")
_WIDEST_RANGE = 50
_SENTENCE_END = re.compile(r"[.!?]['\")\]]?\s+|[。！？]|\n")
_QUOTED = re.compile(r"[\"“「『]([^\"“”「」『』]+)[\"”」』]")
_EDGES = " \t\r\n.,;:!?。，；：！？、…"
_SHORTEST_QUOTE = 4
_NOT_COMPARED = re.compile(r"\s+|\[\d[\d ,–-]*\]")


class CitationParser:
    """Pass streamed text through, making every citation one that exists.

    `[1]`, `[2, 3]`, `[1-3]` and `【1】` are written as `[1]`, `[2, 3]`, `[1, 2, 3]` and `[1]`, and
    so are `[Source 1]` and `［1］`; numbers outside 1..`count` are taken out of the text and
    counted in `removed`. The text that comes out does not depend on how the text that went in was
    split.
    """

    def __init__(self, *, count: int) -> None:
        self._count = count
        self._held = ""
        self._numbers: dict[int, None] = {}
        self.removed = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers that were cited so far, in the order of their first use."""
        return tuple(self._numbers)

    def feed(self, text: str) -> str:
        """Return the text that is ready to be shown; the beginning of a marker is held back."""
        self._held += text
        partial = _PARTIAL.search(self._held)
        cut = partial.start() if partial else len(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        return _MARKER.sub(self._rewrite, ready)

    def finish(self) -> str:
        """Return what was held back, at the end of the stream."""
        ready, self._held = self._held, ""
        return _MARKER.sub(self._rewrite, ready)

    def _rewrite(self, match: re.Match[str]) -> str:
        asked = list(dict.fromkeys(_numbers_of(match["body"])))
        kept = [number for number in asked if 1 <= number <= self._count]
        self.removed += len(asked) - len(kept)
        if not kept:
            return ""
        self._numbers.update(dict.fromkeys(kept))
        return f"{match['space']}[{', '.join(map(str, kept))}]"


def strip_citations(text: str) -> str:
    """Return `text` without its citation markers."""
    return _MARKER.sub("", text)


def cited_numbers(text: str) -> list[int]:
    """Return the numbers of the citation markers in `text`, each once, in order."""
    numbers = [n for match in _MARKER.finditer(text) for n in _numbers_of(match["body"])]
    return list(dict.fromkeys(numbers))


def cite(text: str, hits: Sequence[Hit]) -> tuple[Citation, ...]:
    """Return one citation for each number in `text`, in the order of first use.

    Args:
        text: A whole reply, as it came out of a CitationParser.
        hits: The numbered sources: number n is `hits[n - 1]`; other numbers are passed over.
    """
    found: dict[int, Citation] = {}
    for claim, numbers in _claims(text):
        for number in numbers:
            if not 1 <= number <= len(hits):
                continue
            known = found.get(number)
            if known is None or known.quote is None:
                found[number] = _citation(number, claim, hits[number - 1])
    return tuple(found.values())


def find_quote(claim: str, text: str) -> tuple[str, Span] | None:
    """Return the words of `claim` that stand verbatim in `text`, and where they stand.

    The whole claim is looked for first, then what it has in quotation marks, then its last
    sentences. White space and citation numbers are not compared, so a quote that runs over a
    line break, or past an encyclopedia's own `[3]`, is found.
    """
    compact, places = _compact(text)
    for candidate in _candidates(claim):
        wanted, _ = _compact(candidate)
        if len(wanted) < _SHORTEST_QUOTE:
            continue
        at = compact.find(wanted)
        if at >= 0:
            span = Span(start=places[at], end=places[at + len(wanted) - 1] + 1)
            return text[span.start : span.end], span
    return None


def _citation(number: int, claim: str, hit: Hit) -> Citation:
    item = hit.item
    quoted = find_quote(claim, item.text) if item.modality is Modality.TEXT else None
    if quoted is None:
        return Citation(number=number, hit=hit)
    quote, span = quoted
    if item.span is None:
        return Citation(number=number, hit=hit, quote=quote)
    offset = item.span.start
    in_source = Span(start=offset + span.start, end=offset + span.end)
    return Citation(number=number, hit=hit, quote=quote, span=in_source)


def _claims(text: str) -> Iterator[tuple[str, list[int]]]:
    """Yield what each marker stands behind, and its numbers; `[1][2]` share one claim."""
    start, claim = 0, ""
    for match in _MARKER.finditer(text):
        before = text[start : match.start()]
        claim = before if before.strip(_EDGES) else claim
        yield claim, _numbers_of(match["body"])
        start = match.end()


def _candidates(claim: str) -> Iterator[str]:
    # A full stop may belong to the claim before ("… [1]. Next …") or to this one, so both forms.
    whole = claim.lstrip(_EDGES).rstrip()
    yield whole
    yield whole.rstrip(_EDGES)
    for quoted in _QUOTED.finditer(whole):
        yield quoted[1].strip(_EDGES)
    for end in _SENTENCE_END.finditer(whole):
        rest = whole[end.end() :]
        yield rest
        yield rest.rstrip(_EDGES)


def _compact(text: str) -> tuple[str, list[int]]:
    """Return `text` without what is not compared, and where each character left stood."""
    kept: list[str] = []
    places: list[int] = []
    start = 0
    for gap in [*_NOT_COMPARED.finditer(text), None]:
        end = gap.start() if gap else len(text)
        kept.append(text[start:end])
        places.extend(range(start, end))
        start = gap.end() if gap else end
    return "".join(kept), places


def _numbers_of(body: str) -> list[int]:
    numbers: list[int] = []
    for match in _ONE_OR_RANGE.finditer(body):
        first, last = int(match[1]), int(match[2] or match[1])
        whole = 0 <= last - first <= _WIDEST_RANGE
        numbers += range(first, last + 1) if whole else [first, last]
    return numbers
