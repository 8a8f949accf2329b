"""README.zh-CN.md says what README.md says: section by section the same code, links and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from florilegium.prompt import REFUSALS
from scripts.make_translation import with_blocks_of
from tests.conftest import ROOT
from tests.docs.pages import links_of, read_blocks, without_blocks

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
HEADING = re.compile(r"^(#{1,6}) +\S")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
CODE = re.compile(r"`([^`\n]+)`")
HAN = re.compile(r"[\u4e00-\u9fff]")
QUOTED = re.compile(r"“[^”]+”")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def sections(text: str) -> list[tuple[str, str]]:
    """Return the level of each heading, as `##`, and what stands under it; code stays whole."""
    found: list[tuple[str, list[str]]] = []
    in_code = False
    for line in text.splitlines():
        in_code ^= line.startswith("```")
        heading = None if in_code else HEADING.match(line)
        if heading:
            found.append((heading[1], []))
        else:
            found[-1][1].append(line)
    return [(level, "\n".join(lines)) for level, lines in found]


def blocks_in(text: str) -> list[tuple[str, str, str | None]]:
    return [(one.language, one.code, one.not_run) for one in read_blocks(text, "")]


def _outside_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def code_spans(text: str) -> set[str]:
    return set(CODE.findall(_outside_code(text)))


def links_elsewhere(text: str) -> list[str]:
    """Return the sorted targets of links to other pages than the two; headings are translated."""
    own = (ENGLISH, CHINESE, "#")
    return sorted(target for target in links_of(text) if not target.startswith(own))


def numbers(text: str) -> list[str]:
    """Return the sorted numbers of the prose and of the tables."""
    words = re.sub(r"\]\([^)]*\)|<!--.*?-->|^\d+\.", "", without_blocks(text), flags=re.MULTILINE)
    return sorted(NUMBER.findall(words))


def shape(text: str) -> list[int]:
    """Return how many rows of tables, items of lists and anchors there are."""
    marks = (r"^\|", r"^- ", r"^\d+\. ", r"\]\(#")
    return [len(re.findall(mark, _outside_code(text), re.MULTILINE)) for mark in marks]


WHOLE: list[Callable[[str], object]] = [
    blocks_in, code_spans, links_elsewhere, numbers, shape,
]  # fmt: skip


def test_the_sections_are_the_same() -> None:
    levels = [[level for level, _ in sections(read(name))] for name in (ENGLISH, CHINESE)]

    assert levels[0] == levels[1]


@pytest.mark.parametrize("told", WHOLE, ids=lambda told: told.__name__)
def test_each_section_tells_the_same(told: Callable[[str], object]) -> None:
    english, chinese = (sections(read(name)) for name in (ENGLISH, CHINESE))

    for number, ((_, one), (_, other)) in enumerate(zip(english, chinese, strict=True)):
        assert told(one) == told(other), f"section {number}; for code blocks run `make docs`"


def test_the_pages_are_linked_to_each_other_at_their_top() -> None:
    heads = {name: read(name).split("\n\n")[1] for name in (ENGLISH, CHINESE)}

    assert links_of(heads[ENGLISH]) == [CHINESE]
    assert links_of(heads[CHINESE]) == [ENGLISH]


def test_each_paragraph_is_chinese() -> None:
    prose = re.sub(r"<!--.*?-->", "", without_blocks(read(CHINESE)), flags=re.DOTALL)
    paragraphs = [one for one in prose.split("\n\n") if re.search(r"[a-z]{3}.* [a-z]{3}", one)]

    assert [one for one in paragraphs if not HAN.search(one)] == []


def test_the_refusal_is_quoted_as_it_is_given() -> None:
    assert f"“{REFUSALS['zh']}”" in QUOTED.findall(read(CHINESE))
    assert REFUSALS["en"] in read(ENGLISH).replace("\n", " ")


def test_code_blocks_are_copied_in_their_order() -> None:
    original = "# A\n\n```bash\nnew\n```\n\nwords\n\n```toml\nx = 1\n```\n"
    translation = "# 甲\n\n```bash\nold\n```\n\n字\n\n```toml\n```\n"

    copied = with_blocks_of(original, translation)

    assert copied == "# 甲\n\n```bash\nnew\n```\n\n字\n\n```toml\nx = 1\n```\n"


def test_a_translation_with_other_blocks_is_refused() -> None:
    with pytest.raises(SystemExit, match="other code blocks"):
        with_blocks_of("```bash\na\n```\n", "```toml\n```\n")
