"""Which language a text is in, as far as its script tells. Pure; knows no words and no models.

Latin script is taken as English: a guess from the words of a short query is unreliable, and a
wrong guess would switch off an encoder that could have read it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

# Letters that make about one word of an alphabetic script, so that "iPhone 怎么用" is Chinese:
# a Han, kana or Hangul character carries more than a letter does.
_LETTERS_PER_WORD = 4

# A name quoted in kana does not make a Chinese text Japanese; Japanese prose has more than this.
_MIN_KANA_SHARE = 0.1

_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x005A, "en"),
    (0x0061, 0x007A, "en"),
    (0x00C0, 0x024F, "en"),
    (0x0370, 0x03FF, "el"),
    (0x0400, 0x052F, "ru"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "ar"),
    (0x0750, 0x077F, "ar"),
    (0x0900, 0x097F, "hi"),
    (0x0E00, 0x0E7F, "th"),
    (0x1100, 0x11FF, "ko"),
    (0x1E00, 0x1EFF, "en"),
    (0x1F00, 0x1FFF, "el"),
    (0x3005, 0x3007, "zh"),
    (0x3040, 0x30FF, "ja"),
    (0x3130, 0x318F, "ko"),
    (0x3400, 0x4DBF, "zh"),
    (0x4E00, 0x9FFF, "zh"),
    (0xAC00, 0xD7AF, "ko"),
    (0xF900, 0xFAFF, "zh"),
    (0xFF21, 0xFF3A, "en"),
    (0xFF41, 0xFF5A, "en"),
    (0xFF66, 0xFF9F, "ja"),
    (0x20000, 0x323AF, "zh"),
)
_ONE_CHARACTER_SCRIPTS = frozenset({"zh", "ja", "ko"})


def language_of(text: str) -> str:
    """Return the ISO 639-1 code that the dominant script of `text` stands for.

    Each script is taken for its most written language: Han is "zh" unless there is kana ("ja"),
    Cyrillic is "ru", Arabic "ar", Devanagari "hi", and so on. Latin script is "en", and so is a
    text without letters.
    """
    weights: dict[str, float] = {}
    for character, count in Counter(text).items():
        for code in _scripts(character):
            weight = 1.0 if code in _ONE_CHARACTER_SCRIPTS else 1.0 / _LETTERS_PER_WORD
            weights[code] = weights.get(code, 0.0) + weight * count
    han, kana = weights.get("zh", 0.0), weights.pop("ja", 0.0)
    if kana > 0 and kana >= _MIN_KANA_SHARE * (han + kana):
        weights["ja"] = weights.pop("zh", 0.0) + kana
    return max(weights, key=lambda code: (weights[code], code), default="en")


def reply_language(question: str) -> Literal["en", "zh"]:
    """Return in which of our two languages a question is answered: Chinese or else English.

    One Chinese character decides, as in "Roundup 对蜜蜂有害吗?", unless there is kana as well.
    """
    codes = set(_scripts(question))
    return "zh" if "zh" in codes and "ja" not in codes else "en"


def can_read(languages: frozenset[str] | None, text: str) -> bool:
    """Return whether a reader of `languages` can read `text`.

    Args:
        languages: ISO 639-1 codes, as in `EncoderInfo.languages`; None means any.
        text: What is to be read; one without letters, e.g. "1998", can be read by anybody.
    """
    if languages is None or next(_scripts(text), None) is None:
        return True
    return language_of(text) in languages


def _scripts(text: str) -> Iterator[str]:
    for character in text:
        point = ord(character)
        for first, last, code in _RANGES:
            if point < first:
                break
            if point <= last:
                yield code
                break
