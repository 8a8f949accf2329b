"""Memory of a process that chats, after few and after many requests, by four ways to one model.

Usage: python -m benchmarks.chat_memory [--model FILE] [--requests FEW MANY] [--out FOLDER]

RSS counts weights that are mapped from their file in each process; PSS counts a share of what
several processes map. Memory that grows with the requests would be a leak.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks import bench
from benchmarks.chat_ways import SERVER, WAYS, open_ways, questions
from benchmarks.turns import Contestant
from tests.smollm2 import find_smollm2

FEW, MANY = 20, 200


def main() -> None:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--model", type=Path, help="a GGUF file; default: SmolLM2 135M of the tests")
    line.add_argument("--requests", nargs=2, type=int, default=[FEW, MANY], metavar="COUNT")
    line.add_argument("--out", type=Path, default=bench.RESULTS)
    arguments = line.parse_args()
    model: Path = arguments.model or find_smollm2()
    few, many = arguments.requests
    asked = questions(many)
    with open_ways(model) as ways:
        for way in WAYS:
            ways[way].ask("ask", asked[:few])
        early = {name: memory(contestant) for name, contestant in ways.items()}
        for way in WAYS:
            ways[way].ask("ask", asked[few:])
        late = {name: memory(contestant) for name, contestant in ways.items()}
    results = {
        "model": model.name,
        "xllamacpp": version("xllamacpp"),
        "requests": [few, many],
        "ways": {way: compare(early[way], late[way], few, many) for way in (*WAYS, SERVER)},
    }
    bench.write("chat_memory", results, out=arguments.out)


def memory(contestant: Contestant) -> Mapping[str, float]:
    return contestant.ask("memory", []).stages


def compare(
    early: Mapping[str, float], late: Mapping[str, float], few: int, many: int
) -> dict[str, float]:
    """Return memory after few and after many requests, and what each request between left."""
    found: dict[str, float] = {}
    for kind in early:
        found[f"{kind} after {few}"] = round(early[kind], 1)
        found[f"{kind} after {many}"] = round(late[kind], 1)
    grown = late["RSS MB"] - early["RSS MB"]
    found["kB per request"] = round(1000 * grown / (many - few), 1)
    return found


if __name__ == "__main__":
    main()
