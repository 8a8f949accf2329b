"""What is front matter and what is prose. Each example is a file as programs write it."""

from __future__ import annotations

import time

import pytest

from florilegium.front_matter import FrontMatter, find_front_matter

OBSIDIAN = """---
aliases:
  - Hunds-Rose
tags: [garden, rose]
created: 2024-05-01T10:00

cssclasses: []
---
"""
HUGO = """---
title: "The \\"dog\\" rose: a guide"  # shown above
date: 2024-05-01
resources:
- src: rose.jpg
  title: Not this one
_build:
  render: never
summary: >
  Two lines
  of words
---
"""
JEKYLL = """---
layout: post
title:  It's a rose
categories: roses
...
"""


@pytest.mark.parametrize(
    ("block", "title"),
    [
        (OBSIDIAN, None),
        (HUGO, 'The "dog" rose: a guide'),
        (JEKYLL, "It's a rose"),
        ("---\n---\n", None),
        ("---  \n标题: 玫瑰\nTitle: 红玫瑰\n---\t\n", "红玫瑰"),
        ("---\n# a comment\nog:title: x\n'title': Rose\n-\n---\n", "Rose"),
    ],
)
def test_a_block_ends_behind_its_last_line(block: str, title: str | None) -> None:
    text = block + "# Heading\n\ntitle: no title\n\n---\n"

    assert find_front_matter(text) == FrontMatter(end=len(block), title=title)


def test_a_block_may_be_the_whole_text() -> None:
    assert find_front_matter("---\ntitle: Rose\n---") == FrontMatter(end=19, title="Rose")


@pytest.mark.parametrize(
    ("value", "title"),
    [
        ("Rose", "Rose"),
        ("Rose  # a note", "Rose"),
        ("C# for gardeners", "C# for gardeners"),
        ("2024", "2024"),
        ("'It''s a rose'", "It's a rose"),
        ('"玫瑰 \\u73ab"', "玫瑰 玫"),
        ('"a \\x odd"', "a \\x odd"),
        ("Rose   of  the dog", "Rose of the dog"),
        ("# only a note", None),
        ('""', None),
        ("null", None),
        ("~", None),
        ("|", None),
        (">-", None),
        ("[a, b]", None),
        ('"never closed', None),
    ],
)
def test_a_title_is_read_as_yaml_reads_it(value: str, title: str | None) -> None:
    found = find_front_matter(f"---\ntitle: {value}\n---\n")

    assert found is not None
    assert found.title == title


def test_of_two_titles_the_first_counts() -> None:
    found = find_front_matter("---\ntitle: Rose\ntitle: Tulip\n---\n")

    assert found is not None
    assert found.title == "Rose"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---",
        "Rose\n---\n",
        "\n---\ntitle: Rose\n---\n",
        "----\ntitle: Rose\n----\n",
        "---\ntitle: never closed\n",
        "---\n\nA rose between two breaks.\n\n---\n",
        "---\nA rose between two breaks.\n---\n",
        "---\n- a list\n- of roses\n---\n",
        "---\ntitle: Rose\nAnd then a sentence.\n---\n",
        "---\n**Note:** bold prose\n---\n",
        "---\nhttps://example.org/rose\n---\n",
    ],
)
def test_prose_after_a_break_is_no_front_matter(text: str) -> None:
    assert find_front_matter(text) is None


@pytest.mark.parametrize("stretch", ["a", "a:", '"', "'", " ", "#", "title: ' "])
def test_a_strange_line_does_not_keep_the_search_busy(stretch: str) -> None:
    start = time.process_time()

    find_front_matter("---\ntitle: x" + stretch * 100_000 + "\n---\n")

    assert time.process_time() - start < 1


def test_half_a_pair_in_a_title_can_be_stored() -> None:
    found = find_front_matter('---\ntitle: "\\ud800 rose"\n---\n')

    assert found is not None
    assert found.title == "\ufffd rose"


def test_a_title_without_end_is_cut() -> None:
    found = find_front_matter("---\ntitle: " + "rose " * 1_000 + "\n---\n")

    assert found is not None
    assert len(found.title or "") == 300
