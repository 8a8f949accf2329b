"""BEIR folders and TREC files are read as labelled queries."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import ConfigError
from florilegium.qrels import read_queries


def _beir(folder: Path, queries: str, **splits: str) -> Path:
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "queries.jsonl").write_text(queries, encoding="utf-8")
    for name, text in splits.items():
        (folder / "qrels" / f"{name}.tsv").write_text(text, encoding="utf-8")
    return folder


QUERIES = '{"_id": "1", "text": "rose care"}\n{"_id": "2", "text": "tulips"}\n'


def test_a_beir_folder_is_read(tmp_path: Path) -> None:
    rows = "query-id\tcorpus-id\tscore\n1\tnotes/rose garden.md\t2\n1\tlily.md\t0\n"

    (query,) = read_queries(_beir(tmp_path, QUERIES, test=rows))

    assert (query.id, query.text) == ("1", "rose care")
    assert query.relevant == {"notes/rose garden.md": 2}
    assert query.direction == "text->any"


def test_of_several_beir_splits_the_test_split_is_read(tmp_path: Path) -> None:
    folder = _beir(tmp_path, QUERIES, train="1\ta.md\t1\n", test="2\tb.md\t1\n")

    assert [query.id for query in read_queries(folder)] == ["2"]


def test_several_splits_without_a_test_split_are_an_error(tmp_path: Path) -> None:
    folder = _beir(tmp_path, QUERIES, train="1\ta.md\t1\n", dev="2\tb.md\t1\n")

    with pytest.raises(ConfigError, match=r"'dev\.tsv', 'train\.tsv'"):
        read_queries(folder)


def test_trec_topics_are_read_with_the_qrels_beside_them(tmp_path: Path) -> None:
    topics = tmp_path / "topics.tsv"
    topics.write_text("q1\trose care\nq2\ttulips\n", encoding="utf-8")
    (tmp_path / "qrels.txt").write_text(
        "q1 0 notes/rose garden.md 1\nq2\t0\ttulip.md\t3\nq2 0 daisy.md -1\n", encoding="utf-8"
    )

    for place in (topics, str(tmp_path)):
        first, second = read_queries(place)

        assert first.relevant == {"notes/rose garden.md": 1}
        assert second.relevant == {"tulip.md": 3}


def test_any_other_file_has_our_lines(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text('{"text": "a", "answerable": false}\n', encoding="utf-8")

    assert read_queries(file)[0].text == "a"


def test_a_folder_of_something_else_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="topics") as caught:
        read_queries(tmp_path)

    assert "BEIR" in str(caught.value.hint)


def test_topics_without_qrels_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "topics.tsv").write_text("q1\trose\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"qrels.*found: none"):
        read_queries(tmp_path)


@pytest.mark.parametrize(
    ("queries", "rows", "message"),
    [
        ("nonsense\n", "1\ta\t1\n", r"queries\.jsonl', line 1: an object with"),
        ('{"_id": "1"}\n', "1\ta\t1\n", r"queries\.jsonl', line 1: an object with"),
        (QUERIES + '{"_id": "1", "text": "b"}\n', "1\ta\t1\n", "line 3: the query '1' comes twice"),
        (QUERIES, "1\ta.md\n", r"test\.tsv', line 1: the line should have query id, path"),
        (QUERIES, "1\ta.md\thigh\n", "line 1: the line should have a whole number as the grade"),
        (QUERIES, "9\ta.md\t1\n", "names 1 queries that .* does not have, the first is '9'"),
        (QUERIES, "1\ta.md\t0\n", "holds no labelled query"),
    ],
)
def test_a_wrong_line_of_beir_is_named(
    tmp_path: Path, queries: str, rows: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_queries(_beir(tmp_path, queries, test=rows))


@pytest.mark.parametrize(
    ("topics", "rows", "message"),
    [
        ("q1 rose\n", "q1 0 a 1\n", r"topics\.tsv', line 1: an id, a tab"),
        ("q1\trose\nq1\tlily\n", "q1 0 a 1\n", "line 2: the query 'q1' comes twice"),
        ("q1\trose\n", "q1 a 1\n", r"qrels\.txt', line 1: the line should have query id, 0, path"),
        ("q1\trose\n", "q1 0 a x\n", "a whole number as the grade"),
    ],
)
def test_a_wrong_line_of_trec_is_named(
    tmp_path: Path, topics: str, rows: str, message: str
) -> None:
    (tmp_path / "topics.tsv").write_text(topics, encoding="utf-8")
    (tmp_path / "qrels.txt").write_text(rows, encoding="utf-8")

    with pytest.raises(ConfigError, match=message):
        read_queries(tmp_path)
