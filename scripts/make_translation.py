"""Copy the code blocks of README.md into README.zh-CN.md, whose words are written by hand.

Usage: python -m scripts.make_translation
"""

from __future__ import annotations

import re
import sys

from scripts.numbers_of import ROOT

BLOCK = re.compile(r"^(```[\w-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def main() -> None:
    page = ROOT / "README.zh-CN.md"
    old = page.read_text(encoding="utf-8")
    new = with_blocks_of((ROOT / "README.md").read_text(encoding="utf-8"), old)
    if new != old:
        page.write_text(new, encoding="utf-8")
        print(f"{page.name}: renewed")


def with_blocks_of(original: str, translation: str) -> str:
    """Return a translation with the code blocks of its original, by their order.

    Ends the program if the blocks are not as many, or not in the same languages.
    """
    blocks = list(BLOCK.finditer(original))
    if [one[1] for one in blocks] != [one[1] for one in BLOCK.finditer(translation)]:
        sys.exit("README.zh-CN.md has other code blocks than README.md. Add or remove them there.")
    following = iter(blocks)
    return BLOCK.sub(lambda _: next(following)[0], translation)


if __name__ == "__main__":
    main()
