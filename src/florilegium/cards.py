"""The words that stand for a picture: those of its path, and what is said of it.

Pure functions of strings; knows nothing of pixels, and not where words come from.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from florilegium.fields import CARD_FIELDS, fold

# What cameras, phones and programs call their files and folders; it says nothing of the content.
_NAMELESS: Final = (
    "img imgp image images pic pics picture pictures photo photos dsc dscn dscf dcim pxl "
    "mvimg pano vid mov gopr sam hpim cimg kodak wp mp scan screenshot snapshot untitled "
    "unnamed download copy edited thumb thumbnail jpg jpeg png gif webp bmp tif tiff "
    "mmexport wx 图片 照片 相片 图像 微信图片 微信截图 qq图片 qq截图 截图 截屏 屏幕截图 屏幕快照 "
    "扫描 扫描件 未命名 未标题 无标题 副本 下载 缩略图 圖片 截圖 螢幕截圖 掃描 下載 縮圖"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_PROGRAM = re.compile(r"whatsapp|\bat(?=\W+\d)", re.IGNORECASE)
_NUMBERED_WORD = re.compile(r"([^\W\d_]{3,}|[\u4e00-\u9fff]+)\d+")
# Not \w+, which would tear words of Indian scripts apart at their vowel signs.
_WORD = re.compile(r"[^\s!-&(-/:-@\[-`{-~–—·，。、；：（）【】《》]+")
_NUMBER = re.compile(r"\d{1,8}")
_NUMBERING = re.compile(r"\d+(?:x\d+)?|.*\d{4}.*|(?=.*\d)[0-9a-f]{4,}", re.IGNORECASE)


def card_words(path: str) -> str:
    """Return the words of a picture's path: folders first, then the file's stem.

    Numbers, names that cameras give, and repeated words are dropped, so
    `roses/IMG_0234_red-rose.jpg` gives `roses red rose`, and `IMG_0234.jpg` gives nothing.
    """
    pure = PurePosixPath(path)
    words: dict[str, str] = {}
    for part in (*pure.parent.parts, pure.stem):
        for word in _words(part):
            words.setdefault(word.casefold(), word)
    return " ".join(words.values())


def title_words(path: str) -> str:
    """Return the words of a file's stem, or the stem itself when it has none."""
    stem = unicodedata.normalize("NFC", PurePosixPath(path).stem)
    return " ".join(_words(stem)) or stem


def shown_title(path: str) -> str:
    """Return what a file without a title of its own is called where people see it.

    Those are the words of its stem with their numbers, so `inv-1001.jpg` and `inv-1002.jpg` are
    told apart. What a camera called it, numbers included, is left out beside other words.
    """
    stem = unicodedata.normalize("NFC", PurePosixPath(path).stem)
    shown: list[str] = []
    from_camera = False
    for word, bare in _tokens(stem):
        is_number = bool(_NUMBERING.fullmatch(bare))
        if not is_number:
            from_camera = bare.casefold() in _NAMELESS.split()
        if not from_camera and (not is_number or _NUMBER.fullmatch(word)):
            shown.append(word)
    return " ".join(shown) if _words(stem) else stem


def name_of_text(title: str, path: str) -> str:
    """Return what a text is about by its title: without the numbers, if that is its file's name.

    Texts on one kind, `rose_001.txt` to `rose_099.txt`, thus have one name.
    """
    return title_words(path) if title == shown_title(path) else title


def picture_name(path: str) -> str:
    """Return what a picture's path calls it: the words of its stem, or of its nearest folder.

    Empty when neither has words: `IMG_0234.jpg` in the library's own folder.
    """
    pure = PurePosixPath(path)
    for part in (pure.stem, *reversed(pure.parent.parts)):
        if words := _words(part):
            return " ".join(words)
    return ""


def _words(name: str) -> list[str]:
    return [
        bare
        for _, bare in _tokens(name)
        if bare.casefold() not in _NAMELESS.split() and not _NUMBERING.fullmatch(bare)
    ]


def _tokens(name: str) -> Iterator[tuple[str, str]]:
    """Yield the words of a name, and each without the number that it ends in."""
    plain = _PROGRAM.sub(" ", unicodedata.normalize("NFC", name).replace("_", " "))
    for token in _WORD.findall(_CAMEL.sub(" ", plain)):
        word = token.strip("'")
        numbered = _NUMBERED_WORD.fullmatch(word)
        if word:
            yield word, numbered.group(1) if numbered else word


def card_text(path: str, caption: str, labels: str) -> str:
    """Return the card of a picture: what people call it, and the words of its labels.

    Args:
        path: The picture's path in the library folder; its stem stands in when nothing else does.
        caption: What `caption` gave.
        labels: The words of the labels that its encoder gave it.
    """
    return "\n".join(line for line in (caption, labels) if line) or title_words(path)


def caption(
    path: str,
    words_at_links: Iterable[str],
    fields: Iterable[tuple[str, str]] = (),
    *,
    machine_caption: str = "",
) -> str:
    """Return what people call a picture, one way a line; nothing is said twice.

    Args:
        path: The picture's path in the library folder.
        words_at_links: What texts that refer to it call it.
        fields: What is said of it: its titles, captions, keywords and labels are taken.
        machine_caption: What a chat model said of it, which comes last.
    """
    said: dict[str, list[str]] = {}
    for name, value in fields:
        said.setdefault(name, []).append(value)
    seen = _Seen()
    lines = [line for line in (card_words(path), *words_at_links) if seen.is_new(line)]
    for name in CARD_FIELDS:
        values = [value for value in said.get(name, ()) if seen.is_new(value)]
        lines += values if name in {"title", "caption"} else [", ".join(values)]
    if seen.is_new(machine_caption):
        lines.append(machine_caption)
    return "\n".join(line for line in lines if line)


class _Seen:
    """What was said so far, word by word, so that it is not said again."""

    def __init__(self) -> None:
        self._text = "\n"

    def is_new(self, line: str) -> bool:
        """Return whether no line so far holds these words in a row, and remember them."""
        words = f" {' '.join(_WORD.findall(fold(line)))} "
        if not words.strip() or words in self._text:
            return False
        self._text += f"{words}\n"
        return True
