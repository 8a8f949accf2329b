"""What the evidence gate lets through and what it refuses, at the threshold that is shipped.

Usage: python -m benchmarks.refusal [--data FOLDER] [--out FOLDER]

Questions of three kinds are asked of one library: those that its texts answer, those on its
subjects that no text answers, and those foreign to it. The constants of the gate were fitted on
half of the English subjects, so its numbers here are not held out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import bench
from florilegium import Library
from florilegium.config import ChatConfig

FOREIGN = Path(__file__).parent / "foreign_questions.txt"


def main() -> None:
    arguments = bench.parser(__doc__ or "").parse_args()
    results = {name: measure(bench.need(arguments.data / name)) for name in ("qa-en", "qa-zh")}
    bench.write("refusal", results, out=arguments.out)


def measure(folder: Path) -> dict[str, Any]:
    rows = bench.read_lines(folder / "questions.jsonl")
    kinds = {
        "answered by a text": [row["question"] for row in rows if not row["impossible"]],
        "on its subjects, not answered": [row["question"] for row in rows if row["impossible"]],
        "foreign to it (our own, English)": FOREIGN.read_text(encoding="utf-8").splitlines(),
    }
    threshold = ChatConfig().min_confidence
    with bench.copied(folder, "texts/**/*.txt") as root, Library.create(root) as library:
        library.ingest()
        result: dict[str, Any] = {"threshold": threshold}
        for kind, questions in kinds.items():
            asked = [text for text in questions if text.strip() and not text.startswith("#")]
            refused = sum(
                library.explain(question, top_k=1).evidence.confidence < threshold
                for question in asked
            )
            if asked:
                share = round(100 * refused / len(asked), 1)
                result[kind] = {"questions": len(asked), "refused %": share}
    return result


if __name__ == "__main__":
    main()
