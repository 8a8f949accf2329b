from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import InvalidQueryError, RerankError
from florilegium.rerankers.cross_encoder.pairs import PairReader
from tests.tiny_reranker import Family, write_tiny_reranker

CLS, SEP = 1, 2


def open_reader(folder: Path, *, family: Family = "bert", max_tokens: int = 16) -> PairReader:
    write_tiny_reranker(folder, family=family)
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    return PairReader(text, max_tokens=max_tokens, pad_id=7)


def test_query_and_text_are_joined_by_the_template_of_the_file(tmp_path: Path) -> None:
    (pair,) = open_reader(tmp_path).read("a b", ["c d e"])

    a = pair.ids[1]
    assert pair.ids == (CLS, a, a + 1, SEP, a + 2, a + 3, a + 4, SEP)
    assert pair.types == (0, 0, 0, 0, 1, 1, 1, 1)


def test_a_template_of_two_marks_and_one_type_is_followed_too(tmp_path: Path) -> None:
    (pair,) = open_reader(tmp_path, family="roberta").read("a b", ["c"])

    a = pair.ids[1]
    assert pair.ids == (0, a, a + 1, SEP, SEP, a + 2, SEP)
    assert set(pair.types) == {0}


def test_nothing_of_a_long_text_is_lost_and_its_windows_are_of_one_size(tmp_path: Path) -> None:
    text = "a b c d e f g h " * 5  # 40 tokens; 16 - 3 marks - 1 of the query leave 12

    pairs = open_reader(tmp_path).read("rose", [text, "coffee"])

    assert [pair.owner for pair in pairs] == [0, 0, 0, 0, 1]
    inner = [token for pair in pairs[:4] for token in pair.ids[3:-1]]
    a = pairs[0].ids[3]
    assert inner == [a + place % 8 for place in range(40)]
    assert [len(pair.ids) for pair in pairs[:4]] == [14, 14, 14, 14]
    assert all(pair.ids[:3] == pairs[0].ids[:3] for pair in pairs[:4])


@pytest.mark.parametrize(
    ("length", "windows"), [(0, 1), (1, 1), (12, 1), (13, 2), (24, 2), (25, 3)]
)
def test_there_are_as_few_windows_as_fit(tmp_path: Path, length: int, windows: int) -> None:
    pairs = open_reader(tmp_path).read("rose", ["a " * length])

    assert len(pairs) == windows
    assert max(len(pair.ids) for pair in pairs) <= 16
    assert sum(len(pair.ids) - 4 for pair in pairs) == length


@pytest.mark.parametrize(("length", "fits"), [(9, True), (10, False)])
def test_a_query_leaves_a_quarter_to_the_text(tmp_path: Path, length: int, fits: bool) -> None:
    reader = open_reader(tmp_path)

    if fits:
        assert len(reader.read("a " * length, ["b"])) == 1
    else:
        with pytest.raises(
            InvalidQueryError, match="10 tokens, but the reranker takes 9"
        ) as caught:
            reader.read("a " * length, ["b"])
        assert "rerank.name" in str(caught.value.hint)


def test_odd_characters_are_read(tmp_path: Path) -> None:
    assert len(open_reader(tmp_path).read("rose \ud83d", ["\udfff", ""])) == 2


def test_batches_hold_pairs_of_like_length_and_mask_what_is_padding(tmp_path: Path) -> None:
    reader = open_reader(tmp_path)
    pairs = reader.read("a", ["b c d e", "b", "b c d", "b c"])

    batches = list(reader.batches(pairs, 2))

    assert [batch.positions for batch in batches] == [(1, 3), (2, 0)]
    first = batches[0]
    assert first.ids.shape == first.types.shape == first.mask.shape == (2, 6)
    assert first.ids[0].tolist()[5:] == [7]
    assert first.mask.tolist() == [[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]]
    assert first.types[0].tolist() == [0, 0, 0, 1, 1, 0]


def test_a_batch_of_long_pairs_is_small(tmp_path: Path) -> None:
    reader = open_reader(tmp_path, max_tokens=1024)

    batches = list(reader.batches(reader.read("a", ["b " * 1000] * 5), 32))

    assert [len(batch.positions) for batch in batches] == [2, 2, 1]


def test_what_is_no_tokenizer_is_refused() -> None:
    with pytest.raises(RerankError, match="tokenizer"):
        PairReader("{}", max_tokens=16, pad_id=0)
