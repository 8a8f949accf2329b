"""The gate: whether what was found is enough to answer from, as a confidence with its reasons.

Pure functions of a few numbers and words. Knows no encoder, index or list; whoever searched
hands in what the search measured.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace
from typing import Final, Literal

from florilegium.guesses import label_name, label_words
from florilegium.lexical import characters, content_tokens, tokens
from florilegium.simplified import simplify
from florilegium.types import Label

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

# Words of a question that ask for pictures, whatever of.
_ASKS_FOR_PICTURES = re.compile(
    r"\b(?:show|find|give|see|search|please|want|photos?|photographs?|pictures?|images?|"
    r"looks? like)\b|给我|请|想?看看?|找找?|想要|有没有|有|展示|显示|搜索|照片|相片|图片|图像|图|"
    r"[一几]?张|[一几两]只|一[朵个些]|长得?(?=\s*(?:什么样|怎么?样)?[？?]?$)",
    re.IGNORECASE,
)

Language = Literal["en", "zh"]

REASONS: Final[dict[str, dict[Language, str]]] = {
    "cosine": {
        "en": "The best text has a cosine of {cosine:z.2f} with the question.",
        "zh": "最佳文本与问题的余弦相似度为 {cosine:z.2f}。",
    },
    "coverage": {
        "en": "It holds {coverage:.0%} of the question's words, weighted by rarity.",
        "zh": "其中含有问题用词的 {coverage:.0%}（按罕见程度加权）。",
    },
    "unread": {
        "en": "{encoder} does not read the language of the question, so only words were compared; "
        "`florilegium[multilingual]` has an encoder for about a hundred languages.",
        "zh": "文本编码器 {encoder} 不支持这种语言，因此只比较了用词；`florilegium[multilingual]` "
        "提供支持约一百种语言的编码器。",
    },
    "known": {"en": "The very picture is in the library.", "zh": "这张图片就在资料库中。"},
    "nearest": {
        "en": "The nearest picture has a cosine of {cosine:z.2f}, {margin:.1f} standard deviations "
        "above the others.",
        "zh": "最相近的图片余弦相似度为 {cosine:z.2f}，比其余图片高 {margin:.1f} 个标准差。",
    },
    "not about": {
        "en": "The question does not point at the picture, so its words must do.",
        "zh": "问题并未提到这张图片，因此只衡量文字。",
    },
    "guess": {
        "en": "A picture shows what is asked for by a guess of its encoder, such as {name!r}; such "
        "guesses have a share of {share:.0%}.",
        "zh": "图像编码器推测有图片正是所找的内容（如“{name}”），这类推测占 {share:.0%}。",
    },
    "nothing": {"en": "Nothing was found to weigh.", "zh": "没有找到可供衡量的内容。"},
}
"""Why the confidence is what it is, by language of the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEvidence:
    """How well the best text answers the question.

    `cosine` is that of the question and the best chunk or sentence, by the text encoder; None when
    the encoder cannot read the question. `coverage` is what `coverage` gave for the best hit;
    None when the question has no content words. `unrelated` is the cosine that the encoder gives
    texts that have nothing to do with each other: encoders differ widely in it. `guess` is what
    `asked_guess` gave for the best hit.
    """

    cosine: float | None
    coverage: float | None
    unrelated: float
    guess: Label | None = None


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


def asked_guess(question: str, text: str, guesses: Iterable[Label]) -> Label | None:
    """Return the surest label of a picture that is all that a question asks for, or None.

    A guess says what a picture shows and nothing of it, so it answers "a daisy" and "Are there
    photos of daisies?", and no question that has other words of content. Its weight is that of all
    labels that answer together: a picture is of a cat if it shows one breed or another.

    Args:
        question: What was asked.
        text: What people say of the picture; these words may be asked for as well.
        guesses: The labels that its encoder gives it.
    """
    said, asked = set(tokens(text)), simplify(question)
    if not _wanted(asked) - said:
        return None
    matching = [label for label in guesses if _is_all_that_is_asked(label, asked, said)]
    if not matching:
        return None
    surest = max(matching, key=lambda label: label.weight)
    return replace(surest, weight=min(1.0, math.fsum(label.weight for label in matching)))


def _is_all_that_is_asked(label: Label, asked: str, said: Set[str]) -> bool:
    rest = asked
    # 有雏 of 有雏菊吗 is no word: what stands around a Chinese name is looked at without it.
    for name in sorted(label.chinese, key=len, reverse=True):
        rest = rest.replace(simplify(name), " ")
    return not _wanted(rest) - said - set(tokens(label_words([label])))


def _wanted(text: str) -> set[str]:
    """Return the words of a question that are about what pictures it asks for."""
    return set(content_tokens(_ASKS_FOR_PICTURES.sub(" ", text)))


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
    text: TextEvidence | None,
    image: ImageEvidence | None,
    *,
    about_picture: bool = True,
    language: Language = "en",
) -> Evidence:
    """Return the confidence that the library can answer, from what its best hits measured.

    A question about its picture is answered when either holds: the picture was recognised, or the
    words were found. For a question about something else that merely comes with a picture, only
    the words count. A guess at a picture that is all that is asked for counts as its encoder holds
    it likely. Nothing found gives confidence 0. The reasons are in `language`.
    """
    reasons: list[str] = []
    chances = [0.0]
    if text is not None and (text.cosine is not None or text.coverage is not None):
        chances.append(_from_text(text))
        reasons += _text_reasons(text, language)
    if text is not None and text.guess is not None:
        chances.append(text.guess.weight)
        reasons.append(_guess_reason(text.guess, language))
    if image is not None:
        chances.append(_from_image(image) if about_picture else 0.0)
        reasons.append(_image_reason(image, language))
        if not about_picture:
            reasons.append(REASONS["not about"][language])
    return Evidence(
        confidence=max(chances), reasons=tuple(reasons) or (REASONS["nothing"][language],)
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


def _text_reasons(text: TextEvidence, language: Language) -> list[str]:
    reasons: list[str] = []
    if text.cosine is not None:
        reasons.append(REASONS["cosine"][language].format(cosine=text.cosine))
    if text.coverage is not None:
        reasons.append(REASONS["coverage"][language].format(coverage=text.coverage))
    return reasons


def _guess_reason(guess: Label, language: Language) -> str:
    return REASONS["guess"][language].format(name=label_name(guess, language), share=guess.weight)


def _image_reason(image: ImageEvidence, language: Language) -> str:
    if image.margin is None:
        return REASONS["known"][language]
    return REASONS["nearest"][language].format(cosine=image.cosine, margin=image.margin)


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, x))))
