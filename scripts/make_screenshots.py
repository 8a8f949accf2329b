"""Make docs/images/demo.svg: real commands on the demo library, in a terminal, as a picture.

Runs each command in a pseudo-terminal and draws what it wrote with rich. Nothing is drawn by hand;
run it again when the output of the commands changes.
"""

from __future__ import annotations

import argparse
import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "docs" / "images" / "demo.svg"
COLUMNS = 96
# The photo is a copy of what `florilegium demo` crops, so that it is no file of the library.
PHOTO = "../photo.jpg"
COMMANDS = (
    ("search", "a cat", "--modality", "image", "--top-k", "2"),
    ("ask", "Which flower is this and how do I water it?", "--image", PHOTO),
    ("ask", "How do I tune the strings of a violin?"),
)


def main() -> None:
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--folder", type=Path, default=ROOT / "demo-library")
    folder: Path = line.parse_args().folder.absolute()
    run("demo", "--folder", str(folder), within=ROOT)
    photo = folder / PHOTO
    shutil.copyfile(folder / ".florilegium" / "demo" / "flower-crop.jpg", photo)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    for command in COMMANDS:
        console.print(Text.assemble(("$ ", "bold green"), shlex.join(["florilegium", *command])))
        console.print(Text.from_ansi(run(*command, within=folder).rstrip()))
        console.print()
    photo.unlink()
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    IMAGE.write_text(without_fonts(draw(console)), encoding="utf-8")
    print(f"{IMAGE.relative_to(ROOT)}: {IMAGE.stat().st_size / 1000:.0f} kB")


def run(*command: str, within: Path) -> str:
    """Return what a command writes to a terminal of true colours. Exits if the command fails."""
    leader, follower = pty.openpty()
    terminal = ["env", "TERM=xterm-256color", "COLORTERM=truecolor", f"COLUMNS={COLUMNS}"]
    program = [sys.executable, "-c", "from florilegium.cli.app import main; main()", *command]
    process = subprocess.Popen(
        [*terminal, *program], cwd=within, stdout=follower, stderr=subprocess.PIPE
    )
    os.close(follower)
    written = read_all(leader)
    talk = process.communicate()[1]
    if process.returncode:
        sys.exit(f"{shlex.join(command)} failed:\n{talk.decode()}")
    return written


def read_all(leader: int) -> str:
    """Return all that comes out of a pseudo-terminal until its other end is closed."""
    chunks: list[bytes] = []
    try:
        while data := os.read(leader, 65536):
            chunks.append(data)
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(leader)
    return b"".join(chunks).decode("utf-8").replace("\r\n", "\n")


def draw(console: Console) -> str:
    """Return what was recorded as an SVG whose ids do not change with its content."""
    return console.export_svg(title="florilegium", theme=DIMMED_MONOKAI, unique_id="florilegium")


def without_fonts(svg: str) -> str:
    """Return an SVG that fetches no font from elsewhere; viewers use a monospaced one they have."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    main()
