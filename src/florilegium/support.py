"""Whether each sentence of a reply rests on the sources; those that do not are marked, in stream.

A sentence rests on sources that hold some of its words, fewer if it cites them. Knows words, not
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
from florilegium.simplified import simplify
from florilegium.types import Hit, Modality

MARKS = {"en": " (not from the library)", "zh": "（非资料库内容）"}
"""What is written after a sentence without support, by its language."""

_SHORTEST = 3  # content words; less claims too little to be judged
_UNCITED = 0.4  # share of an uncited sentence's content words that sources must hold
_CITED = 0.25  # the same of one that cites, in what it cites
_FARTHEST = 600  # characters before a border that decide whether it is one
_MARKERS = r"(?:[ \t]*\n?[ \t]*\[\d+(?:, \d+)*\])*"
_CLOSERS = r"[\"'”’»」』】）)\]*_]{0,9}"
# A sentence may end here: at its mark with what closes quotes and with the citations behind it,
# or at a line break. What decides is the word that follows.
_BORDER = re.compile(rf"(?:[.!?。！？；]+{_CLOSERS}{_MARKERS}|(?=\n))(?P<gap>\s*)")
_BEGUN_MARKER = re.compile(r"\[[\d, ]*")
_NEXT_WORD = re.compile(r"\W{0,3}\w{0,12}")
_MOST_AHEAD = 15
_DECORATION = ' \t\r\n*_#>-•"“`'
_NOT_A_CLAIM = (":", "：", "?", "？")
_FENCE = "```"
# A table row, a heading, a line that is bold as a whole.
_LAYOUT = re.compile(r"\s*(?:\||#{1,6}\s|\*\*[^*]*[^*\s.!?。！？]\*\*:?\s*$)")
# What is said to the user, or of what the sources lack, rather than about the world.
_TALK = re.compile(
    r"(?:(?:the|these|this|those|provided|given|unfortunately,?) )*"
    r"(?:sources?|library|articles?|texts?|documents?) "
    r"(?:(?:do|does|did) not|don['’]t|doesn['’]t|didn['’]t) "
    r"(?:say|mention|contain|tell|provide|include|cover|give|specify|state|answer|describe)\b|"
    r".{0,4}(?:资料|来源|文章).{0,6}(?:没有|没|未)(?:提到|提及|说明|包含|涉及|给出|介绍)|"
    r"(?:let me know|feel free|(?:i )?hope (?:this|that)|if you (?:have|need) (?:any|more|further)|"
    r"(?:i am |i['’]m )?happy to help|i (?:cannot|could not) (?:find|say|tell|answer)|"
    r"you are welcome|如果您?(?:有|需要)|如需|希望(?:这|对)|请告诉我)",
    re.IGNORECASE,
)
_OF_THE_LIBRARY = frozenset(
    tokens(
        "source sources text texts article articles library picture pictures photo photograph "
        "image show shows shown depict mention mentions mentioned say says state provide "
        "information question answer likely probably appear describe contain given above "
        "资料 资料库 图片 照片 图中 显示 提到 来源 可能 文章 没有 信息 问题 根据"
    )
)


_OWN_LABEL = re.compile(
    "|".join(re.escape(label.rstrip(":：")) + r"[\s*_]*[:：]" for label in OWN_LABELS.values()),
    re.IGNORECASE,
)


class SupportMarker:
    """Pass streamed text through, marking each sentence that rests on no source.

    The text that goes in is what came out of a CitationParser. The text that comes out does not
    depend on how it was split. What follows one of OWN_LABELS is not marked: the label says it.
    Nor is what claims nothing: questions, headings, tables, code, and words to the user. `marked`
    counts the marks.

    Args:
        known: What was asked, and what the picture shows; these words need no support.
        hits: The numbered sources: number n is `hits[n - 1]`.
    """

    def __init__(self, *, known: str, hits: Sequence[Hit]) -> None:
        self._known = _OF_THE_LIBRARY.union(tokens(known))
        self._hits = tuple(hits)
        self._languages = [language_of(hit.item.text) for hit in hits]
        self._words = [set(tokens(hit.item.text)) for hit in hits]
        self._titles = [set(tokens(hit.item.title)) for hit in hits]
        self._sentence = ""  # what of the sentence at hand was passed on
        self._held = ""  # what was not
        self._in_own_part = False
        self._in_code = False
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
            rest = self._held[border.end() :]
            ahead = rest[:_MOST_AHEAD]
            if not final and (not _is_enough(ahead) or _BEGUN_MARKER.fullmatch(rest)):
                break
            end, gap = border.start("gap"), border["gap"]
            before = self._sentence + self._held[:end]
            if not _ends(before, gap, ahead):
                at = max(border.end(), border.start() + 1)
                continue
            out += [self._held[:end], self._mark(before), gap]
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
        is_code = self._in_code or _FENCE in sentence
        self._in_code ^= sentence.count(_FENCE) % 2 == 1
        bare = sentence.strip(_DECORATION)
        self._in_own_part |= bool(_OWN_LABEL.match(bare))
        if is_code or self._in_own_part or _LAYOUT.match(sentence) or self._is_supported(bare):
            return ""
        self.marked += 1
        return MARKS.get(language_of(strip_citations(bare)), MARKS["en"])

    def _is_supported(self, sentence: str) -> bool:
        claim = strip_citations(sentence).strip()
        words = content_tokens(claim)
        is_marked = any(mark.strip() in sentence for mark in MARKS.values())
        if len(words) < _SHORTEST or claim.endswith(_NOT_A_CLAIM) or _TALK.match(simplify(claim)):
            return True
        if is_marked or is_refusal(claim):
            return True
        new = [word for word in words if word not in self._known]
        language = language_of(claim)
        cited = [number - 1 for number in cited_numbers(sentence) if number <= len(self._hits)]
        if cited:
            return self._is_cited_well(new, cited, language)
        alike = [index for index, one in enumerate(self._languages) if one == language]
        if not alike:
            return True  # words of two languages cannot be compared
        held = set().union(*(self._words[index] | self._titles[index] for index in alike))
        return sum(word in held for word in new) >= _UNCITED * len(new)

    def _is_cited_well(self, new: Sequence[str], cited: Sequence[int], language: str) -> bool:
        for index in cited:
            is_picture = self._hits[index].item.modality is Modality.IMAGE
            if is_picture or self._languages[index] != language:
                return True
        held = set().union(*(self._words[index] for index in cited))
        own = [word for word in new if not any(word in self._titles[index] for index in cited)]
        return len(own) < _SHORTEST or sum(word in held for word in own) >= _CITED * len(own)


def _is_enough(ahead: str) -> bool:
    """Return whether the word that follows is whole, so that more text changes nothing."""
    word = _NEXT_WORD.match(ahead)
    return len(ahead) >= _MOST_AHEAD or (word is not None and word.end() < len(ahead))


def _ends(before: str, gap: str, ahead: str) -> bool:
    """Return whether a sentence ends between `before` and `ahead`."""
    if not before.strip():
        return "\n" in gap
    plain = strip_citations(before)[-_FARTHEST:]
    word = _NEXT_WORD.match(ahead)
    text = f"{plain}{gap}{word[0] if word else ''}"
    return any(span.end == len(plain.rstrip()) for span in split_sentences(text))
