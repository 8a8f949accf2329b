"""The lexical index: SQLite FTS5 tables of words, one for texts and one for the cards of pictures.

Statements for the catalog, which holds the connection; ranks by FTS5's BM25.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from florilegium import bm25
from florilegium.lexical import characters, content_tokens, tokens
from florilegium.types import Modality

# Words come cut and stemmed already, so the tokenizer has nothing to do but split at spaces.
SCHEMA = """
CREATE VIRTUAL TABLE IF NOT EXISTS text_words
    USING fts5(words, characters, labels, tokenize='ascii');
CREATE VIRTUAL TABLE IF NOT EXISTS image_words
    USING fts5(words, characters, labels, tokenize='ascii');
"""

_WEIGHTS = "1.0, 0.25, 1.0"  # of words, characters, labels
SMALL = 50
"""Collections up to so many items are scored by our own BM25, which knows few texts."""

_TABLES = {Modality.TEXT: "text_words", Modality.IMAGE: "image_words"}


def add(
    connection: sqlite3.Connection, number: int, modality: Modality, text: str, labels: str = ""
) -> None:
    """Make item number `number` found by the words of `text`, and apart from them of `labels`.

    What people wrote and what a machine guessed are searched in lists of their own.
    """
    columns = (
        " ".join(tokens(text)),
        " ".join(characters(text)),
        " ".join([*tokens(labels), *characters(labels)]),
    )
    connection.execute(
        f"INSERT INTO {_TABLES[modality]} (rowid, words, characters, labels) VALUES (?, ?, ?, ?)",  # noqa: S608 - a constant
        (number, *columns),
    )


def remove(connection: sqlite3.Connection, number: int) -> None:
    """Make item number `number` found by no word."""
    for table in _TABLES.values():
        connection.execute(f"DELETE FROM {table} WHERE rowid=?", (number,))  # noqa: S608 - a constant


def check_words(connection: sqlite3.Connection) -> None:
    """Have SQLite compare the index of words with the words it holds. Raises sqlite3.Error."""
    for table in _TABLES.values():
        connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")  # noqa: S608 - a constant
    connection.rollback()  # it writes nothing, but is a statement that may


def search_statement(
    text: str, modality: Modality, *, labels: bool = False
) -> tuple[str, tuple[str, ...]]:
    """Return SQL and values that list (item id, score) for the words of `text`, best first.

    Higher is better; an item that shares no word is not listed. A single Han character finds it
    inside longer words too. There are no values when `text` has no words.
    """
    wanted = _wanted(text, labels=labels)
    if not wanted:
        return "", ()
    match = " OR ".join(match_word(word, labels=labels) for word in wanted)
    table = _TABLES[modality]
    sql = (
        f"SELECT i.id, -bm25({table}, {_WEIGHTS}) AS score FROM {table} "  # noqa: S608 - a constant
        f"JOIN items i ON i.number = {table}.rowid WHERE {table} MATCH ? "
        "ORDER BY score DESC, i.id"
    )
    return sql, (match,)


def small_statement(modality: Modality) -> str:
    """Return SQL that lists (item id, words, characters, words of labels) of a whole collection."""
    table = _TABLES[modality]
    return (
        f"SELECT i.id, w.words, w.characters, w.labels FROM {table} w"  # noqa: S608 - a constant
        " JOIN items i ON i.number = w.rowid"
    )


def score_small(
    rows: Sequence[tuple[str, str, str, str]], text: str, *, labels: bool = False
) -> list[tuple[str, float]]:
    """Return (item id, BM25 score) for the rows of `small_statement`, best first."""
    held: dict[str, list[str]] = {}
    for id_, words, single, named in rows:
        # A character that is looked for alone is another thing than a word of one character.
        apart = [f"{one}*" for one in single.split()]
        held[id_] = named.split() if labels else [*words.split(), *apart]
    wanted: dict[str, float] = {}
    for word in _wanted(text, labels=labels):
        single_character = not labels and characters(word) == [word]
        wanted[f"{word}*" if single_character else word] = 0.25 if single_character else 1.0
    return bm25.score_items(held, wanted, size=len(rows))


def _wanted(text: str, *, labels: bool) -> list[str]:
    """Return the words that a query looks for, each once."""
    words = content_tokens(text) or tuple(dict.fromkeys(tokens(text)))
    # Pairs of characters miss 浇两次水 for 浇水, so their characters are looked for as well.
    single = [] if labels else [one for one in characters("".join(words)) if one not in words]
    return [*words, *dict.fromkeys(single)]


def frequency_statement(modality: Modality) -> str:
    """Return SQL that counts the items that `match_word` finds."""
    table = _TABLES[modality]
    return f"SELECT count(*) FROM {table} WHERE {table} MATCH ?"  # noqa: S608 - a constant


def match_word(word: str, *, labels: bool = False) -> str:
    """Return the FTS5 expression that finds one indexed word.

    A single Han character is looked for among all characters, so it is found inside words too.
    """
    column = "labels" if labels else "characters" if characters(word) == [word] else "words"
    quoted = word.replace('"', '""')
    return f'{column} : "{quoted}"'
