"""Whether each sentence of a reply rests on the sources; those that do not are marked, in stream.

A sentence rests on a source that it cites, or on sources that hold its words. Knows words, not
truth: a sentence that twists the words of its source is not found out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from florilegium.citations import cited_numbers, strip_citations
from florilegium.languages import language_of
from florilegium.lexical import content_tokens, tokens
from florilegium.prompt import OWN_LABELS, is_refusal
from florilegium.sentences import split_sentences
from florilegium.types import Hit, Modality

MARKS = {"en": " (not from the library)", "zh": "（非资料库内容）"}
"""What is written after a sentence without support, by its language."""

_SHORTEST = 3  # content words; less claims too little to be judged
_UNCITED = 0.6  # share of an uncited sentence's content words that sources must hold
_MARKERS = r"(?:[ \t]*\n?[ \t]*\[\d+(?:, \d+)*\])*"
_CLOSERS = r"[\"'”’»」』】）)\]*_]{0,9}"
# A sentence may end here: at its mark with what closes quotes and with the citations behind it,
# or at a line break. What decides is the word that follows.
_BORDER = re.compile(rf"(?:[.!?。！？；]+{_CLOSERS}{_MARKERS}|(?=\n))(?P<gap>\s*)")
_NEXT_WORD = re.compile(r"\W{0,3}\w{0,12}")
_MOST_AHEAD = 15
_DECORATION = ' \t\r\n*_#>-•"“'
_NOT_A_CLAIM = (":", "：", "?", "？")


class SupportMarker:
    """Pass streamed text through, marking each sentence that rests on no source.

    The text that goes in is what came out of a CitationParser. The text that comes out does not
    depend on how it was split. Sentences of a paragraph that begins with one of OWN_LABELS are
    not marked: their label says it. `marked` counts the marks.

    Args:
        question: What was asked; its words need no support.
        hits: The numbered sources: number n is `hits[n - 1]`.
    """

    def __init__(self, *, question: str, hits: Sequence[Hit]) -> None:
        self._asked = set(content_tokens(question))
        self._hits = tuple(hits)
        self._words = [set(tokens(f"{hit.item.title}\n{hit.item.text}")) for hit in hits]
        self._sentence = ""  # what of the sentence at hand was passed on
        self._held = ""  # what was not
        self._in_own_part = False
        self.marked = 0

    def feed(self, text: str) -> str:
        """Return the text that is ready to be shown."""
        self._held += text
        return "".join(self._take(final=False))

    def finish(self) -> str:
        """Return what was held back, at the end of the stream."""
        out = [*self._take(final=True)]
        rest = self._held.rstrip()
        out.append(rest + self._mark(self._sentence + rest) + self._held[len(rest) :])
        self._sentence = self._held = ""
        return "".join(out)

    def _take(self, *, final: bool) -> list[str]:
        out: list[str] = []
        at = 0
        while border := _BORDER.search(self._held, at):
            ahead = self._held[border.end() : border.end() + _MOST_AHEAD]
            if not final and not _is_enough(ahead):
                break
            end, gap = border.start("gap"), border["gap"]
            before = self._sentence + self._held[:end]
            if not _ends(before, gap, ahead):
                at = max(border.end(), border.start() + 1)
                continue
            out += [self._held[:end], self._mark(before), gap]
            if "\n\n" in gap:
                self._in_own_part = False
            self._sentence, self._held, at = "", self._held[border.end() :], 0
        # What comes before a possible end, or before blanks that may precede one, is certain.
        border = _BORDER.search(self._held, at)
        cut = border.start() if border else len(self._held.rstrip())
        self._sentence += self._held[:cut]
        out.append(self._held[:cut])
        self._held = self._held[cut:]
        return out

    def _mark(self, sentence: str) -> str:
        """Return the mark of a whole sentence, or nothing."""
        bare = sentence.strip(_DECORATION)
        if any(bare.casefold().startswith(label.casefold()) for label in OWN_LABELS.values()):
            self._in_own_part = True
        if self._in_own_part or self._is_supported(bare):
            return ""
        self.marked += 1
        return MARKS.get(language_of(strip_citations(bare)), MARKS["en"])

    def _is_supported(self, sentence: str) -> bool:
        claim = strip_citations(sentence).strip()
        words = content_tokens(claim)
        is_marked = any(mark.strip() in sentence for mark in MARKS.values())
        if len(words) < _SHORTEST or claim.endswith(_NOT_A_CLAIM):
            return True
        if is_marked or is_refusal(claim):
            return True
        cited = [number - 1 for number in cited_numbers(sentence) if number <= len(self._hits)]
        if any(self._cannot_be_compared(index, claim) for index in cited):
            return True
        new = [word for word in words if word not in self._asked]
        held = set().union(*(self._words[index] for index in cited or range(len(self._hits))))
        found = sum(word in held for word in new)
        return found > 0 or not new if cited else found >= _UNCITED * len(new)

    def _cannot_be_compared(self, index: int, claim: str) -> bool:
        item = self._hits[index].item
        return item.modality is Modality.IMAGE or language_of(item.text) != language_of(claim)


def _is_enough(ahead: str) -> bool:
    """Return whether the word that follows is whole, so that more text changes nothing."""
    word = _NEXT_WORD.match(ahead)
    return len(ahead) >= _MOST_AHEAD or (word is not None and word.end() < len(ahead))


def _ends(before: str, gap: str, ahead: str) -> bool:
    """Return whether a sentence ends between `before` and `ahead`."""
    if not before.strip():
        return "\n" in gap
    plain = strip_citations(before)
    word = _NEXT_WORD.match(ahead)
    text = f"{plain}{gap}{word[0] if word else ''}"
    return any(span.end == len(plain.rstrip()) for span in split_sentences(text))
