"""What is learnt from named pictures, whether it may be used, and when nothing can be learnt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from florilegium import adapter_training, votes
from florilegium.adapter import Adapter, blend
from florilegium.adapter_training import (
    LEAST_PER_NAME,
    Untrained,
    fit_adapter,
    training_fingerprint,
)
from florilegium.errors import EncoderError
from florilegium.types import Embeddings
from tests.unit.adapter_samples import DIM, pictures

FLOWERS = ["rose"] * 20 + ["tulip"] * 20 + ["daisy"] * 20


def trained(embeddings: Embeddings, names: list[str] | list[str | None]) -> Adapter:
    adapter = fit_adapter(embeddings, names)
    assert isinstance(adapter, Adapter), adapter.reason
    return adapter


def first(likely: dict[str, float]) -> str:
    return max(likely, key=lambda name: likely[name])


def test_it_names_new_pictures_of_what_it_saw() -> None:
    rows, names = pictures(FLOWERS + FLOWERS)

    adapter = trained(rows[:60], names[:60])

    right = [
        first(adapter.probabilities(row)) == name
        for row, name in zip(rows[60:], FLOWERS, strict=True)
    ]
    assert adapter.names == ("daisy", "rose", "tulip")
    assert np.mean(right) > 0.9


def test_it_helps_where_what_tells_names_apart_is_not_what_makes_pictures_alike() -> None:
    random = np.random.default_rng(0)
    names = ["a", "b"] * 60
    rows = random.normal(size=(120, 40))
    rows[:, 1:9] *= 4
    rows[:, 0] += np.where(np.arange(120) % 2, 1.5, -1.5)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    adapter = trained(rows.astype(np.float32), names)

    assert adapter.helps, adapter.validation
    assert adapter.validation.held_out == 120
    assert adapter.validation.adapter_right > adapter.validation.vote_right
    assert "right more often" in adapter.validation.reason


@pytest.mark.parametrize("seed", range(5))
def test_names_that_have_nothing_to_do_with_the_pictures_do_not_help(seed: int) -> None:
    rows, _ = pictures(["same"] * 60, seed=seed)
    names = list(np.random.default_rng(seed).permutation(["a", "b"] * 30))

    adapter = trained(rows, [str(name) for name in names])

    assert not adapter.helps
    assert "cannot be told apart" in adapter.validation.reason


def test_neighbours_that_are_right_more_often_keep_their_vote() -> None:
    # Nine knots on a line, by turns of two names: near pictures agree, no straight line does.
    angles = np.repeat(np.linspace(0, np.pi, 9), 12) + np.tile(np.linspace(0, 0.02, 12), 9)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    names = ["odd" if knot % 2 else "even" for knot in range(9) for _ in range(12)]

    adapter = trained(rows, names)

    assert not adapter.helps
    assert blend({"odd": 1.0}, {"odd": 0.0, "even": 1.0}, adapter) == {"odd": 1.0}


def test_what_leaving_one_out_predicts_is_what_training_without_it_would() -> None:
    rows, names = pictures(["a"] * 6 + ["b"] * 6, noise=1.5)
    targets = np.array([0] * 6 + [1] * 6)
    wanted = np.eye(2)[targets]
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    basis, spread = adapter_training._decompose(centred)
    centred_wanted = wanted - wanted.mean(axis=0)
    fit = adapter_training._fit(basis, spread, basis.T @ centred_wanted, centred_wanted, targets)
    penalty = 1 / fit.shrunk[0] - spread[0]

    for left in range(12):
        rest = np.delete(np.arange(12), left)
        some, mean = rows[rest].astype(np.float64), rows[rest].mean(axis=0, dtype=np.float64)
        inner = (some - mean).T @ (some - mean) + penalty * np.eye(DIM)
        weights = np.linalg.solve(
            inner, (some - mean).T @ (wanted[rest] - wanted[rest].mean(axis=0))
        )
        predicted = (rows[left] - mean) @ weights + wanted[rest].mean(axis=0)
        assert fit.held_out[left] + wanted.mean(axis=0) == pytest.approx(predicted, abs=1e-6)
    assert names[0] == "a"


def test_a_nearest_mean_leaves_the_picture_itself_out_of_its_own() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    targets = np.array([0, 0, 1])
    sums = np.eye(2)[targets].T @ rows

    nearest = adapter_training._nearest(rows, targets, sums)

    # The first is compared with the second (0) and the third (0.6), the third with |(1, 1)| only.
    assert nearest == pytest.approx([0.6, 0.8, 1.4 / np.sqrt(2)])


def test_a_picture_of_something_else_has_no_likely_name() -> None:
    rows, names = pictures(FLOWERS, noise=0.3, dim=64)
    adapter = trained(rows, names)
    strangers, _ = pictures(["car"] * 20, noise=0.3, seed=9, dim=64)

    assert max(max(adapter.probabilities(row).values()) for row in strangers) < 0.1
    assert np.mean([adapter.known(row) for row in rows]) > 0.9


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "0 of 0"),
        ([None] * 9, "0 of 0"),
        (["rose"] * 9, "1 of 1"),
        (["rose"] * 7 + ["tulip"] * (LEAST_PER_NAME - 1), "1 of 2"),
    ],
)
def test_too_few_names_teach_nothing(names: list[str | None], reason: str) -> None:
    rows, _ = pictures([name or "" for name in names]) if names else (np.zeros((0, DIM), "f4"), [])

    untrained = fit_adapter(rows, names)

    assert isinstance(untrained, Untrained)
    assert reason in untrained.reason


def test_more_names_than_can_be_told_apart_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter_training, "MOST_NAMES", 2)

    untrained = fit_adapter(*pictures(FLOWERS))

    assert isinstance(untrained, Untrained)
    assert "at most 2" in untrained.reason


def test_pictures_that_all_look_the_same_teach_nothing() -> None:
    rows = np.tile(np.eye(4, dtype=np.float32)[0], (6, 1))

    assert isinstance(fit_adapter(rows, ["a", "b"] * 3), Untrained)


def test_pictures_without_a_name_and_names_with_few_pictures_have_no_part_in_it() -> None:
    rows, names = pictures(FLOWERS)
    more = np.concatenate([rows, pictures(["car"] * 9, seed=3)[0]])

    adapter = trained(more, [*names, "car", *([None] * 8)])

    assert adapter.to_bytes() == trained(rows, names).to_bytes()


@pytest.mark.parametrize(
    "rows", [np.zeros((3, 4), "f4"), np.zeros(2, "f4"), np.full((2, 4), np.nan)]
)
def test_embeddings_that_do_not_belong_to_the_names_are_refused(rows: Embeddings) -> None:
    with pytest.raises(EncoderError, match="2 names"):
        fit_adapter(rows, ["a", "b"])


def test_more_pictures_than_are_trained_on_are_shared_out_over_the_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter_training, "MOST_PICTURES", 20)
    rows, names = pictures(["rose"] * 50 + ["tulip"] * 30 + ["daisy"] * 4)

    chosen, targets = adapter_training._choose(rows, names, ["daisy", "rose", "tulip"])

    assert np.bincount(targets).tolist() == [4, 8, 8]
    assert len(set(chosen.tolist())) == 20


def test_as_many_neighbours_vote_as_in_a_search() -> None:
    assert adapter_training.NEIGHBOURS == votes.NEIGHBOURS


def test_at_least_so_many_successes_are_as_likely_as_the_binomial_says() -> None:
    # 3 or 4 heads of 4: 5 of 16; all of 3 with a chance of a fifth: 1 of 125.
    assert adapter_training._at_least(3, 4, 0.5) == pytest.approx(5 / 16)
    assert adapter_training._at_least(3, 3, 0.2) == pytest.approx(1 / 125)
    assert adapter_training._at_least(0, 4, 0.5) == 1.0


def test_the_fingerprint_is_of_what_is_trained_on_and_nothing_else() -> None:
    known = training_fingerprint("e", ["1", "2", "3"], ["rose", "tulip", None])

    assert known == training_fingerprint("e", ["2", "1"], ["tulip", "rose"])
    assert known != training_fingerprint("f", ["1", "2"], ["rose", "tulip"])
    assert known != training_fingerprint("e", ["1", "2"], ["tulip", "rose"])
    assert known != training_fingerprint("e", ["1", "2", "3"], ["rose", "tulip", "tulip"])


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(24)), st.integers(0, 99))
def test_the_order_of_the_pictures_has_no_part_in_it(order: list[int], seed: int) -> None:
    rows, names = pictures(["rose"] * 9 + ["tulip"] * 9 + ["daisy"] * 6, seed=seed)

    turned = trained(rows[order], [names[i] for i in order])

    assert turned.to_bytes() == trained(rows, names).to_bytes()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(0.1, 3.0))
def test_what_the_names_are_has_no_part_in_it(seed: int, noise: float) -> None:
    rows, names = pictures(["a"] * 8 + ["b"] * 8 + ["c"] * 8, seed=seed, noise=noise)
    other = {"a": "x", "b": "y", "c": "z"}

    likely = trained(rows, names).probabilities(rows[0])
    renamed = trained(rows, [other[name] for name in names]).probabilities(rows[0])

    assert {other[name]: chance for name, chance in likely.items()} == renamed
    assert 0 <= sum(likely.values()) <= 1 + 1e-9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99))
def test_bytes_bring_back_the_same(seed: int) -> None:
    rows, names = pictures(["a"] * 8 + ["b"] * 8, seed=seed)
    adapter = trained(rows, names)

    back = Adapter.from_bytes(adapter.to_bytes())

    assert back.to_bytes() == adapter.to_bytes()
    assert back.probabilities(rows[3]) == adapter.probabilities(rows[3])
