"""What holds of metrics and of the gate whatever was found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.gate_curve import judge_gate
from florilegium.metrics import METRICS, average, measure
from florilegium.significance import correct

FILES = st.text(st.characters(), min_size=1, max_size=8)
GRADES = st.dictionaries(FILES, st.integers(1, 3), min_size=1, max_size=8)
RANKED = st.lists(FILES, unique=True, max_size=30)
CONFIDENCES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(GRADES, RANKED)
def test_metrics_lie_between_0_and_1(relevant: dict[str, int], found: list[str]) -> None:
    values = measure({"q": relevant}, {"q": found})["q"]

    assert set(values) == set(METRICS)
    assert all(0 <= value <= 1 + 1e-9 for value in values.values())
    assert values["R@1"] <= values["R@5"] <= values["R@10"]


@given(GRADES, RANKED)
def test_a_perfect_ranking_has_1_everywhere_that_it_can(
    relevant: dict[str, int], others: list[str]
) -> None:
    best_first = sorted(relevant, key=lambda file: -relevant[file])
    found = [*best_first, *(file for file in others if file not in relevant)]

    values = measure({"q": relevant}, {"q": found})["q"]

    assert values["MRR"] == values["R@10"] == 1
    assert values["nDCG@10"] == pytest.approx(1)
    assert values["R@1"] == pytest.approx(1 / len(relevant))


@given(st.lists(st.tuples(GRADES, RANKED), min_size=1, max_size=6))
def test_the_order_of_queries_does_not_matter(
    cases: list[tuple[dict[str, int], list[str]]],
) -> None:
    relevant = {f"q{n}": grades for n, (grades, _) in enumerate(cases)}
    found = {f"q{n}": files for n, (_, files) in enumerate(cases)}
    turned = dict(reversed(relevant.items()))

    first, second = measure(relevant, found), measure(turned, dict(reversed(found.items())))

    assert first == second
    assert average(list(first.values())) == pytest.approx(average(list(second.values())))


@given(GRADES, RANKED, st.data())
def test_moving_a_relevant_file_up_never_hurts(
    relevant: dict[str, int], others: list[str], data: st.DataObject
) -> None:
    file = data.draw(st.sampled_from(sorted(relevant)))
    rest = [other for other in others if other not in relevant]
    low = data.draw(st.integers(0, len(rest)))
    high = data.draw(st.integers(0, low))

    lower = measure({"q": relevant}, {"q": [*rest[:low], file, *rest[low:]]})["q"]
    higher = measure({"q": relevant}, {"q": [*rest[:high], file, *rest[high:]]})["q"]

    assert all(higher[name] >= lower[name] - 1e-9 for name in METRICS)


@given(CONFIDENCES, CONFIDENCES, st.floats(0, 1))
def test_no_threshold_is_better_than_the_best(
    answerable: list[float], unanswerable: list[float], threshold: float
) -> None:
    report = judge_gate(answerable, unanswerable, threshold=threshold)

    assert report is not None
    assert report.configured.f1 <= report.best.f1 + 1e-9
    assert 0 <= report.auc <= 1
    assert 0 <= report.average_precision <= 1 + 1e-9


@given(CONFIDENCES, CONFIDENCES)
def test_a_higher_threshold_refuses_no_less(
    answerable: list[float], unanswerable: list[float]
) -> None:
    report = judge_gate(answerable, unanswerable, threshold=0.5)

    assert report is not None
    curve = report.curve
    assert [point.refused for point in curve] == sorted(point.refused for point in curve)
    assert [point.recall for point in curve] == sorted(point.recall for point in curve)


@given(st.lists(st.floats(0, 1), max_size=10))
def test_correction_never_makes_a_p_value_smaller_and_keeps_the_order(values: list[float]) -> None:
    corrected = correct(values)

    assert all(after >= before for before, after in zip(values, corrected, strict=True))
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [corrected[at] for at in order] == sorted(corrected)
