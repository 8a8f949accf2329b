"""Ask one question of a folder of pictures and texts.

Usage: python examples/ask_a_folder.py FOLDER "your question" [PICTURE]
"""

from __future__ import annotations

import sys
from pathlib import Path

from florilegium import IndexNotFoundError, Library


def main() -> None:
    folder, question = Path(sys.argv[1]), sys.argv[2]
    picture = sys.argv[3] if len(sys.argv) > 3 else None
    try:
        library = Library.open(folder)
    except IndexNotFoundError:
        library = Library.create(folder)
    with library:
        report = library.ingest()
        print(f"{report.added} files added, {report.unchanged} unchanged", file=sys.stderr)
        answer = library.ask(question, image=picture)
    print(answer.text)
    for citation in answer.citations:
        print(f"[{citation.number}] {citation.hit.item.source.path}")


if __name__ == "__main__":
    main()
