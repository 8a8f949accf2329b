"""CLIP side by side: the article's way, LangChain, rclip and ours, with the same random weights.

Usage: python -m benchmarks.clip_speed [--rivals-python FILE] [--work FOLDER] [--out FOLDER]

Each contestant is a process of its own and may use all cores. They take turns, so that what else
the machine does hits all alike. A contestant that cannot run is in the results with the reason.
The rivals, and the export of the weights, need an environment with PyTorch:

    python -m venv .benchmarks/rivals
    alias pip='.benchmarks/rivals/bin/pip'
    pip install -c constraints.txt torch==2.13.0    # on Linux: the build for CPUs
    pip install --no-deps torchvision==0.28.0 open_clip_torch==3.3.0 timm==1.0.31 rclip==3.3.0
    pip install -c constraints.txt -e . ftfy regex safetensors tqdm requests pi-heif onnx \
        onnxscript langchain-experimental==0.4.2

pip will say that rclip asked for older versions of what it shares with the others; so it gets
the same Pillow and the same engine as everybody.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import bench, clip_data
from benchmarks.ceiling import CHAINS, VisionTower, operations
from benchmarks.clip_race import PICTURES, TEXTS, Race
from benchmarks.clip_report import compare, describe
from benchmarks.clip_rivals import CHECKPOINT
from benchmarks.turns import Contestant, run
from florilegium.encoders.onnx_clip.record import RECORD_NAME

ARTICLE = "the article's way (Chroma)"
RIVALS = {ARTICLE: "chroma", "LangChain": "langchain", "rclip": "rclip"}
NOT_RUN = {
    "LlamaIndex": "Its CLIP embedding loads OpenAI's package `clip`, whose ViT-B/32 has another "
    "activation than OpenCLIP's, so the same weights would give other vectors. It too encodes one "
    "picture at a time."
}
RIVALS_PYTHON = Path(".benchmarks/rivals/bin/python")
FULL = "ours, fp32"
# precision and engine; `auto` is what a user gets who has both engines
OURS = {
    FULL: ("fp32", "auto"),
    "ours, bf16": ("bf16", "auto"),
    "ours, int8": ("int8", "auto"),
    "ours, fp32, ONNX Runtime": ("fp32", "onnxruntime"),
    "ours, int8, ONNX Runtime": ("int8", "onnxruntime"),
}
JUDGED = (*PICTURES, *TEXTS, "forward")
INGESTED = tuple(f"ingest {kind}" for kind in PICTURES)
EXPORT = """
import sys
from pathlib import Path
from benchmarks.clip_rivals import import_open_clip
import_open_clip()
from florilegium.exporting.export import export_model
checkpoint, target, pictures = sys.argv[1:]
export_model(
    f"open_clip:ViT-B-32:{checkpoint}", Path(target), precisions=["fp32", "int8"],
    pictures=sorted(Path(pictures).iterdir()), say=print,
)
"""
# int8 is calibrated with pictures that are not measured.
CALIBRATION = 24
QUERIES = 100
DOCUMENTS = 48


def main() -> None:
    arguments = parse()
    python = str(arguments.rivals_python.absolute())
    with ExitStack() as stack:
        folder = (
            arguments.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ).absolute()
        inputs = make_inputs(folder, pictures=arguments.pictures, rounds=arguments.rounds)
        race = Race(inputs, rounds=arguments.rounds, seconds=arguments.seconds, folder=folder)
        enter_all(race, folder, python, stack)
        products = open_products(python, stack)
        ceilings: dict[str, list[float]] = {}
        for number in range(arguments.rounds):
            say(f"round {number + 1} of {arguments.rounds} …")
            race.do_round(number)
            measure_products(products, ceilings)
        results = {
            "rounds": arguments.rounds,
            "inputs": describe_inputs(inputs),
            **summarise(race, ceilings),
        }
    bench.write("clip_speed", results, out=arguments.out)


def parse() -> argparse.Namespace:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--rivals-python", type=Path, default=RIVALS_PYTHON, help="see above")
    line.add_argument("--pictures", type=int, default=500, help="of each size")
    line.add_argument("--rounds", type=int, default=3)
    line.add_argument(
        "--seconds", type=float, default=3, help="a turn's length for who is done sooner"
    )
    line.add_argument("--work", type=Path, help="keeps pictures and weights for the next run")
    line.add_argument("--out", type=Path, default=bench.RESULTS)
    return line.parse_args()


def make_inputs(folder: Path, *, pictures: int, rounds: int) -> dict[str, Sequence[str]]:
    """Return files and texts by kind."""
    say("making pictures …")
    small = clip_data.make_small(folder / f"small-{pictures}", pictures)
    large = clip_data.make_large(folder / f"large-{pictures}", pictures)
    return {
        "small": [str(file) for file in small],
        "large": [str(file) for file in large],
        "queries": clip_data.make_queries(rounds * QUERIES),
        "documents": clip_data.make_documents(rounds * DOCUMENTS),
    }


def describe_inputs(inputs: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {kind: {"count": len(some)} for kind, some in inputs.items()}
    for kind, size in (("small", clip_data.SMALL), ("large", clip_data.LARGE)):
        sizes = [Path(file).stat().st_size for file in inputs[kind]]
        found[kind] |= {"pixels": list(size), "kB, mean": round(sum(sizes) / len(sizes) / 1000)}
    for kind in TEXTS:
        words = [len(text.split()) for text in inputs[kind]]
        found[kind]["words, mean"] = round(sum(words) / len(words), 1)
    return found


def enter_all(race: Race, folder: Path, python: str, stack: ExitStack) -> None:
    """Make the weights, and start all contestants."""
    weights, model = folder / "weights", folder / "model"
    if not weights.is_dir():
        say("making weights …")
        run([python, "-m", "benchmarks.clip_rivals", "weights", str(weights)])
    for name, rival in RIVALS.items():
        say(f"starting {name} …")
        command = [python, "-m", "benchmarks.clip_rivals", rival, str(weights)]
        race.enter(name, command, JUDGED, stack)
    if not (model / RECORD_NAME).is_file():
        say("exporting the model …")
        calibration = folder / "calibration"
        clip_data.make_small(calibration, CALIBRATION, seed=1)
        run([python, "-c", EXPORT, str(weights / CHECKPOINT), str(model), str(calibration)])
    for name, (precision, engine) in OURS.items():
        say(f"starting {name} …")
        choice = [f"onnx_clip:{model}", precision, engine, str(folder)]
        command = [sys.executable, "-m", "benchmarks.clip_ours", *choice]
        kinds = (*JUDGED, *INGESTED) if engine == "auto" else JUDGED
        race.enter(name, command, kinds, stack)


def open_products(python: str, stack: ExitStack) -> list[Contestant]:
    own = (sys.executable, "numpy", "onnxruntime", "openvino")
    found = []
    for program, *engines in (own, (python, "torch")):
        contestant = Contestant("products", [program, "-m", "benchmarks.ceiling", *engines])
        stack.callback(contestant.close)
        found.append(contestant)
    return found


def measure_products(contestants: Sequence[Contestant], found: dict[str, list[float]]) -> None:
    """Add the operations per second of each product that each engine can do."""
    for contestant in contestants:
        for task in contestant.about["tasks"]:
            turn = contestant.ask(task, list(CHAINS))
            for chain, seconds in turn.stages.items():
                found.setdefault(f"{task}, {chain}", []).append(operations(chain) / seconds)


def summarise(race: Race, products: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return all that was measured, as it is written."""
    article, full = race.measured.get(ARTICLE), race.measured.get(FULL)
    needed = VisionTower().operations
    medians = {name: median(some) for name, some in products.items()}
    ceilings = {
        precision: max(rate for name, rate in medians.items() if name.startswith(precision))
        for precision in dict.fromkeys(name.split()[0] for name in medians)
    }
    contestants: dict[str, Any] = {}
    for name, one in race.measured.items():
        precision = OURS.get(name, ("fp32",))[0]
        contestants[name] = describe(
            one, article=article, ceiling=ceilings.get(precision, 0.0), operations=needed
        )
        if name in OURS and full and one is not full:
            contestants[name]["vectors against our fp32"] = compare(one.rows, full.rows)
    return {
        "contestants": contestants,
        "left out": NOT_RUN | race.left_out,
        "ceiling": {
            "GFLOP per picture": round(needed / 1e9, 3),
            "GFLOP/s": {name: round(rate / 1e9) for name, rate in ceilings.items()},
            "GFLOP/s by engine": {name: round(rate / 1e9) for name, rate in medians.items()},
        },
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
