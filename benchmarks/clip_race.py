"""Contestants taking turns at the same inputs, and what was measured of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.turns import Contestant, LeftOutError, Rows, Turn

PICTURES = ("small", "large")
TEXTS = ("queries", "documents")
FORWARD = 32
_WARM_UP = {"small": 16, "large": 4, "queries": 5, "documents": 16}


@dataclass(slots=True, kw_only=True)
class Measured:
    """What was measured of one contestant, round by round; rates are inputs per second."""

    about: Mapping[str, Any]
    rates: dict[str, list[float]] = field(default_factory=dict)
    stages: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    """Milliseconds per input, added up over all threads."""
    rows: dict[str, Rows] = field(default_factory=dict)

    def add(self, kind: str, turn: Turn, count: int, *, stage: str = "") -> None:
        """Note what a turn took: all of it, or one stage only."""
        seconds = turn.stages[stage] if stage else turn.seconds
        self.rates.setdefault(kind, []).append(count / seconds)
        each = {name: 1000 * spent / count for name, spent in turn.stages.items()}
        self.stages.setdefault(kind, []).append(each)


class Race:
    """All contestants and what they read; one that fails is left out from then on."""

    def __init__(
        self, inputs: Mapping[str, Sequence[str]], *, rounds: int, seconds: float, folder: Path
    ) -> None:
        """Keep what is needed.

        Args:
            inputs: Files or texts by kind; in all rounds together each contestant does all.
            rounds: How many turns each gets.
            seconds: Whoever has done a round's share sooner goes on for about so long.
            folder: Where rows are saved for a moment.
        """
        self.measured: dict[str, Measured] = {}
        self.left_out: dict[str, str] = {}
        self._inputs = inputs
        self._rounds = rounds
        self._seconds = seconds
        self._folder = folder
        self._running: dict[str, Contestant] = {}
        self._kinds: dict[str, Sequence[str]] = {}

    def enter(
        self, name: str, command: Sequence[str], kinds: Sequence[str], stack: ExitStack
    ) -> None:
        """Start a contestant that is asked for these kinds, and let it warm up."""
        with self._leaving_out(name):
            contestant = Contestant(name, command)
            stack.callback(contestant.close)
            measured = Measured(about=contestant.about)
            for kind, count in _WARM_UP.items():
                if kind in kinds:
                    some = self._inputs[kind][:count]
                    turn = contestant.ask(_task(kind), some)
                    measured.rates[f"warm-up {kind}"] = [len(some) / turn.seconds]
            self.measured[name] = measured
            self._running[name] = contestant
            self._kinds[name] = kinds

    def do_round(self, number: int) -> None:
        """Let each contestant have its turn at each kind."""
        names = list(self._running)
        start = number % max(1, len(names))
        for kind in dict.fromkeys(kind for name in names for kind in self._kinds[name]):
            for name in names[start:] + names[:start]:
                if kind in self._kinds[name] and name in self._running:
                    with self._leaving_out(name):
                        self._take_turn(name, kind, number)

    def _take_turn(self, name: str, kind: str, number: int) -> None:
        contestant, measured = self._running[name], self.measured[name]
        if kind == "forward":
            some = self._inputs["small"][:FORWARD]
            measured.add(kind, contestant.ask(kind, some), len(some), stage=kind)
            return
        source = kind.removeprefix("ingest ")
        places = self._places(source, number, self._rate(measured, kind))
        some = [self._inputs[source][place] for place in places]
        if kind != source:
            # One picture is in the library before, so that the encoder is loaded.
            turn = contestant.ask("ingest", some)
            measured.add(kind, turn, len(some) - 1, stage="ingest")
            return
        file = self._folder / "rows.npy"
        measured.add(kind, contestant.ask(_task(kind), some, rows=file), len(some))
        rows = np.load(file)
        shape = (len(self._inputs[kind]), rows.shape[1])
        measured.rows.setdefault(kind, np.zeros(shape, dtype=np.float32))[places] = rows

    def _rate(self, measured: Measured, kind: str) -> float:
        for known in (kind, f"warm-up {kind.removeprefix('ingest ')}"):
            if known in measured.rates:
                return measured.rates[known][-1]
        return 0.0

    def _places(self, kind: str, number: int, rate: float) -> list[int]:
        total = len(self._inputs[kind])
        share = math.ceil(total / self._rounds)
        # Texts must all be new in each round; pictures may come again.
        count = share if kind in TEXTS else min(total, max(share, int(rate * self._seconds)))
        return [(number * share + place) % total for place in range(count)]

    @contextmanager
    def _leaving_out(self, name: str) -> Iterator[None]:
        try:
            yield
        except LeftOutError as error:
            self.left_out[name] = str(error).replace(str(self._folder), "FOLDER")
            self.measured.pop(name, None)
            self._running.pop(name, None)


def _task(kind: str) -> str:
    return "pictures" if kind in PICTURES else kind
