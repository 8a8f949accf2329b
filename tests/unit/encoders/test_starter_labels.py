from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from florilegium.encoders.minilm import MiniLmEncoder
from florilegium.encoders.starter.labels import (
    LABEL_COUNT,
    LABELS_PER_IMAGE,
    LabelSpace,
    LabelTable,
    open_label_space,
    parse_label_table,
    read_label_table,
)
from florilegium.errors import EncoderError
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Modality

HEADER = "index\tname\tsynonyms\tgloss\tzh"


@pytest.fixture(scope="module")
def table() -> LabelTable:
    return read_label_table()


@pytest.fixture
def space() -> LabelSpace:
    """A space in which label i < 64 points along axis i, and the others nowhere near."""
    rows = np.zeros((LABEL_COUNT, 65), dtype=np.float32)
    rows[:64, :64] = np.eye(64)
    rows[64:, 64] = 1
    return LabelSpace(mean=np.zeros(65, dtype=np.float32), rows=rows)


def logits_of(probabilities: dict[int, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    logits = np.full((1, LABEL_COUNT), -40, dtype=np.float32)
    for label, probability in probabilities.items():
        logits[0, label] = np.log(probability)
    return logits


def test_the_table_names_a_thousand_labels_in_the_order_of_the_network(table: LabelTable) -> None:
    assert len(table.labels) == len(table.glosses) == 1000
    assert table.labels[0].name == "tench"
    assert table.labels[985].name == "daisy"
    assert table.labels[999].name == "toilet paper"


def test_no_two_labels_share_a_name_and_none_lacks_words(table: LabelTable) -> None:
    assert len({label.name.casefold() for label in table.labels}) == 1000
    assert all(label.name and label.synonyms and label.chinese for label in table.labels)
    assert all(table.glosses)


def test_synonyms_and_chinese_names_are_split(table: LabelTable) -> None:
    daisy = table.labels[985]

    assert "flower" in daisy.synonyms
    assert "雏菊" in daisy.chinese


def test_each_label_has_three_texts() -> None:
    table = read_label_table()

    texts = table.texts()

    assert len(texts) == 3000
    assert texts[0] == "tench"
    assert texts[1] == "tench, " + ", ".join(table.labels[0].synonyms)
    assert texts[2] == table.glosses[0]


def test_a_table_without_its_header_is_refused() -> None:
    with pytest.raises(EncoderError, match="five columns"):
        parse_label_table("0\ttench\tfish\ta fish\t鱼\n")


def test_a_row_that_lacks_a_column_is_refused() -> None:
    with pytest.raises(EncoderError, match="five columns"):
        parse_label_table(f"{HEADER}\n0\ttench\tfish\ta fish\n")


def test_rows_out_of_order_are_refused(table: LabelTable) -> None:
    rows = [f"{index}\tname\t\tgloss\t" for index in range(LABEL_COUNT)]
    rows[3], rows[4] = rows[4], rows[3]

    with pytest.raises(EncoderError, match="in order"):
        parse_label_table("\n".join([HEADER, *rows]))


def test_another_table_has_another_hash() -> None:
    rows = [f"{index}\tname\t\tgloss\t" for index in range(LABEL_COUNT)]
    first = parse_label_table("\n".join([HEADER, *rows]))
    rows[7] = "7\tother\t\tgloss\t"

    assert parse_label_table("\n".join([HEADER, *rows])).content_hash != first.content_hash


def test_a_picture_is_the_probability_weighted_sum_of_its_labels(space: LabelSpace) -> None:
    combined = space.combine(logits_of({2: 0.6, 5: 0.3, 9: 0.1}))

    expected = np.zeros(65)
    expected[[2, 5, 9]] = np.array([0.6, 0.3, 0.1]) / np.linalg.norm([0.6, 0.3, 0.1])
    np.testing.assert_allclose(combined[0], expected, atol=1e-5)


def test_only_the_ten_likeliest_labels_count(space: LabelSpace) -> None:
    combined = space.combine(logits_of({label: 0.9**label for label in range(20)}))

    assert np.flatnonzero(combined[0] > 1e-6).tolist() == list(range(LABELS_PER_IMAGE))


def test_opposite_labels_of_equal_probability_still_give_a_unit_row(space: LabelSpace) -> None:
    rows = space.rows.copy()
    rows[1] = -rows[0]
    opposed = LabelSpace(mean=space.mean, rows=rows)

    combined = opposed.combine(logits_of({0: 0.5, 1: 0.5}))

    assert np.linalg.norm(combined[0]) == pytest.approx(1)


def test_separate_gives_back_what_combine_put_together(space: LabelSpace) -> None:
    combined = space.combine(logits_of({2: 0.6, 5: 0.3, 9: 0.1}))

    found = space.separate(combined[0])

    assert [label for label, _ in found[:3]] == [2, 5, 9]
    np.testing.assert_allclose([share for _, share in found[:3]], [0.6, 0.3, 0.1], atol=1e-3)


def test_separate_finds_labels_whose_rows_are_alike() -> None:
    # 0 and 1 are 37 degrees apart, and 2 stands between them: nearer to their sum than either.
    rows = np.zeros((LABEL_COUNT, 4), dtype=np.float32)
    rows[:3] = [(1, 0, 0, 0), (0.8, 0.6, 0, 0), (0.87, 0.29, 0.4, 0)]
    rows[2] /= np.linalg.norm(rows[2])
    rows[3:, 3] = 1
    space = LabelSpace(mean=np.zeros(4, dtype=np.float32), rows=rows)
    combined = space.combine(logits_of({0: 0.55, 1: 0.45}))

    found = dict(space.separate(combined[0]))

    assert found[0] == pytest.approx(0.55, abs=0.02)
    assert found[1] == pytest.approx(0.45, abs=0.02)


def test_shares_sum_to_one_and_come_largest_first(space: LabelSpace) -> None:
    combined = space.combine(logits_of({label: 0.9**label for label in range(20)}))

    shares = [share for _, share in space.separate(combined[0])]

    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert min(shares) > 0


def test_a_row_that_points_away_from_all_labels_has_none(space: LabelSpace) -> None:
    assert space.separate(-np.ones(65, dtype=np.float32)) == []


def test_a_text_that_equals_the_mean_keeps_unit_length() -> None:
    mean = np.array([0.6, 0.8], dtype=np.float32)
    space = LabelSpace(mean=mean, rows=np.ones((LABEL_COUNT, 2), dtype=np.float32))

    centred = space.centre(np.array([[0.6, 0.8], [1.0, 0.0]], dtype=np.float32))

    np.testing.assert_allclose(np.linalg.norm(centred, axis=1), 1, atol=1e-6)


def test_label_rows_are_centred_unit_rows(table: LabelTable, tmp_path: Path) -> None:
    space = open_label_space(table, FakeEncoder(), tmp_path)

    assert space.rows.shape == (1000, 32)
    np.testing.assert_allclose(np.linalg.norm(space.rows, axis=1), 1, atol=1e-5)
    assert abs(space.rows.mean(axis=0)).max() < 0.1


def test_labels_are_encoded_once_for_all_processes(table: LabelTable, tmp_path: Path) -> None:
    first, second = FakeEncoder(), FakeEncoder()

    made = open_label_space(table, first, tmp_path)
    read = open_label_space(table, second, tmp_path)

    assert first.calls[Modality.TEXT] == 3000
    assert second.calls[Modality.TEXT] == 0
    np.testing.assert_array_equal(made.rows, read.rows)


def test_another_text_encoder_has_a_file_of_its_own(table: LabelTable, tmp_path: Path) -> None:
    small, large = FakeEncoder(dim=32), FakeEncoder(dim=64)

    rows = [open_label_space(table, texts, tmp_path).rows for texts in (small, large)]

    assert [row.shape for row in rows] == [(1000, 32), (1000, 64)]
    assert len(list(tmp_path.rglob("labels-*.bin"))) == 2


@pytest.mark.parametrize("damage", [b"", b"short", b"0" * (32 + 4 * 32 * 1000)])
def test_a_damaged_file_is_made_again(
    table: LabelTable, tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    made = open_label_space(table, FakeEncoder(), tmp_path)
    (file,) = tmp_path.rglob("labels-*.bin")
    whole = file.read_bytes()
    file.write_bytes(damage)

    with caplog.at_level(logging.WARNING):
        again = open_label_space(table, FakeEncoder(), tmp_path)

    np.testing.assert_array_equal(again.rows, made.rows)
    assert file.read_bytes() == whole
    assert "damaged" in caplog.text


def test_one_flipped_bit_is_noticed(table: LabelTable, tmp_path: Path) -> None:
    open_label_space(table, FakeEncoder(), tmp_path)
    (file,) = tmp_path.rglob("labels-*.bin")
    data = bytearray(file.read_bytes())
    data[1000] ^= 1
    file.write_bytes(data)
    texts = FakeEncoder()

    open_label_space(table, texts, tmp_path)

    assert texts.calls[Modality.TEXT] == 3000


def test_the_default_text_encoder_has_its_labels_shipped(table: LabelTable, tmp_path: Path) -> None:
    # When this fails, run `python scripts/build_starter.py --labels`.
    texts = MiniLmEncoder(weights=tmp_path / "absent.onnx")

    space = open_label_space(table, texts, tmp_path / "cache")

    assert space.rows.shape == (1000, 384)
    assert not (tmp_path / "cache").exists()


def test_shipped_rows_are_what_the_text_encoder_gives(table: LabelTable, tmp_path: Path) -> None:
    texts = MiniLmEncoder(threads=2)
    space = open_label_space(table, texts, tmp_path)
    wordings = texts.encode_texts(table.texts()[3 * 985 : 3 * 986], purpose="document")

    daisy = space.centre(wordings.sum(axis=0, keepdims=True) / np.linalg.norm(wordings.sum(axis=0)))

    np.testing.assert_allclose(daisy[0], space.rows[985], atol=1e-4)
    texts.close()


def test_nothing_but_the_file_is_left_in_the_folder(table: LabelTable, tmp_path: Path) -> None:
    open_label_space(table, FakeEncoder(), tmp_path)

    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".bin"]


def test_a_folder_that_cannot_be_written_is_only_a_warning(
    table: LabelTable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("not a folder", encoding="utf-8")

    with caplog.at_level(logging.WARNING):
        space = open_label_space(table, FakeEncoder(), blocked)

    assert space.rows.shape == (1000, 32)
    assert "cannot be kept" in caplog.text
