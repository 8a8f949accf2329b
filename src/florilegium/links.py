"""Which files belong together, from their names and what is written in them. Pure functions."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from florilegium.types import Link, Reference

_Kind: TypeAlias = Literal["reference", "stem", "folder"]

# Texts with these stems speak for the folder that they lie in.
_FOLDER_STEMS = frozenset({"readme", "index", "about", "description", "notes", "说明"})


def find_links(
    images: Sequence[str], texts: Sequence[str], references: Mapping[str, Sequence[Reference]]
) -> list[Link]:
    """Return all links between pictures and texts, in both directions, sorted.

    A text belongs to a picture when it refers to it, when both have the same stem in one folder
    (`rose.jpg`, `rose.txt`), or when it speaks for the picture's folder: it is called like the
    folder and lies in it or beside it (`rose/1.jpg`, `rose.txt`), is its only text, or is its
    README. The library folder itself is nobody's folder. Names are compared in Unicode's NFC, since
    some systems write "é" as one character and others as two; links name the paths as they are.

    Args:
        images: Paths of pictures, relative to the library folder.
        texts: Paths of texts.
        references: What each text refers to.
    """
    pictures = set(images)
    by_name = _group(images, _composed)
    links: dict[tuple[str, str, _Kind], str] = {}

    def add(image: str, text: str, kind: _Kind, words: str = "") -> None:
        for pair in ((image, text, kind), (text, image, kind)):
            links[pair] = links.get(pair) or words

    for text, targets in references.items():
        for reference in targets:
            # Two pictures may differ in nothing but the form of their names.
            target = reference.target
            meant = [target] if target in pictures else by_name.get(_composed(target), ())
            for image in meant:
                add(image, text, "reference", reference.words)
    by_stem = _group(texts, _stem_key)
    speakers = _speakers(texts)
    for image in images:
        for text in by_stem.get(_stem_key(image), ()):
            add(image, text, "stem")
        folder = str(PurePosixPath(image).parent)
        # Inside the folder, or as rose.txt beside the folder rose/.
        for text in (*speakers.get(_composed(folder), ()), *by_stem.get(_key(folder), ())):
            add(image, text, "folder")
    return [
        Link(path=path, other=other, kind=kind, words=words)
        for (path, other, kind), words in sorted(links.items())
    ]


def _speakers(texts: Sequence[str]) -> dict[str, set[str]]:
    # Folder -> the texts that speak for it.
    speakers: dict[str, set[str]] = defaultdict(set)
    by_folder = _group(texts, lambda text: _composed(str(PurePosixPath(text).parent)))
    for folder, inside in by_folder.items():
        name = _key(PurePosixPath(folder).name)
        for text in inside:
            stem = _key(PurePosixPath(text).stem)
            if folder != "." and (len(inside) == 1 or stem == name or stem in _FOLDER_STEMS):
                speakers[folder].add(text)
    return speakers


def _stem_key(path: str) -> str:
    return _key(str(PurePosixPath(path).with_suffix("")))


def _key(name: str) -> str:
    return _composed(_composed(name).casefold())


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _group(paths: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        grouped[key(path)].append(path)
    return grouped
