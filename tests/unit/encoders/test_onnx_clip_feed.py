"""A graph that is not what its record says is found before anything is computed with it."""

from __future__ import annotations

import numpy as np
import pytest

from florilegium.encoders.onnx_clip.feed import check_names, check_rows, feed, takes_one
from florilegium.encoders.onnx_clip.record import Graph
from florilegium.errors import EncoderError

GRAPH = Graph(path="text.onnx", inputs=("ids", "mask"), output="row")
TYPES = {"ids": np.int64, "mask": np.int64}


def test_a_graph_with_the_names_of_its_record_passes() -> None:
    check_names(GRAPH, inputs=["mask", "ids"], outputs=["other", "row"])


@pytest.mark.parametrize("inputs", [["ids"], ["ids", "mask", "position"], []])
def test_a_graph_with_other_inputs_is_refused(inputs: list[str]) -> None:
    with pytest.raises(EncoderError, match="but 'ids', 'mask' is expected"):
        check_names(GRAPH, inputs=inputs, outputs=["row"])


def test_a_graph_with_another_output_is_refused_by_name() -> None:
    with pytest.raises(EncoderError, match=r"'text.onnx' gives 'hidden', but 'row' is expected"):
        check_names(GRAPH, inputs=["ids", "mask"], outputs=["hidden"])


def test_inputs_come_in_the_types_of_the_graph_and_in_one_piece() -> None:
    columns = np.arange(6, dtype=np.int64).reshape(2, 3).T

    fed = feed(GRAPH, {"ids": columns, "mask": columns}, {"ids": np.int32, "mask": np.int64})

    assert (fed["ids"].dtype.name, fed["mask"].dtype.name) == ("int32", "int64")
    assert fed["ids"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert fed["mask"].flags.c_contiguous


def test_what_fits_is_not_copied() -> None:
    ids = np.zeros((2, 3), dtype=np.int64)

    assert feed(GRAPH, {"ids": ids, "mask": ids}, TYPES)["ids"] is ids


@pytest.mark.parametrize("names", [["ids"], ["ids", "mask", "more"], ["ids", "maske"]])
def test_inputs_of_other_names_are_refused(names: list[str]) -> None:
    inputs = {name: np.zeros((1, 2), dtype=np.int64) for name in names}

    with pytest.raises(EncoderError, match=r"takes 'ids', 'mask', but was given"):
        feed(GRAPH, inputs, TYPES)


def test_rows_are_float32() -> None:
    rows = check_rows(GRAPH, np.array([[1.5, 2.5]], dtype=np.float16), count=1)

    assert rows.dtype == np.float32
    assert rows.tolist() == [[1.5, 2.5]]


@pytest.mark.parametrize("shape", [(2,), (2, 5, 3), (3, 4)])
def test_an_output_without_one_row_for_each_input_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(EncoderError, match=r"but \(2, dimensions\) is expected"):
        check_rows(GRAPH, np.zeros(shape, dtype=np.float32), count=2)


@pytest.mark.parametrize(("first", "one"), [(None, False), (1, True)])
def test_a_graph_takes_any_number_of_inputs_or_one(first: int | None, one: bool) -> None:
    assert takes_one(GRAPH, first) is one


def test_a_graph_for_eight_inputs_at_a_time_is_refused() -> None:
    with pytest.raises(EncoderError, match="exported for 8 inputs at a time"):
        takes_one(GRAPH, 8)
