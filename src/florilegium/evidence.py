"""The gate: whether what was found is enough to answer from, as a confidence with its reasons.

Pure functions of a few numbers and words. Knows no encoder, index or list; whoever searched
hands in what the search measured.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from florilegium.lexical import tokens

_ASKING = re.compile(
    r"请问|请|为什么|为何|什么样|什么|怎么样|怎么|怎样|如何|哪些|哪里|哪个|哪|谁|多少|多长|多大|多高|多久|"
    r"几|是否|有没有|是不是|能不能|可以|吗|呢|吧|的|了|是|在|有|被|把|和|与|及|或|这|那|它|他|她"
)

# Logistic regression on four of the eight subjects of the English evaluation questions (indexed
# alone; the questions on the other four are foreign), checked on the other way round.
_LIFT, _COVERAGE, _BIAS = 19.0, 7.0, -12.0
_LIFT_ALONE, _LIFT_ALONE_BIAS = 22.0, -10.5
_COVERAGE_ALONE, _COVERAGE_ALONE_BIAS = 12.0, -5.2  # English and Chinese questions together
# Flower photos in a library of flower photos, against drawings of other things, both ways round.
# The margin has no weight: in a library of one subject everything is near, and a fitted weight
# came out negative.
_IMAGE_LIFT, _IMAGE_BIAS = 15.0, -4.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEvidence:
    """How well the best text answers the question.

    `cosine` is that of the question and the best chunk or sentence, by the text encoder; None when
    the encoder cannot read the question. `coverage` is what `coverage` gave for the best hit;
    None when the question has no content words. `unrelated` is the cosine that the encoder gives
    texts that have nothing to do with each other: encoders differ widely in it.
    """

    cosine: float | None
    coverage: float | None
    unrelated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEvidence:
    """How near the best picture is to the user's.

    `cosine` is theirs in the image-text space; `margin` says by how many standard deviations it
    stands above the background of the list, which is told to the user and not weighed.
    `unrelated` is the cosine that the encoder gives pictures of different things.
    """

    cosine: float
    margin: float
    unrelated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How likely it is, in [0, 1], that the library can answer, and why, in words for the user."""

    confidence: float
    reasons: tuple[str, ...]


def content_tokens(question: str) -> tuple[str, ...]:
    """Return the words of a question that say what it is about, each once, in their order."""
    return tuple(dict.fromkeys(tokens(_ASKING.sub(" ", question))))


def coverage(question: str, text: str, idf: Callable[[str], float]) -> float | None:
    """Return which share of the question's content words stands in `text`, weighted by rarity.

    Args:
        question: What was asked.
        text: The text that may answer, with its title if that is apart.
        idf: How rare a word is in the library; larger is rarer, never negative.

    Returns:
        A share in [0, 1], or None when the question has no content words.
    """
    asked = content_tokens(question)
    total = sum(idf(word) for word in asked)
    if total <= 0.0:
        return None
    there = set(tokens(text))
    return sum(idf(word) for word in asked if word in there) / total


def rarity(
    texts: Iterable[str], *, words: Callable[[str], Iterable[str]] = tokens
) -> Callable[[str], float]:
    """Return the inverse document frequency of BM25 (Robertson and Zaragoza 2009) over `texts`.

    Args:
        texts: What is counted.
        words: Gives the words of a text.
    """
    counts: Counter[str] = Counter()
    size = 0
    for text in texts:
        size += 1
        counts.update(set(words(text)))

    def idf(word: str) -> float:
        return math.log(1.0 + (size - counts[word] + 0.5) / (counts[word] + 0.5))

    return idf


def weigh(text: TextEvidence | None, image: ImageEvidence | None) -> Evidence:
    """Return the confidence that the library can answer, from what its best hits measured.

    A question with a picture is answered when either holds: the picture was recognised, or the
    words were found. Nothing found gives confidence 0.
    """
    reasons: list[str] = []
    chances = [0.0]
    if text is not None and (text.cosine is not None or text.coverage is not None):
        chances.append(_from_text(text))
        reasons += _text_reasons(text)
    if image is not None:
        chances.append(_from_image(image))
        reasons.append(
            f"The nearest picture has a cosine of {image.cosine:.2f}, {image.margin:.1f} standard "
            "deviations above the others."
        )
    return Evidence(
        confidence=max(chances), reasons=tuple(reasons) or ("Nothing was found to weigh.",)
    )


def _from_text(text: TextEvidence) -> float:
    if text.cosine is None:
        return _logistic(_COVERAGE_ALONE * (text.coverage or 0.0) + _COVERAGE_ALONE_BIAS)
    lift = _lift(text.cosine, text.unrelated)
    if text.coverage is None:
        return _logistic(_LIFT_ALONE * lift + _LIFT_ALONE_BIAS)
    return _logistic(_LIFT * lift + _COVERAGE * text.coverage + _BIAS)


def _from_image(image: ImageEvidence) -> float:
    return _logistic(_IMAGE_LIFT * _lift(image.cosine, image.unrelated) + _IMAGE_BIAS)


def _lift(cosine: float, unrelated: float) -> float:
    return (cosine - unrelated) / (1.0 - unrelated)


def _text_reasons(text: TextEvidence) -> list[str]:
    reasons: list[str] = []
    if text.cosine is not None:
        reasons.append(f"The best text has a cosine of {text.cosine:.2f} with the question.")
    if text.coverage is not None:
        reasons.append(f"It holds {text.coverage:.0%} of the question's words, weighted by rarity.")
    return reasons


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, x))))
