"""The lexical index on a real database, with a table of items as the catalog has it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium import word_index
from florilegium.types import Modality


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return a database with the word tables and no items."""
    connection = _open(tmp_path / "words.db")
    yield connection
    connection.close()


def _open(file: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE items (number INTEGER PRIMARY KEY, id TEXT NOT NULL)")
    connection.executescript(word_index.SCHEMA)
    return connection


def _add(connection: sqlite3.Connection, *texts: str, modality: Modality = Modality.TEXT) -> None:
    """Add items a, b, c … with these texts."""
    for number, text in enumerate(texts, start=1):
        connection.execute("REPLACE INTO items VALUES (?, ?)", (number, chr(96 + number)))
        word_index.add(connection, number, modality, text)


def _search(
    connection: sqlite3.Connection, query: str, modality: Modality = Modality.TEXT, top_k: int = 10
) -> list[str]:
    sql, values = word_index.search_statement(query, modality)
    rows = connection.execute(sql, values).fetchall() if values else []
    return [row[0] for row in rows][:top_k]


def _frequency(connection: sqlite3.Connection, word: str) -> int:
    sql = word_index.frequency_statement(Modality.TEXT)
    return int(connection.execute(sql, (word_index.match_word(word),)).fetchone()[0])


def test_an_item_is_found_by_any_form_of_its_words(connection: sqlite3.Connection) -> None:
    _add(connection, "Roses want water.", "Tulips are bulbs.")

    assert _search(connection, "watering a rose") == ["a"]
    assert _search(connection, "BULB") == ["b"]


def test_the_item_with_more_of_the_words_comes_first(connection: sqlite3.Connection) -> None:
    _add(connection, "a red tulip", "a red rose", "a white lily", "a blue iris")

    assert _search(connection, "red rose") == ["b", "a"]


def test_the_rarer_word_weighs_more(connection: sqlite3.Connection) -> None:
    _add(connection, "garden rose", "garden tulip", "garden lily", "iris", "aster", "daisy")

    assert _search(connection, "garden tulip")[0] == "b"


def test_equal_items_come_in_order_of_their_ids(connection: sqlite3.Connection) -> None:
    _add(connection, "rose", "rose", "rose", "lily", "lily", "iris", "iris")

    assert _search(connection, "rose") == ["a", "b", "c"]


def test_scores_are_positive_and_fall(connection: sqlite3.Connection) -> None:
    _add(connection, "rose rose", "rose", "lily", "iris", "tulip")
    sql, values = word_index.search_statement("rose", Modality.TEXT)

    first, second = [score for _, score in connection.execute(sql, values)]

    assert first > second > 0


def test_at_most_top_k_items_are_listed(connection: sqlite3.Connection) -> None:
    _add(connection, "rose", "rose rose", "rose")

    assert len(_search(connection, "rose", top_k=2)) == 2


def test_pictures_and_texts_are_searched_apart(connection: sqlite3.Connection) -> None:
    _add(connection, "red rose", modality=Modality.IMAGE)

    assert _search(connection, "rose", Modality.IMAGE) == ["a"]
    assert _search(connection, "rose", Modality.TEXT) == []


def test_chinese_is_found_by_pairs_of_characters(connection: sqlite3.Connection) -> None:
    _add(connection, "玫瑰花喜欢阳光", "牡丹花喜欢肥沃的土", "roses")

    assert _search(connection, "玫瑰") == ["a"]
    assert _search(connection, "喜欢") == ["a", "b"]


def test_a_pair_of_characters_comes_before_the_two_apart(connection: sqlite3.Connection) -> None:
    _add(connection, "两次浇水太少", "给花浇两次水", "牡丹", "roses", "芍药", "兰花")

    assert _search(connection, "浇水") == ["a", "b"]


def test_words_that_ask_are_not_searched_for(connection: sqlite3.Connection) -> None:
    _add(connection, "茶用热水泡三分钟", "怎么办才好", "狗", "猫", "鱼")

    assert _search(connection, "茶怎么泡？") == ["a"]
    assert _search(connection, "怎么") == ["b"]


@pytest.mark.parametrize("query", ["兰", "兰?", "red 兰", "兰、菊"])
def test_a_single_han_character_is_found_inside_longer_words(
    connection: sqlite3.Connection, query: str
) -> None:
    _add(connection, "兰花", "牡丹", "roses")

    assert _search(connection, query) == ["a"]


@pytest.mark.parametrize("query", ["", "the", "?", "*", '"', "'", "()", "-", "^", "\0"])
def test_a_query_without_words_has_no_statement(query: str) -> None:
    assert word_index.search_statement(query, Modality.TEXT) == ("", ())


@pytest.mark.parametrize(
    "query",
    [
        "rose*", '"rose"', '"rose', "rose AND", "NOT rose", "OR rose OR", "NEAR(rose, 5)",
        "words:rose", "characters : rose", "-rose", "rose-", "rose + bed", "^rose", "(rose",
        "{rose}", "rose';DROP TABLE items;--", "rose\0", "rose\\", "text_words:rose",
        "rose\ud800",
    ],
)  # fmt: skip
def test_signs_of_the_query_language_are_nothing_special(
    connection: sqlite3.Connection, query: str
) -> None:
    _add(connection, "A rose.", "A lily.", "Something else.")

    assert _search(connection, query) == ["a"]


def test_words_of_the_query_language_are_words(connection: sqlite3.Connection) -> None:
    _add(connection, "near the pond", "a rose")

    assert _search(connection, "NEAR") == ["a"]
    assert _search(connection, "AND OR NOT") == []


def test_the_names_of_the_columns_find_nothing(connection: sqlite3.Connection) -> None:
    _add(connection, "a rose", "words")

    assert _search(connection, "characters") == []
    assert _search(connection, "words") == ["b"]


@given(query=st.text(max_size=40))
def test_no_query_breaks_the_statement(query: str) -> None:
    connection = _open(":memory:")
    _add(connection, query.encode("utf-8", "replace").decode("utf-8"))

    found = _search(connection, query)

    assert found in ([], ["a"])
    connection.close()


def test_an_item_that_is_removed_is_found_no_more(connection: sqlite3.Connection) -> None:
    _add(connection, "rose", "rose")
    word_index.add(connection, 3, Modality.IMAGE, "rose")
    connection.execute("INSERT INTO items VALUES (3, 'c')")

    word_index.remove(connection, 1)
    word_index.remove(connection, 3)
    word_index.remove(connection, 99)

    assert _search(connection, "rose") == ["b"]
    assert _search(connection, "rose", Modality.IMAGE) == []


def test_a_frequency_counts_items_not_occurrences(connection: sqlite3.Connection) -> None:
    _add(connection, "rose rose rose", "rose 玫瑰", "玫瑰花", "lily")

    assert [_frequency(connection, word) for word in ("rose", "玫瑰", "lili", "iris")] == [
        2, 2, 1, 0,
    ]  # fmt: skip


def test_a_quote_in_a_word_is_doubled() -> None:
    assert word_index.match_word('a"b') == 'words : "a""b"'
