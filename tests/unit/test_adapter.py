"""An adapter by hand: its probabilities, its doubts, its blend with the vote, its bytes."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.adapter import UNUSUAL, Adapter, blend
from florilegium.errors import EncoderError, StoreError
from florilegium.types import Embeddings
from tests.unit.adapter_samples import tiny

ROSE = np.array([0.8, 0.6], dtype=np.float32)


def test_probabilities_are_the_softmax_of_the_tempered_scores() -> None:
    # exp(2 * 0.8) / (exp(2 * 0.8) + exp(2 * 0.6)) = 1 / (1 + exp(-0.4))
    likely = tiny().probabilities(ROSE)

    assert likely["rose"] == pytest.approx(1 / (1 + math.exp(-0.4)))
    assert sum(likely.values()) == pytest.approx(1.0)


def test_doubt_is_spread_evenly() -> None:
    sure = tiny().probabilities(ROSE)["rose"]

    assert tiny(doubt=0.5).probabilities(ROSE)["rose"] == pytest.approx(0.5 * sure + 0.25)


def test_a_picture_unlike_all_that_have_names_has_no_likely_name() -> None:
    adapter = tiny()
    stranger = np.array([-0.6, -0.8], dtype=np.float32)

    assert adapter.known(ROSE) == 1.0
    assert adapter.known(stranger) < 0.01
    assert max(adapter.probabilities(stranger).values()) < 0.01
    assert list(adapter.probabilities(stranger)) == ["rose", "tulip"]


def test_the_lowest_of_the_usual_is_as_rare_as_one_in_all_held_out_and_itself() -> None:
    lowest = np.array([0.5, 0.0], dtype=np.float32)

    assert tiny().known(lowest) == pytest.approx(1 / 100 / UNUSUAL)


def test_an_embedding_of_another_dimension_is_refused() -> None:
    with pytest.raises(EncoderError, match=r"shape \(2,\), not \(3,\)") as caught:
        tiny().probabilities(np.zeros(3, dtype=np.float32))

    assert "ingest" in str(caught.value.hint)


def test_named_pictures_trade_places_among_themselves_only() -> None:
    scores = {"tulip 1": 0.56, "nameless": 0.55, "rose 1": 0.54, "other": 0.53, "rose 2": 0.52}
    names = {"tulip 1": "tulip", "rose 1": "rose", "rose 2": "rose", "other": "daisy"}
    sure_of_roses = np.array([1.0, 0.0], dtype=np.float32)

    adapted = tiny(temperature=100).reorder(sure_of_roses, scores, names)

    # Likeness by the floor of 0.02: 1, 0 and -1. Probabilities 0, 1 and 1: -1.41, 0.71 and 0.71.
    assert adapted == {
        "rose 1": 0.56, "nameless": 0.55, "rose 2": 0.54, "other": 0.53, "tulip 1": 0.52,
    }  # fmt: skip


def test_a_picture_that_is_all_but_the_same_stays_first_whatever_its_name() -> None:
    scores = {"twin": 0.99, **{f"rose {number}": 0.5 for number in range(30)}}
    names = {id_: id_.partition(" ")[0] for id_ in scores} | {"twin": "tulip"}

    adapted = tiny(temperature=100).reorder(np.array([1.0, 0.0], dtype=np.float32), scores, names)

    assert max(adapted, key=lambda id_: adapted[id_]) == "twin"


def test_a_list_without_names_stays_as_it_is() -> None:
    scores = {"a": 0.9, "b": 0.8}

    assert tiny().reorder(ROSE, scores, {"a": None, "b": "daisy"}) == scores
    assert tiny().reorder(ROSE, {}, {}) == {}


def test_the_vote_for_known_names_is_given_out_anew() -> None:
    blended = blend(
        {"tulip": 0.5, "rose": 0.3, "daisy": 0.2}, {"rose": 0.75, "tulip": 0.25}, tiny()
    )

    assert blended == pytest.approx({"rose": 0.6, "tulip": 0.2, "daisy": 0.2})


def test_votes_of_pictures_without_a_name_make_it_less_sure() -> None:
    # 0.8 of the votes have a name, so it gives out 0.8 * 0.6; daisies keep their own.
    blended = blend({"rose": 0.6, "daisy": 0.2}, {"rose": 0.75, "tulip": 0.25}, tiny())

    assert blended == pytest.approx({"rose": 0.36, "tulip": 0.12, "daisy": 0.2})


def test_a_name_that_it_never_saw_keeps_its_first_place() -> None:
    shares = {"daisy": 0.4, "rose": 0.3, "tulip": 0.3}

    assert blend(shares, {"rose": 1.0, "tulip": 0.0}, tiny()) == shares


def test_without_help_the_vote_stays() -> None:
    shares, likely = {"tulip": 1.0}, {"rose": 1.0, "tulip": 0.0}

    assert blend(shares, likely, tiny(helps=False)) == shares
    assert blend(shares, likely, None) == shares
    assert blend({}, likely, tiny()) == {}


def test_bytes_bring_back_the_very_same() -> None:
    adapter = tiny(doubt=0.125)

    back = Adapter.from_bytes(adapter.to_bytes())

    assert back.to_bytes() == adapter.to_bytes()
    assert back.probabilities(ROSE) == adapter.probabilities(ROSE)
    assert (back.names, back.validation, back.fingerprint) == (
        adapter.names, adapter.validation, "tiny",
    )  # fmt: skip


def _with(**arrays: object) -> bytes:
    stream = io.BytesIO()
    with np.load(io.BytesIO(tiny().to_bytes())) as file:
        held = {key: file[key] for key in file.files}
    np.savez(stream, **{**held, **arrays})
    return stream.getvalue()


def _about(**changes: object) -> Embeddings:
    with np.load(io.BytesIO(tiny().to_bytes())) as file:
        about = json.loads(file["about"].tobytes())
    return np.frombuffer(json.dumps({**about, **changes}).encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"not an archive",
        tiny().to_bytes()[:-100],
        _with(about=np.frombuffer(b"{}", dtype=np.uint8)),
        _with(about=np.frombuffer(b"[", dtype=np.uint8)),
        _with(about=_about(format=99)),
        _with(about=_about(names=["rose"])),
        _with(about=_about(names=None)),
        _with(about=_about(temperature=math.inf)),
        _with(about=_about(validation={"held_out": 1})),
        _with(about=_about(validation=[])),
        _with(weights=np.eye(3, dtype=np.float32)),
        _with(weights=np.full((2, 2), np.nan, dtype=np.float32)),
        _with(weights=np.eye(2, dtype=np.float64)),
        _with(usual=np.zeros((2, 0), dtype=np.float32)),
        _with(usual=np.zeros((2, 11), dtype=np.float32)[:, ::-1] - np.arange(11, dtype=np.float32)),
        _with(means=np.zeros(2, dtype=np.float32)),
        _with(offsets=np.array([object(), object()])),
    ],
)
def test_damaged_bytes_are_named_as_such(damaged: bytes) -> None:
    with pytest.raises(StoreError, match="adapter") as caught:
        Adapter.from_bytes(damaged)

    assert "ingest" in str(caught.value.hint)


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=2),
    st.floats(0.0, 100.0),
    st.floats(0.0, 1.0),
)
def test_probabilities_are_never_more_than_one(
    row: list[float], temperature: float, doubt: float
) -> None:
    adapter = tiny(temperature=temperature, doubt=doubt)

    likely = adapter.probabilities(np.array(row, dtype=np.float32))

    assert all(0 <= chance <= 1 for chance in likely.values())
    assert sum(likely.values()) == pytest.approx(adapter.known(np.array(row, dtype=np.float32)))


SHARES = st.dictionaries(
    st.sampled_from(["rose", "tulip", "daisy", "lily"]), st.floats(0, 0.25), max_size=4
)


@given(SHARES, st.floats(0, 1))
def test_a_blend_takes_nothing_from_names_that_it_does_not_know(
    shares: dict[str, float], chance: float
) -> None:
    blended = blend(shares, {"rose": chance, "tulip": 1 - chance}, tiny())

    foreign = {name for name in shares if name not in ("rose", "tulip")}
    assert {name: blended[name] for name in foreign} == {name: shares[name] for name in foreign}
    assert sum(blended.values()) <= sum(shares.values()) + 1e-9
    first = max(shares, key=lambda name: shares[name], default="")
    if first in foreign:
        assert max(blended.values()) == shares[first]


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.sampled_from(["rose", "tulip", "daisy", None])), max_size=8
    )
)
def test_reordering_moves_no_picture_that_has_no_name_here(
    items: list[tuple[float, str | None]],
) -> None:
    scores = {str(number): score for number, (score, _) in enumerate(items)}
    names = {str(number): name for number, (_, name) in enumerate(items)}

    adapted = tiny().reorder(ROSE, scores, names)

    assert sorted(adapted.values()) == sorted(scores.values())
    unnamed = [id_ for id_, name in names.items() if name not in ("rose", "tulip")]
    assert [adapted[id_] for id_ in unnamed] == [scores[id_] for id_ in unnamed]
