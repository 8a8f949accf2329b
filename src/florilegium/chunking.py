"""How a long text is cut into chunks and windows that fit a number of tokens, losing nothing.

Pure: counts tokens by a function that it is given. Knows paragraphs, headings and lists of Markdown
and plain text, but not what they say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from florilegium.sentences import columns, split_sentences, strip_span
from florilegium.types import Span

__all__ = ["split_chunks", "split_sentences", "split_windows"]

# A paragraph of this many tokens says one thing and is a chunk of its own; smaller ones are merged.
_PARAGRAPH_TOKENS = 60

# A line wider than this was not wrapped by hand, so the newline after it ends a paragraph.
_UNWRAPPED_COLUMNS = 120

_MOST_CHARACTERS = 200  # of a token

_MOST_MARKS = 30  # of a character; more are no script

_Kind = Literal["heading", "lead", "body"]
_HEADING = re.compile(r"[ ]{0,3}(?:\#{1,6}(?:[ \t]|$)|={2,}[ \t].*[ \t]={2,}[ \t]*$)")
_UNDERLINE = re.compile(r"[ ]{0,3}(?:={3,}|-{3,})[ \t]*$")
_FENCE = re.compile(r"[ ]{0,3}(```+|~~~+)")
# A picture or a line that announces what comes belongs to what follows it.
_LEAD = re.compile(r"(?:!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])|<img\b[^>]*>|\s)+|[^\n]*[:：]")
_CLAUSE_END: Final = re.compile(r"[，、；：—–）】」』]|[,;:)](?=\s)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    span: Span
    kind: _Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """A stretch that fits; `small` ones may be merged with small neighbours."""

    span: Span
    tokens: int
    small: bool


class _Ruler:
    """Measures stretches of one text, each about once."""

    def __init__(self, text: str, max_tokens: int, count_tokens: Callable[[str], int]) -> None:
        self.text = text
        self._count = count_tokens
        # What a tokenizer adds to every text, e.g. a start and an end, is paid once per chunk.
        self._overhead = count_tokens("")
        self.budget = max(1, max_tokens - self._overhead)

    def tokens(self, span: Span) -> int:
        """Return the tokens of a stretch, without those that every text has."""
        tokens = self._count(self.text[span.start : span.end]) - self._overhead
        # Tokenizers may count one for a word of any length, which they do not know.
        return max(tokens, (span.end - span.start) // _MOST_CHARACTERS)

    def fits(self, span: Span) -> bool:
        """Return whether a stretch is within the budget."""
        return self.tokens(span) <= self.budget


def split_chunks(text: str, *, max_tokens: int, count_tokens: Callable[[str], int]) -> list[Span]:
    """Return the chunks of `text` in order; each fits `max_tokens`, together they lose nothing.

    A chunk is about a paragraph: one of 60 tokens or more stands alone, smaller ones of the same
    section are merged, longer ones are cut at sentences, then clauses, then words. A heading, a
    picture or a line ending in a colon stays with what follows it.

    Args:
        text: The decoded text of a source.
        max_tokens: The most tokens of a chunk. Only a single character may have more.
        count_tokens: Counts the tokens of a text, as `Encoder.count_tokens` does; it is called
            about once per paragraph or sentence.
    """
    ruler = _Ruler(text, max_tokens, count_tokens)
    chunks: list[Span] = []
    for section in _sections(list(_blocks(text))):
        chunks += _merge(ruler, _units(ruler, section))
    return chunks


def split_windows(text: str, *, max_tokens: int, count_tokens: Callable[[str], int]) -> list[Span]:
    """Return stretches of `text`, in order, that fit an encoder's limit and lose nothing.

    A text that fits is one window; others are cut at sentences, then clauses, then words, into
    windows of about the same size. The arguments are those of `split_chunks`.
    """
    ruler = _Ruler(text, max_tokens, count_tokens)
    whole = strip_span(text, 0, len(text))
    if whole is None:
        return []
    if ruler.fits(whole):
        return [whole]
    return [unit.span for unit in _pack(ruler, _shift(split_sentences(text), 0))]


def _blocks(text: str) -> Iterator[_Block]:
    """Yield headings, pictures and paragraphs; code between fences is one paragraph."""
    start, fence, above, line_start = 0, "", 0, 0
    for match in re.finditer(r"[^\n]*\n|[^\n]+", text):
        above, (line_start, line_end) = line_start, match.span()
        line = text[line_start:line_end].rstrip("\n")
        mark = _FENCE.match(line)
        if mark and not fence:
            yield from _block(text, start, line_start)
            start, fence = line_start, mark.group(1)
        elif fence:
            if mark and mark.group(1).startswith(fence):
                yield from _block(text, start, line_end)
                start, fence = line_end, ""
        elif _HEADING.match(line):
            yield from _block(text, start, line_start)
            yield from _block(text, line_start, line_end, kind="heading")
            start = line_end
        elif _UNDERLINE.match(line) and text[start:line_start].strip():
            # Only the line right above is underlined; what stands before it is a paragraph.
            yield from _block(text, start, above)
            yield from _block(text, above, line_end, kind="heading")
            start = line_end
        elif not line.strip() or _ends_paragraph(text, line, line_end):
            yield from _block(text, start, line_end)
            start = line_end
    yield from _block(text, start, len(text))


def _ends_paragraph(text: str, line: str, line_end: int) -> bool:
    return text.startswith("\u3000", line_end) or columns(line) > _UNWRAPPED_COLUMNS


def _block(text: str, start: int, end: int, *, kind: _Kind | None = None) -> Iterator[_Block]:
    span = strip_span(text, start, end)
    if span is not None:
        is_lead = _LEAD.fullmatch(text, span.start, span.end)
        yield _Block(span=span, kind=kind or ("lead" if is_lead else "body"))


def _sections(blocks: Sequence[_Block]) -> list[list[_Block]]:
    sections: list[list[_Block]] = []
    previous: _Kind = "body"
    for block in blocks:
        # A heading right below another one goes on with the same section.
        if not sections or (block.kind == "heading" and previous != "heading"):
            sections.append([])
        sections[-1].append(block)
        previous = block.kind
    return sections


def _units(ruler: _Ruler, section: Sequence[_Block]) -> list[_Unit]:
    units: list[_Unit] = []
    lead: int | None = None
    for position, block in enumerate(section):
        is_last = position == len(section) - 1
        if block.kind != "body" and not is_last:
            lead = block.span.start if lead is None else lead
            continue
        start = block.span.start if lead is None else lead
        lead = None
        if block.kind == "lead" and units and _extend(ruler, units, block.span.end):
            continue
        span = Span(start=start, end=block.span.end)
        tokens = ruler.tokens(span)
        if tokens <= ruler.budget:
            small = tokens < _PARAGRAPH_TOKENS
            units.append(_Unit(span=span, tokens=tokens, small=small))
        else:
            units += _pack(ruler, _sentences_with_lead(ruler.text, span, block.span.start))
    return units


def _extend(ruler: _Ruler, units: list[_Unit], end: int) -> bool:
    """Let the last unit take in a picture that ends its section; return whether it fits."""
    span = Span(start=units[-1].span.start, end=end)
    tokens = ruler.tokens(span)
    if tokens > ruler.budget:
        return False
    units[-1] = _Unit(span=span, tokens=tokens, small=units[-1].small)
    return True


def _sentences_with_lead(text: str, span: Span, body_start: int) -> list[Span]:
    """Return the sentences of a paragraph; the first reaches back over its heading."""
    first, *others = _shift(split_sentences(text[body_start : span.end]), body_start)
    return [Span(start=span.start, end=first.end), *others]


def _shift(spans: Sequence[Span], offset: int) -> list[Span]:
    return [Span(start=span.start + offset, end=span.end + offset) for span in spans]


def _merge(ruler: _Ruler, units: Sequence[_Unit]) -> list[Span]:
    """Return the spans of units, small neighbours joined as far as they fit."""
    groups: list[list[_Unit]] = []
    size = 0
    for unit in units:
        group = groups[-1] if groups else []
        size += unit.tokens
        if group and group[-1].small and unit.small and size <= ruler.budget:
            group.append(unit)
        else:
            groups.append([unit])
            size = unit.tokens
    return [joined.span for group in groups for joined in _join(ruler, group)]


def _pack(ruler: _Ruler, sentences: Sequence[Span]) -> list[_Unit]:
    """Return units of about the same size, made of whole sentences as far as they fit."""
    pieces: list[_Unit] = []
    for span in sentences:
        tokens = ruler.tokens(span)
        if tokens <= ruler.budget:
            pieces.append(_Unit(span=span, tokens=tokens, small=False))
        else:
            pieces += _cut(ruler, span, tokens)
    total = sum(piece.tokens for piece in pieces)
    even = total / max(1, -(-total // ruler.budget))
    groups: list[list[_Unit]] = []
    size = 0
    for piece in pieces:
        if groups and size < even and size + piece.tokens <= ruler.budget:
            groups[-1].append(piece)
            size += piece.tokens
        else:
            groups.append([piece])
            size = piece.tokens
    return [joined for group in groups for joined in _join(ruler, group)]


def _join(ruler: _Ruler, group: Sequence[_Unit]) -> list[_Unit]:
    """Return the group as one unit, or as smaller ones where its sum was an underestimate."""
    if len(group) == 1:
        return list(group)
    span = Span(start=group[0].span.start, end=group[-1].span.end)
    tokens = ruler.tokens(span)
    if tokens <= ruler.budget:
        return [_Unit(span=span, tokens=tokens, small=False)]
    half = len(group) // 2
    return [*_join(ruler, group[:half]), *_join(ruler, group[half:])]


def _cut(ruler: _Ruler, span: Span, tokens: int) -> list[_Unit]:
    """Return the pieces of a stretch that is over the budget, cut where it hurts least."""
    units: list[_Unit] = []
    width = max(1, (span.end - span.start) * ruler.budget // max(1, tokens))
    start = span.start
    while start < span.end:
        size = min(width, span.end - start)
        while True:
            end = _border(ruler.text, start, min(start + size, span.end), span.end)
            piece = strip_span(ruler.text, start, end)
            count = ruler.tokens(piece) if piece else 0
            if count <= ruler.budget or end - start <= 1:
                break
            size = min(size, end - start) * 2 // 3
        if piece:
            units.append(_Unit(span=piece, tokens=count, small=False))
        start = end
    return units


def _border(text: str, start: int, end: int, last: int) -> int:
    """Return the best place to cut in the second half of `text[start:end]`."""
    if end >= last:
        return last
    half = start + (end - start) // 2
    for position in range(end, half, -1):
        if _CLAUSE_END.match(text, position - 1):
            return position
    for position in range(end, half, -1):
        if text[position].isspace() or text[position - 1].isspace():
            return position
    first = max(start + 1, end - _MOST_MARKS)
    whole = end
    while whole > first and unicodedata.combining(text[whole]):
        whole -= 1
    return end if unicodedata.combining(text[whole]) else whole
