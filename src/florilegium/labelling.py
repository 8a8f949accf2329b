"""What a person labels: the hits to choose from, and queries that a library brings along itself.

Asks nobody and writes nothing.
"""

from __future__ import annotations

from typing import Final

from florilegium.cards import name_of_text, picture_name
from florilegium.index import Index
from florilegium.labelled import LabelledQuery, make_query
from florilegium.retrieve import Explanation
from florilegium.types import Hit, Item, Modality

POOL: Final = 10
_OF_EACH_LIST: Final = 3


def pool(explanation: Explanation, *, depth: int = POOL) -> list[Hit]:
    """Return one hit a file: the best ones, then the best of each list that are not among them.

    What a single list finds is judged too, so that the labels do not favour the way in which the
    lists are joined today (pooling, as at TREC).
    """
    files: dict[str, Hit] = {}
    for hit in explanation.hits:
        files.setdefault(hit.item.source.path, hit)
    best = list(files.values())
    others = [hit for hit in best[depth:] if _is_high_in_a_list(hit)]
    return best[:depth] + others


def caption_queries(index: Index) -> list[LabelledQuery]:
    """Return queries that the library answers by its own words, by text.

    What texts call a picture where they show it, or else the words of its name, asks for the
    picture; the title of a text asks for the text. Files of one caption or title are all relevant.
    """
    relevant: dict[tuple[str, Modality], dict[str, int]] = {}
    for item, _ in index.catalog.all_items(Modality.IMAGE):
        for words in _captions(item, index):
            relevant.setdefault((words, Modality.IMAGE), {})[item.source.path] = 1
    for item, _ in index.catalog.all_items(Modality.TEXT):
        name = name_of_text(item.title, item.source.path).strip()
        if item.ordinal == 0 and name:
            relevant.setdefault((name, Modality.TEXT), {})[item.source.path] = 1
    return [
        make_query(text=text, modality=modality, relevant=files)
        for (text, modality), files in sorted(relevant.items())
    ]


def _captions(item: Item, index: Index) -> list[str]:
    path = item.source.path
    said = [link.words.strip() for link in index.catalog.links([path])]
    found = list(dict.fromkeys(words for words in said if words))
    name = picture_name(path)
    return found or ([name] if name else [])


def _is_high_in_a_list(hit: Hit) -> bool:
    return any(part.rank is not None and part.rank <= _OF_EACH_LIST for part in hit.contributions)
