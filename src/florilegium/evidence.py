"""The gate: whether what was found is enough to answer from, as a confidence with its reasons.

Pure functions of a few numbers and words. Knows no encoder, index or list; whoever searched
hands in what the search measured.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from florilegium.lexical import characters, content_tokens, tokens

_NEAR, _HALF = 4, 0.5

# Logistic regression by benchmarks/fit_gate.py on labelled questions: half of the subjects are
# indexed, the questions on the other half are foreign, and one question in ten is taken to be so.
LIFT, COVERAGE, BIAS = 16.2, 9.0, -8.8
LIFT_ALONE, LIFT_ALONE_BIAS = 18.0, -5.8
COVERAGE_ALONE, COVERAGE_ALONE_BIAS = 12.8, -3.3  # English and Chinese questions together
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
    stands above the background of the list, which is told to the user and not weighed; None when
    the very picture is in the library.
    `unrelated` is the cosine that the encoder gives pictures of different things.
    """

    cosine: float
    margin: float | None
    unrelated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How likely it is, in [0, 1], that the library can answer, and why, in words for the user."""

    confidence: float
    reasons: tuple[str, ...]


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
    total = sum(_rarity_of(word, idf) for word in asked)
    if total <= 0.0:
        return None
    there, unspaced = set(tokens(text)), "".join(characters(text))
    found = sum(_rarity_of(word, idf) * _presence(word, there, unspaced) for word in asked)
    return found / total


def _rarity_of(word: str, idf: Callable[[str], float]) -> float:
    # 天玫 of 夏天玫瑰 is no word and so occurs nowhere. A pair of characters is never taken to be
    # rarer than the rarer of the two.
    return min(idf(word), max(idf(one) for one in word)) if characters(word) else idf(word)


def _presence(word: str, there: Set[str], unspaced: str) -> float:
    # 浇水 is not in 浇两次水, but half of what it means is.
    if word in there or (len(word) == 1 and word in unspaced):
        return 1.0
    if len(word) == 2 and characters(word):
        one, other = word[0], word[1]
        near = f"{one}.{{0,{_NEAR}}}{other}|{other}.{{0,{_NEAR}}}{one}"
        return _HALF if re.search(near, unspaced) else 0.0
    return 0.0


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


def weigh(
    text: TextEvidence | None, image: ImageEvidence | None, *, about_picture: bool = True
) -> Evidence:
    """Return the confidence that the library can answer, from what its best hits measured.

    A question about its picture is answered when either holds: the picture was recognised, or the
    words were found. For a question about something else that merely comes with a picture, only
    the words count. Nothing found gives confidence 0.
    """
    reasons: list[str] = []
    chances = [0.0]
    if text is not None and (text.cosine is not None or text.coverage is not None):
        chances.append(_from_text(text))
        reasons += _text_reasons(text)
    if image is not None:
        chances.append(_from_image(image) if about_picture else 0.0)
        reasons.append(_image_reason(image))
        if not about_picture:
            reasons.append("The question does not point at the picture, so its words must do.")
    return Evidence(
        confidence=max(chances), reasons=tuple(reasons) or ("Nothing was found to weigh.",)
    )


def _from_text(text: TextEvidence) -> float:
    if text.cosine is None:
        return _logistic(COVERAGE_ALONE * (text.coverage or 0.0) + COVERAGE_ALONE_BIAS)
    lift = _lift(text.cosine, text.unrelated)
    if text.coverage is None:
        return _logistic(LIFT_ALONE * lift + LIFT_ALONE_BIAS)
    return _logistic(LIFT * lift + COVERAGE * text.coverage + BIAS)


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


def _image_reason(image: ImageEvidence) -> str:
    if image.margin is None:
        return "The very picture is in the library."
    return (
        f"The nearest picture has a cosine of {image.cosine:.2f}, {image.margin:.1f} standard "
        "deviations above the others."
    )


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, x))))
