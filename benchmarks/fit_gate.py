"""Fit the evidence gate on labelled questions, and say what to expect of its threshold.

Usage: python -m benchmarks.fit_gate [--data FOLDER] [--out FOLDER]

Of each set every second subject (Chinese: paragraph) makes a library, and the questions on the
others are foreign to it; then the other way round. What is expected of the threshold is measured
on the half that was not fitted. One question in ten is taken to be foreign: so many are what a
user who knows the folder may ask, and a probability means nothing without such a share.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from benchmarks import bench
from florilegium import Library
from florilegium.evidence import TextEvidence
from florilegium.fusion import fuse
from florilegium.lists import Lists, with_coverage
from florilegium.types import Query
from florilegium.weighing import text_evidence

FOREIGN_SHARE = 0.1
THRESHOLD = 0.6
CURVE = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 0.95)
FOREIGN = Path(__file__).parent / "foreign_questions.txt"
WAYS = {
    "lift and coverage": ("lift", "coverage"),
    "lift alone": ("lift",),
    "coverage alone": ("coverage",),
}

Rows = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Features, shape (n, 2), of the questions that one half answers and of those foreign to it."""

    answered: Rows
    foreign: Rows
    on_topic: Rows


def main() -> None:
    arguments = bench.parser(__doc__ or "").parse_args()
    english = halves(bench.need(arguments.data / "qa-en"), subject=lambda file: file.split("/")[1])
    chinese = halves(bench.need(arguments.data / "qa-zh"), subject=lambda file: file)
    # The offline text encoder reads no Chinese, so there coverage decides alone in both.
    both = [
        Half(
            answered=np.vstack([one.answered, other.answered]),
            foreign=np.vstack([one.foreign, other.foreign]),
            on_topic=one.on_topic,
        )
        for one, other in zip(english, chinese, strict=True)
    ]
    judged = [
        judge(english, "lift and coverage", english),
        judge(chinese, "coverage alone", both),
    ]
    results = {
        "foreign share": FOREIGN_SHARE,
        "threshold": THRESHOLD,
        "English": expect(judged[:1]),
        "Chinese": expect(judged[1:]),
        "all": expect(judged),
        **{way: fit_way(english if "lift" in way else both, way) for way in WAYS},
    }
    bench.write("fit_gate", results, out=arguments.out)


def halves(folder: Path, *, subject: Any) -> list[Half]:
    rows = bench.read_lines(folder / "questions.jsonl")
    subjects = sorted({subject(row["file"]) for row in rows})
    lines = FOREIGN.read_text(encoding="utf-8").splitlines()
    own = [text for text in lines if text.strip() and not text.startswith("#")]
    found = []
    for number in (0, 1):
        mine = set(subjects[number::2])
        inside = [row for row in rows if subject(row["file"]) in mine]
        outside = [row["question"] for row in rows if subject(row["file"]) not in mine]
        with library_of(folder, {row["file"] for row in inside}) as library:
            found.append(
                Half(
                    answered=features(
                        library, [row["question"] for row in inside if not row["impossible"]]
                    ),
                    foreign=features(library, [*outside, *own]),
                    on_topic=features(
                        library, [row["question"] for row in inside if row["impossible"]]
                    ),
                )
            )
    return found


@contextmanager
def library_of(folder: Path, files: set[str]) -> Iterator[Library]:
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        for file in sorted(files):
            place = Path(name) / file
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file, place)
        with Library.create(name) as library:
            library.ingest()
            yield library


def features(library: Library, questions: Sequence[str]) -> Rows:
    """Return lift and coverage, shape (n, 2), of the text that answers each question best."""
    rows = [best(evidence(library, question)) for question in questions]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2)


def evidence(library: Library, question: str) -> list[TextEvidence]:
    query = Query(text=question)
    lists = Lists(query, index=library.index, candidates=100)
    fused = fuse(with_coverage(lists.rankings, index=library.index))
    return text_evidence(query, lists, fused, index=library.index)


def best(seen: Sequence[TextEvidence]) -> tuple[float, float]:
    # By a sum that no fit touches, so that fitting again gives the same.
    return max(
        (measured(one) for one in seen), key=lambda pair: pair[0] + pair[1] / 2, default=(0.0, 0.0)
    )


def measured(one: TextEvidence) -> tuple[float, float]:
    lift = 0.0 if one.cosine is None else (one.cosine - one.unrelated) / (1.0 - one.unrelated)
    return lift, one.coverage or 0.0


def fit_way(found: Sequence[Half], way: str) -> dict[str, Any]:
    model = fit(found, way)
    return {
        "weights": [round(float(value), 1) for value in model.coef_[0]],
        "bias": round(float(model.intercept_[0]), 1),
        **expect([judge(found, way, found)]),
    }


def fit(found: Sequence[Half], way: str) -> LogisticRegression:
    answered = np.vstack([chosen(half.answered, way) for half in found])
    foreign = np.vstack([chosen(half.foreign, way) for half in found])
    weights = np.concatenate(
        [
            np.full(len(answered), (1.0 - FOREIGN_SHARE) / len(answered)),
            np.full(len(foreign), FOREIGN_SHARE / len(foreign)),
        ]
    )
    known = np.concatenate([np.ones(len(answered)), np.zeros(len(foreign))])
    model = LogisticRegression(C=1000.0)
    return model.fit(np.vstack([answered, foreign]), known, sample_weight=weights * len(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Confidences, shape (n,), of questions that a library answers, foreign ones, and others."""

    answered: Rows
    foreign: Rows
    on_topic: Rows


def judge(found: Sequence[Half], way: str, training: Sequence[Half]) -> Judged:
    """Return the confidences on each half when the other was fitted."""
    kinds: dict[str, list[Rows]] = {"answered": [], "foreign": [], "on_topic": []}
    for number, half in enumerate(found):
        model = fit([training[1 - number]], way)
        for kind, some in kinds.items():
            rows = getattr(half, kind)
            some.append(model.predict_proba(chosen(rows, way))[:, 1] if len(rows) else rows[:, 0])
    return Judged(**{kind: np.concatenate(some) for kind, some in kinds.items()})


def expect(judged: Sequence[Judged]) -> dict[str, Any]:
    own = np.concatenate([one.answered for one in judged])
    other = np.concatenate([one.foreign for one in judged])
    on_topic = np.concatenate([one.on_topic for one in judged])
    return {
        "questions": len(own) + len(other),
        "answered": len(own),
        "foreign": len(other),
        "on topic, unanswered": len(on_topic),
        "of these refused %": round(100 * float((on_topic < THRESHOLD).mean()), 1)
        if len(on_topic)
        else None,
        "curve": {str(at): rates(own, other, at) for at in CURVE},
    }


def rates(own: Rows, other: Rows, threshold: float) -> dict[str, float]:
    """Return precision and recall of refusing, if one question in ten is foreign."""
    wrong, right = float((own < threshold).mean()), float((other < threshold).mean())
    refused = FOREIGN_SHARE * right + (1.0 - FOREIGN_SHARE) * wrong
    return {
        "precision": round(FOREIGN_SHARE * right / refused, 3) if refused else 1.0,
        "recall": round(right, 3),
        "wrongly refused %": round(100 * wrong, 1),
    }


def chosen(rows: Rows, way: str) -> Rows:
    return rows[:, [("lift", "coverage").index(name) for name in WAYS[way]]]


if __name__ == "__main__":
    main()
