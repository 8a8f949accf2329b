"""Below which confidence a question is refused, who says so, and what to expect of it.

A setting wins over what a library has measured of itself, and that over what is shipped. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from florilegium.gate_file import MeasuredGate

SHIPPED: Final = MeasuredGate(
    threshold=0.6,
    precision=0.871,
    recall=0.866,
    f1=0.868,
    questions=5987,
    date="2026-11-26",
    encoders={},
)
"""Measured by benchmarks/fit_gate.py with the encoders of the offline profile, on the half of the
subjects that was not fitted, if one question in ten is foreign to the library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The confidence below which questions are refused.

    `measured` says with which precision and recall it refuses, where that was measured.
    """

    value: float
    origin: Literal["settings", "library", "shipped"]
    measured: MeasuredGate | None = None

    def describe(self) -> str:
        """Return it in one line."""
        if self.measured is None:
            return f"Questions below {self.value:.2f} are refused, as chat.min_confidence says."
        who = "this library" if self.origin == "library" else "other texts"
        return (
            f"Questions below {self.value:.2f} are refused: with a precision of "
            f"{self.measured.precision:.2f} and a recall of {self.measured.recall:.2f} on "
            f"{self.measured.questions} questions about {who}."
        )


def choose_threshold(
    configured: float,
    *,
    is_set: bool,
    measured: MeasuredGate | None,
    encoders: Mapping[str, str],
) -> Threshold:
    """Return the threshold that holds.

    Args:
        configured: The setting `chat.min_confidence`.
        is_set: Whether anybody set it.
        measured: What the library has measured of itself, if it has.
        encoders: The names of its encoders and their fingerprints; with others a measured
            threshold means nothing.
    """
    if is_set:
        return Threshold(value=configured, origin="settings")
    if measured is not None and dict(measured.encoders) == dict(encoders):
        return Threshold(value=measured.threshold, origin="library", measured=measured)
    return Threshold(value=SHIPPED.threshold, origin="shipped", measured=SHIPPED)
