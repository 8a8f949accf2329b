"""Time to the first token and tokens per second of one small model, by four ways to it.

Usage: python -m benchmarks.chat_speed [--model FILE] [--rounds N] [--out FOLDER]

Each round asks every way the same question, beginning with another one each time. What ours adds
to llama.cpp is the median over the rounds of the ratio within a round.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import bench
from benchmarks.chat_ways import OPTIONS, PAIRS, THREADS, WAYS, open_ways, questions
from benchmarks.turns import Contestant, Turn
from tests.smollm2 import find_smollm2

ROUNDS = 21

Rounds = Mapping[str, Sequence[Turn]]


def main() -> None:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--model", type=Path, help="a GGUF file; default: SmolLM2 135M of the tests")
    line.add_argument("--rounds", type=int, default=ROUNDS)
    line.add_argument("--out", type=Path, default=bench.RESULTS)
    arguments = line.parse_args()
    model: Path = arguments.model or find_smollm2()
    with open_ways(model) as ways:
        turns = run_rounds(ways, arguments.rounds)
    results = {
        "model": model.name,
        "xllamacpp": version("xllamacpp"),
        "threads": THREADS,
        "tokens of a reply, at most": OPTIONS.max_tokens,
        "rounds": arguments.rounds,
        "ways": {way: summarize(turns[way]) for way in WAYS},
        "ours over what it stands on": {
            f"{ours} / {other}": compare(turns[ours], turns[other]) for ours, other in PAIRS
        },
    }
    bench.write("chat_speed", results, out=arguments.out)


def run_rounds(ways: Mapping[str, Contestant], rounds: int) -> dict[str, list[Turn]]:
    """Return what each way took in each round; a first one, which loads weights, is not counted."""
    turns: dict[str, list[Turn]] = {way: [] for way in WAYS}
    warm_up, *asked = questions(rounds + 1)
    for way in WAYS:
        ways[way].ask("ask", [warm_up])
    for number, question in enumerate(asked):
        begins = number % len(WAYS)
        for way in (*WAYS[begins:], *WAYS[:begins]):
            turns[way].append(ways[way].ask("ask", [question]))
    return turns


def first_token(turn: Turn) -> float:
    """Return the milliseconds from the question to the first piece of the reply."""
    return 1000 * turn.stages["first"]


def rate(turn: Turn) -> float:
    """Return the tokens per second after the first; each piece is one, but for rare characters."""
    return (turn.stages["pieces"] - 1) / turn.stages["rest"]


def summarize(turns: Sequence[Turn]) -> dict[str, Any]:
    return {
        "first token, median ms": round(_median(first_token, turns), 1),
        "tokens/s, median": round(_median(rate, turns), 1),
        "first token, ms of all rounds": [round(first_token(turn), 1) for turn in turns],
        "tokens/s of all rounds": [round(rate(turn), 1) for turn in turns],
    }


def compare(ours: Sequence[Turn], others: Sequence[Turn]) -> dict[str, float]:
    """Return medians of the ratios within a round."""
    pairs = list(zip(ours, others, strict=True))
    return {
        "first token, ms": round(
            statistics.median(first_token(a) / first_token(b) for a, b in pairs), 3
        ),
        "tokens/s": round(statistics.median(rate(a) / rate(b) for a, b in pairs), 3),
    }


def _median(measure: Callable[[Turn], float], turns: Sequence[Turn]) -> float:
    return statistics.median(map(measure, turns))


if __name__ == "__main__":
    main()
