"""Build the wheel, install it alone into an empty environment, and use it as a stranger would.

Run it as `python scripts/smoke_wheel.py`. Needs nothing but the standard library and pip.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXPECTED = (
    "LICENSE", "NOTICE", "florilegium/py.typed",
    "florilegium/encoders/starter/efficientnet_lite2.onnx",
    "florilegium/encoders/starter/labels.tsv",
    "florilegium/encoders/minilm_tokenizer.json",
    "florilegium/demo/articles/cat.md",
    "florilegium/cards.toml",
)  # fmt: skip
FORBIDDEN = ("torch", "transformers", "pytest", "mypy", "sklearn", "skimage", "onnx", "openvino")

ARTICLE = (
    "# The Verren lighthouse\n\n"
    "The Verren lighthouse was built in 1871 on a basalt cliff. "
    "Its lamp flashes twice every fifteen seconds.\n"
)
QUESTION = "In which year was the Verren lighthouse built?"
DRAW = """
import sys
from PIL import Image, ImageDraw
picture = Image.new("RGB", (96, 96), "skyblue")
ImageDraw.Draw(picture).rectangle((40, 20, 56, 90), fill="white", outline="red")
picture.save(sys.argv[1])
"""
FIND = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is not None)"


def main() -> int:
    """Run all steps in a temporary folder; the first that fails ends the run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build_wheel(folder / "wheel")
        check_contents(wheel)
        python = install(wheel, folder / "empty")
        check_absent(python)
        use(python, folder)
    print("The wheel works in an empty environment.")
    return 0


def build_wheel(folder: Path) -> Path:
    """Return the wheel, built from the working tree."""
    _pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    [wheel] = folder.glob("*.whl")
    print(f"built {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB")
    return wheel


def check_contents(wheel: Path) -> None:
    """Fail unless the wheel holds all files that it needs at run time, and no tests."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    missing = [wanted for wanted in EXPECTED if not any(name.endswith(wanted) for name in names)]
    _require(not missing, f"The wheel lacks {missing}.")
    strangers = [name for name in names if name.startswith(("tests/", "benchmarks/"))]
    _require(not strangers, f"The wheel holds {strangers[:3]}, which only the repository needs.")
    print(f"it holds {len(names)} files, all that are needed among them")


def install(wheel: Path, folder: Path) -> Path:
    """Return the Python of a new environment that holds the wheel and what it depends on."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    # The tested versions, so that a release of somebody else's does not fail our run.
    _pip(python, "install", "-c", ROOT / "constraints.txt", wheel)
    print("installed it, without extras and development tools")
    return python


def check_absent(python: Path) -> None:
    """Fail if a package is there that the default install must not bring."""
    present = [
        name
        for name in FORBIDDEN
        if subprocess.run([python, "-c", FIND, name], check=False).returncode
    ]
    _require(not present, f"The default install brings {present}.")
    print(f"absent, as they must be: {', '.join(FORBIDDEN)}")


def use(python: Path, folder: Path) -> None:
    """Make a library of a text and a picture with the command line, search it and ask it."""
    library, home = folder / "library", folder / "home"
    for new in (library, home):
        new.mkdir()
    (library / "lighthouse.md").write_text(ARTICLE, encoding="utf-8")
    _run([python, "-c", DRAW, library / "lighthouse.png"], cwd=folder, home=home)
    command = python.with_name("florilegium")

    usage = _run([command, "--help"], cwd=folder, home=home)
    _require("ingest" in usage, f"--help does not name `ingest`:\n{usage}")
    _run([command, "init", library], cwd=folder, home=home)
    report = _run([command, "ingest", "--json"], cwd=library, home=home)
    _require(json.loads(report)["added"] == 2, f"Two files were to be added:\n{report}")
    found = _run([command, "search", "lighthouse", "--json"], cwd=library, home=home)
    for name in ("lighthouse.md", "lighthouse.png"):
        _require(name in found, f"The search does not find {name!r}:\n{found}")
    check_answer(_run([command, "ask", QUESTION, "--json"], cwd=library, home=home))
    refused = _run([command, "serve"], cwd=library, home=home, code=2)
    _require("florilegium[server]" in refused, f"Serving names no extra:\n{refused}")


def check_answer(text: str) -> None:
    """Fail unless the answer states the fact and cites the file that it stands in."""
    answer: dict[str, Any] = json.loads(text)
    _require("1871" in answer["answer"], f"The answer lacks the year:\n{text}")
    _require(answer["refused"] is False, f"The question was refused:\n{text}")
    _require(bool(answer["citations"]), f"The answer has no citation:\n{text}")
    _require("lighthouse.md" in json.dumps(answer["citations"]), f"A wrong file is cited:\n{text}")
    print(f"asked: {QUESTION}\nanswered: {answer['answer']}")


def _pip(python: str | Path, verb: str, *arguments: str | Path) -> None:
    quiet = ["-m", "pip", "--disable-pip-version-check", verb, "-qq"]
    subprocess.run([python, *quiet, *arguments], check=True)


def _run(command: Sequence[str | Path], *, cwd: Path, home: Path, code: int = 0) -> str:
    # A home of its own: the settings and caches of whoever runs this must not help or harm.
    environment = {"HOME": str(home), "PATH": os.defpath}
    run = subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    shown = " ".join(str(part) for part in command)
    told = f"{shown} ended with {run.returncode}:\n{run.stdout}{run.stderr}"
    _require(run.returncode == code, told)
    return run.stderr if code else run.stdout


def _require(truth: bool, message: str) -> None:  # noqa: FBT001  # reads like an assertion
    if not truth:
        raise SystemExit(f"smoke_wheel: {message}")


if __name__ == "__main__":
    sys.exit(main())
