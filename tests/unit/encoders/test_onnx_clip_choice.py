"""The fastest engine that tells the truth runs a tower, and is measured once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip import choice, engines
from florilegium.encoders.onnx_clip.candidates import Machine
from florilegium.encoders.onnx_clip.choice import describe, name_engine, open_fastest
from florilegium.encoders.onnx_clip.chosen import FILE_NAME, Chosen, LeftOut, Measured, TowerName
from florilegium.encoders.onnx_clip.tower import Inputs
from florilegium.errors import ConfigError, EncoderError, MissingExtraError
from tests.unit.encoders.onnx_clip_race import PICTURE, TOKENS, Clock, PacedTower, Workshop, choose
from tests.unit.encoders.onnx_clip_samples import (
    engine,
    make_record,
    pictures,
    write_int8_vision,
    write_text,
    write_vision,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock, and show a machine of two threads with both engines and bf16."""
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    machine = Machine(
        threads=2, devices=frozenset({"cpu"}), openvino=frozenset({"FP32", "INT8", "BF16"})
    )
    monkeypatch.setattr(choice, "_look_around", lambda config: machine)
    return clock


RATES = {
    "onnxruntime fp32": 48.0,
    "openvino fp32": 53.0,
    "openvino bf16": 93.0,
    "openvino bf16, 2 streams": 101.0,
}


def test_the_fastest_is_chosen_and_stays_open(clock: Clock, tmp_path: Path) -> None:
    workshop = Workshop(clock, RATES)

    tower, chosen = choose(workshop, tmp_path)

    assert chosen.engine == engine("openvino", precision="bf16", streams=2)
    assert [(name_engine(each.engine), round(each.rows_per_second)) for each in chosen.speeds] == [
        ("onnxruntime fp32", 48),
        ("openvino fp32", 53),
        ("openvino bf16", 93),
        ("openvino bf16, 2 streams", 101),
    ]
    assert isinstance(tower, PacedTower)
    assert workshop.open_now == [tower.name] == ["openvino bf16, 2 streams"]
    assert len(workshop.opened) == 4, "a winner that came last is not opened twice"


def test_one_tower_at_a_time_is_in_memory(clock: Clock, tmp_path: Path) -> None:
    workshop = Workshop(clock, RATES)

    choose(workshop, tmp_path)

    assert workshop.most_open == 1


@pytest.mark.parametrize(("rate", "winner"), [(50.0, "onnxruntime"), (51.0, "openvino")])
def test_the_simpler_engine_wins_within_five_percent(
    clock: Clock, tmp_path: Path, rate: float, winner: str
) -> None:
    rates = {"onnxruntime fp32": 48.0, "openvino fp32": rate, "openvino fp32, 2 streams": rate}

    _, chosen = choose(Workshop(clock, rates), tmp_path, precision="fp32")

    assert (chosen.engine.name, chosen.engine.streams) == (winner, 1)


def test_more_streams_are_tried_with_the_best_precision_only(clock: Clock, tmp_path: Path) -> None:
    # So it is where bf16 is emulated.
    rates = RATES | {"openvino bf16": 20.0, "openvino fp32, 2 streams": 60.0}
    workshop = Workshop(clock, rates)

    _, chosen = choose(workshop, tmp_path)

    assert name_engine(chosen.engine) == "openvino fp32, 2 streams"
    assert "openvino bf16, 2 streams" not in workshop.opened


def test_texts_are_measured_alone_and_in_a_batch_and_in_one_stream(
    clock: Clock, tmp_path: Path
) -> None:
    workshop = Workshop(clock, RATES)

    _, chosen = choose(workshop, tmp_path, tower="text")

    assert chosen.engine == engine("openvino", precision="bf16")
    assert workshop.batches == {1, 16}
    assert len(workshop.opened) == 3


def test_pictures_are_measured_in_batches_as_they_will_come(clock: Clock, tmp_path: Path) -> None:
    workshop = Workshop(clock, RATES)

    choose(workshop, tmp_path, batch_size=4)

    assert workshop.batches == {1, 4}


def test_a_tower_that_lies_is_left_out_with_its_reason(clock: Clock, tmp_path: Path) -> None:
    workshop = Workshop(clock, RATES, rows={"openvino bf16": (3.0, 2.0, 1.0)})

    _, chosen = choose(workshop, tmp_path)

    assert chosen.engine == engine("openvino")
    assert chosen.left_out[0] == LeftOut(
        name="openvino bf16",
        reason="its row and that of the model's record have a cosine of 0.7143 only",
    )
    assert "openvino bf16" not in workshop.open_now


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((1.0, 2.0), "its row has 2 numbers, but 3 are expected"),
        ((0.0, 0.0, 0.0), "have a cosine of 0.0000 only"),
        ((float("nan"), 2.0, 3.0), "have a cosine of nan only"),
    ],
)
def test_a_row_without_a_direction_or_of_another_length_does_not_agree(
    clock: Clock, tmp_path: Path, row: tuple[float, ...], reason: str
) -> None:
    workshop = Workshop(clock, RATES, rows={"openvino bf16": row})

    _, chosen = choose(workshop, tmp_path)

    assert reason in chosen.left_out[0].reason


def test_fp32_must_agree_more_closely_than_rounded_numbers(clock: Clock, tmp_path: Path) -> None:
    # The cosine of this row and (1, 2, 3) is 0.9994.
    almost = (1.0, 2.0, 2.83)
    workshop = Workshop(clock, RATES, rows={"openvino bf16": almost, "openvino fp32": almost})

    _, chosen = choose(workshop, tmp_path)

    assert [each.name for each in chosen.left_out] == ["openvino fp32"]


def test_a_tower_that_fails_is_left_out_with_its_reason(clock: Clock, tmp_path: Path) -> None:
    rates = {"onnxruntime fp32": 48.0, "openvino bf16": 93.0, "openvino bf16, 2 streams": 90.0}

    _, chosen = choose(Workshop(clock, rates), tmp_path)

    assert chosen.engine == engine("openvino", precision="bf16")
    assert chosen.left_out == (LeftOut(name="openvino fp32", reason="openvino fp32 is broken."),)


def test_if_none_is_left_the_error_gives_every_reason(clock: Clock, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="No engine runs the vision tower") as caught:
        choose(Workshop(clock, {}), tmp_path)

    for name in ("onnxruntime fp32", "openvino fp32", "openvino bf16"):
        assert f"{name} is broken" in caught.value.message
    assert not (tmp_path / "cache" / FILE_NAME).exists()


def test_a_single_candidate_is_not_measured(clock: Clock, tmp_path: Path) -> None:
    workshop = Workshop(clock, RATES)

    _, chosen = choose(workshop, tmp_path, engine="onnxruntime")

    assert chosen == Chosen(tower="vision", variant="fp32", engine=engine())
    assert workshop.open_now == ["onnxruntime fp32"]
    assert workshop.batches == set()


def test_what_was_measured_is_not_measured_again(clock: Clock, tmp_path: Path) -> None:
    _, first = choose(Workshop(clock, RATES), tmp_path)
    workshop = Workshop(clock, RATES)

    _, second = choose(workshop, tmp_path)

    assert second == first
    assert workshop.opened == ["openvino bf16, 2 streams"]
    assert workshop.batches == set()


@pytest.mark.parametrize(
    "change",
    [
        {"tower": "text"}, {"engine": "openvino"}, {"precision": "fp32"}, {"device": "cpu"},
        {"batch_size": 2},
    ],
)  # fmt: skip
def test_another_tower_or_setting_is_measured_for_itself(
    clock: Clock, tmp_path: Path, change: dict[str, Any]
) -> None:
    choose(Workshop(clock, RATES), tmp_path)
    workshop = Workshop(clock, RATES)

    choose(workshop, tmp_path, **change)

    assert workshop.batches


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (engines, "versions", lambda: {"onnxruntime": "2.0"}),
        (engines, "onnxruntime_devices", lambda: frozenset({"cpu", "cuda"})),
        (choice, "processor_name", lambda: "another"),
    ],
)
def test_another_machine_or_version_is_measured_for_itself(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    where: object, name: str, value: Callable[[], object],
) -> None:  # fmt: skip
    choose(Workshop(clock, RATES), tmp_path)
    monkeypatch.setattr(where, name, value)
    workshop = Workshop(clock, RATES)

    choose(workshop, tmp_path)

    assert workshop.batches


def test_a_choice_that_does_not_open_any_more_is_made_anew(clock: Clock, tmp_path: Path) -> None:
    choose(Workshop(clock, RATES), tmp_path)
    workshop = Workshop(clock, {"onnxruntime fp32": 48.0, "openvino fp32": 30.0})

    _, chosen = choose(workshop, tmp_path)

    assert chosen.engine == engine()
    assert choose(workshop, tmp_path)[1] == chosen


def test_int8_takes_its_own_graph(tmp_path: Path) -> None:
    write_int8_vision(tmp_path)

    tower, chosen = open_fastest(
        tmp_path,
        make_record("int8"),
        tower="vision",
        config=EncoderConfig(precision="int8"),
        cache_folder=tmp_path,
        probe=PICTURE,
    )

    assert (chosen.variant, chosen.engine.precision) == ("int8", "int8")
    assert tower.run({"pixel_values": pictures((1.2, 2.3, 3.4))}).tolist() == [[1, 2, 3]]


def test_int8_that_was_not_made_is_an_error_before_anything_opens(
    clock: Clock, tmp_path: Path
) -> None:
    workshop = Workshop(clock, RATES)

    with pytest.raises(ConfigError, match="in fp16 only"):
        open_fastest(
            tmp_path,
            make_record("fp16", fp32=False),
            tower="vision",
            config=EncoderConfig(precision="int8"),
            cache_folder=tmp_path,
            probe=PICTURE,
            opener=workshop.open,
        )

    assert workshop.opened == []


@pytest.mark.parametrize(("tower", "probe"), [("vision", PICTURE), ("text", TOKENS)])
def test_real_engines_are_measured_on_real_graphs(
    tmp_path: Path, tower: TowerName, probe: Inputs
) -> None:
    write_vision(tmp_path)
    write_text(tmp_path)

    opened, chosen = open_fastest(
        tmp_path,
        make_record(),
        tower=tower,
        config=EncoderConfig(threads=2),
        cache_folder=tmp_path,
        probe=probe,
    )

    assert opened.run(probe).tolist() == [[1, 2, 3]]
    assert {each.engine.name for each in chosen.speeds} == {"onnxruntime", "openvino"}
    assert all(each.rows_per_second > 0 for each in chosen.speeds)
    assert chosen.left_out == ()


def test_without_openvino_a_hint_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_vision(tmp_path)
    monkeypatch.delitem(sys.modules, "florilegium.encoders.onnx_clip.openvino_tower", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    asked = EncoderConfig(threads=2)

    _, chosen = open_fastest(
        tmp_path, make_record(), tower="vision", config=asked, cache_folder=tmp_path, probe=PICTURE
    )

    assert describe(chosen) == (
        "onnxruntime fp32, not measured. Left out: openvino, not installed; "
        "`pip install 'florilegium[openvino]'` brings it"
    )
    with pytest.raises(MissingExtraError):
        open_fastest(
            tmp_path,
            make_record(),
            tower="vision",
            config=EncoderConfig(engine="openvino"),
            cache_folder=tmp_path,
            probe=PICTURE,
        )


def test_openvino_is_not_imported_where_it_is_not_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_vision(tmp_path)
    monkeypatch.setattr(engines, "openvino_capabilities", None)

    _, chosen = open_fastest(
        tmp_path,
        make_record(),
        tower="vision",
        config=EncoderConfig(engine="onnxruntime", threads=1),
        cache_folder=tmp_path,
        probe=PICTURE,
    )

    assert describe(chosen) == "onnxruntime fp32, not measured"


def test_a_choice_is_described_in_one_line() -> None:
    fast = engine("openvino", precision="bf16", streams=2)
    speeds = (
        Measured(engine=engine(), rows_per_second=48.4),
        Measured(engine=fast, rows_per_second=100.9),
    )
    chosen = Chosen(tower="vision", variant="fp32", engine=fast, speeds=speeds)

    assert describe(chosen) == "openvino bf16, 2 streams: 101 pictures/s (onnxruntime fp32: 48)"


def test_slow_texts_on_an_accelerator_are_described_with_a_decimal() -> None:
    cuda = engine(device="cuda", precision="fp16")
    chosen = Chosen(
        tower="text",
        variant="fp16",
        engine=cuda,
        speeds=(Measured(engine=cuda, rows_per_second=7.25),),
        left_out=(LeftOut(name="openvino fp32", reason="it failed"),),
    )

    assert describe(chosen) == (
        "onnxruntime cuda fp16: 7.2 texts/s. Left out: openvino fp32, it failed"
    )
