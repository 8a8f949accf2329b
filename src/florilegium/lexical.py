"""The words that lexical search compares: pure functions of text, for the index and the query.

English words are stemmed (Snowball, by the package snowballstemmer); runs of Han, kana and Hangul,
which have no spaces, become overlapping pairs of characters; traditional characters count as
simplified ones. Knows no database.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from threading import Lock

import snowballstemmer

from florilegium.simplified import simplify

# Function words of English questions and texts: they match everything and say nothing.
STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "above",
        "after",
        "again",
        "all",
        "also",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "because",
        "been",
        "before",
        "being",
        "below",
        "between",
        "both",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "down",
        "during",
        "each",
        "few",
        "for",
        "from",
        "further",
        "had",
        "has",
        "have",
        "having",
        "he",
        "her",
        "here",
        "hers",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "itself",
        "just",
        "me",
        "more",
        "most",
        "my",
        "no",
        "nor",
        "not",
        "of",
        "off",
        "on",
        "once",
        "only",
        "or",
        "other",
        "our",
        "out",
        "over",
        "own",
        "same",
        "she",
        "should",
        "so",
        "some",
        "such",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "through",
        "to",
        "too",
        "under",
        "until",
        "up",
        "very",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_RUNS = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
# English endings that say nothing: it's, they're. What follows in l'eau or O'Keeffe is a word.
_ENDING = re.compile(rf"(?<=[^\W_])['’](?:s|t|d|m|re|ve|ll)(?![^\W{_UNSPACED}])")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
# Chinese words that ask or bind. A single character is dropped only where it cannot be part of
# another word (目的, 了解, 酒吧), so most of them stay and are left to the weights.
_ASKING = re.compile(
    r"请问|为什么|为何|什么样|什么|怎么样|怎么办|怎么|怎样|如何|哪些|哪里|哪个|哪种|哪|谁|多少|多长|多大|"
    r"多高|多久|是否|有没有|是不是|能不能|可不可以|可以|几(?=个|次|天|年|月|种|只|条|点|小时|分)|"
    r"[这那](?:是|种|个|些|朵|棵|株|张|只|条|位|本)?|(?<!其)他们?|它们?|她们?|是(?=什么|谁|哪)|"
    r"(?<!目)的(?!确|士)|[吗呢吧了啊呀](?=[\s?？!！。，,、;；]|$)"
)
_LONGEST_WORD = 100  # characters; what is longer is no word, and is found by how it begins
_STEMMER = snowballstemmer.stemmer("english")
_STEMMING = Lock()  # a stemmer keeps the word that it is at in itself


def tokens(text: str) -> list[str]:
    """Return the words of `text` as they are indexed: stems, and pairs of unspaced characters.

    Stop words are dropped; a run of a single unspaced character stays as it is.
    """
    found: list[str] = []
    for run in _RUNS.findall(_ENDING.sub("", _fold(text))):
        if not _IS_UNSPACED.match(run):
            if run not in STOP_WORDS:
                found.append(_stem(run[:_LONGEST_WORD]))
        elif len(run) == 1:
            found.append(run)
        else:
            found += [run[i : i + 2] for i in range(len(run) - 1)]
    return found


def content_tokens(question: str) -> tuple[str, ...]:
    """Return the words of a question that say what it is about, each once, in their order."""
    return tuple(dict.fromkeys(tokens(_ASKING.sub(" ", simplify(question)))))


def characters(text: str) -> list[str]:
    """Return the single unspaced characters of `text`, which one-character queries search."""
    return _IS_UNSPACED.findall(_fold(text))


def _fold(text: str) -> str:
    if text.isascii():
        return text.casefold()
    # Decomposed first: the letters that come out of signs such as ™ and 𝐑 have a case, too.
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(c for c in decomposed if not unicodedata.combining(c) or c in "\u3099\u309a")
    return simplify(unicodedata.normalize("NFKC", bare))


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    with _STEMMING:
        stem: str = _STEMMER.stemWord(word)
    return stem
