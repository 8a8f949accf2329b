"""Labelled queries are read as they were meant, and a wrong line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import ConfigError
from florilegium.labelled import LabelledQuery, make_query, read_jsonl, to_line
from florilegium.types import Modality


def _read(folder: Path, *lines: str) -> list[LabelledQuery]:
    file = folder / "queries.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_jsonl(file)


def test_a_line_is_read_in_full(tmp_path: Path) -> None:
    (query,) = _read(
        tmp_path,
        '{"id": "q1", "text": "the same, but white", "image": "rose.jpg", "modality": "image",'
        ' "relevant": {"white rose.jpg": 2, "lily.jpg": 1, "daisy.jpg": 0}}',
    )

    assert (query.id, query.text, query.image) == ("q1", "the same, but white", "rose.jpg")
    assert query.modality is Modality.IMAGE
    assert query.relevant == {"white rose.jpg": 2, "lily.jpg": 1}
    assert query.folder == tmp_path
    assert query.place.endswith("queries.jsonl', line 1")


@pytest.mark.parametrize(
    ("line", "direction"),
    [
        ('{"text": "a", "relevant": ["b"]}', "text->any"),
        ('{"text": "a", "relevant": ["b"], "modality": "text"}', "text->text"),
        ('{"image": "a.jpg", "relevant": ["b"], "modality": "text"}', "image->text"),
        ('{"text": "a", "image": "a.jpg", "relevant": ["b"]}', "text+image->any"),
        ('{"text": "a", "relevant": ["b"], "direction": "care"}', "care"),
    ],
)
def test_the_direction_follows_from_the_query(tmp_path: Path, line: str, direction: str) -> None:
    assert _read(tmp_path, line)[0].direction == direction


def test_an_unanswerable_query_has_no_relevant_files(tmp_path: Path) -> None:
    (query,) = _read(tmp_path, '{"text": "a", "answerable": false}')

    assert not query.is_answerable
    assert query.relevant == {}


def test_an_id_follows_from_what_is_asked_and_not_from_the_line(tmp_path: Path) -> None:
    one, two = '{"text": "a", "relevant": ["x"]}', '{"text": "b", "relevant": ["x"]}'

    first = {query.text: query.id for query in _read(tmp_path, one, two)}
    second = {query.text: query.id for query in _read(tmp_path, two, "", one)}

    assert first == second
    assert len(set(first.values())) == 2


def test_queries_that_differ_in_modality_only_are_two(tmp_path: Path) -> None:
    lines = [
        f'{{"text": "rose", "relevant": ["x"], "modality": "{modality}"}}' for modality in Modality
    ]

    assert len(_read(tmp_path, *lines)) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "this is no JSON"),
        ("[1]", "a JSON object was expected"),
        ('{"relevant": ["a"]}', "needs `text`, `image`, or both"),
        ('{"text": " ", "relevant": ["a"]}', "needs `text`, `image`, or both"),
        ('{"text": "a"}', "no file is `relevant`"),
        ('{"text": "a", "relevant": {"b": 0}}', "no file is `relevant`"),
        ('{"text": "a", "relevant": ["b"], "answerable": false}', "has no `relevant` files"),
        ('{"text": "a", "relevant": "b"}', "must be a list of paths"),
        ('{"text": "a", "relevant": [1]}', "must be a list of paths"),
        ('{"text": "a", "relevant": {"b": true}}', "map paths to grades"),
        ('{"text": "a", "relevant": {"b": -1}}', "map paths to grades"),
        ('{"text": "a", "relevant": [""]}', "has an empty path"),
        ('{"text": 3, "relevant": ["b"]}', "`text` must be a string, not 3"),
        ('{"text": "a", "relevant": ["b"], "modality": "sound"}', "`modality` must be"),
        ('{"text": "a", "answerable": "no"}', "`answerable` must be true or false"),
        ('{"text": "a", "relevent": ["b"]}', "the key 'relevent' is unknown"),
    ],
)
def test_a_wrong_line_is_named_with_what_was_expected(
    tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, '{"text": "fine", "relevant": ["x"]}', line)

    assert message in caught.value.message
    assert "queries.jsonl', line 2: " in caught.value.message
    assert caught.value.hint


def test_an_id_that_comes_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 3: the query 'a' stands in .*line 1 too"):
        _read(tmp_path, '{"id": "a", "text": "x", "answerable": false}', "",
              '{"id": "a", "text": "y", "answerable": false}')  # fmt: skip


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no labelled query"):
        _read(tmp_path, "")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.jsonl"):
        read_jsonl(tmp_path / "gone.jsonl")


@pytest.mark.parametrize(
    "query",
    [
        make_query(text="白色的花 \u2028 \x85", relevant=["a b.jpg", "c.md"]),
        make_query(image="x.jpg", modality=Modality.TEXT, relevant={"a": 2, "b": 1}),
        make_query(text="nobody knows"),
    ],
)
def test_a_query_that_was_written_is_read_again(tmp_path: Path, query: LabelledQuery) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text(to_line(query), encoding="utf-8")

    (again,) = read_jsonl(file)

    assert (again.id, again.text, again.image) == (query.id, query.text, query.image)
    assert (again.relevant, again.modality) == (query.relevant, query.modality)
    assert again.is_answerable == query.is_answerable
