"""Each module says what it knows, and has a test file that a reader can guess."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "src" / "florilegium"
TESTS = ROOT / "tests"
DOCSTRING_LIMIT = 5

# Modules that are tested under another name, each with the reason. This list only shrinks.
TESTED_ELSEWHERE = {
    "encoders/onnx_clip/tower.py": "types only; the tests of both engines use each",
    "exporting/source.py": "types only; the tests of both sources use it",
    "protocols.py": "types only; each sentence is a test of the contract suites",
    "testing/encoder_contract.py": "a suite; tests/contract/test_encoders.py runs it",
    "testing/store.py": "a suite; tests/contract/test_stores.py runs it",
    "testing/store_filters.py": "a suite; tests/contract/test_stores.py runs it",
    "testing/store_samples.py": "what the suites for stores are made of",
    "testing/chat_contract.py": "a suite; tests/contract/test_chat_models.py runs it",
    "testing/reranker_contract.py": "a suite; tests/contract/test_rerankers.py runs it",
    "testing/loader_contract.py": "a suite; tests/contract/test_loaders.py runs it",
}

# Docstrings longer than five lines, each with the reason. This list only shrinks.
LONG_DOCSTRINGS = {"errors.py": "it draws the tree of errors"}

MODULES = sorted(
    file.relative_to(SOURCE).as_posix()
    for file in SOURCE.rglob("*.py")
    if file.name != "__init__.py"
)
EVERY_FILE = sorted(file.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("*.py"))
TEST_FILES = sorted(file.relative_to(TESTS).as_posix() for file in TESTS.rglob("test_*.py"))


def find_test(module: str, modules: Iterable[str], tests: Iterable[str]) -> str | None:
    """Return the test file of a module: `x/y.py` has `x/test_y.py`, `test_x_y.py`, or `test_y.py`
    where that cannot mean another module."""
    path = PurePosixPath(module)
    *folders, name = path.with_suffix("").parts
    alone = Counter(PurePosixPath(other).stem for other in modules)[name] == 1
    for test in tests:
        folder, stem = PurePosixPath(test).parent, PurePosixPath(test).stem.removeprefix("test_")
        qualified = any(stem == "_".join((*folders[at:], name)) for at in range(len(folders)))
        inside = stem == name and folder.parts[1:] == tuple(folders)
        if qualified or inside or (alone and stem == name):
            return test
    return None


@pytest.mark.parametrize("module", MODULES)
def test_each_module_has_a_test_file_of_its_name(module: str) -> None:
    if module in TESTED_ELSEWHERE:
        assert find_test(module, MODULES, TEST_FILES) is None, "take it off the list"
        return

    assert find_test(module, MODULES, TEST_FILES) is not None


def test_the_list_of_exceptions_names_only_what_exists() -> None:
    assert set(TESTED_ELSEWHERE) <= set(MODULES)
    assert set(LONG_DOCSTRINGS) <= set(EVERY_FILE)


@pytest.mark.parametrize(
    ("module", "tests", "found"),
    [
        ("links.py", ["unit/test_links.py"], "unit/test_links.py"),
        ("links.py", ["unit/test_link.py"], None),
        ("stores/chroma.py", ["unit/stores/test_chroma.py"], "unit/stores/test_chroma.py"),
        ("stores/chroma.py", ["unit/test_stores_chroma.py"], "unit/test_stores_chroma.py"),
        ("stores/chroma.py", ["contract/test_chroma.py"], "contract/test_chroma.py"),
        ("encoders/starter/labels.py", ["unit/test_starter_labels.py"],
         "unit/test_starter_labels.py"),
        ("cli/ingest.py", ["unit/test_ingest.py"], None),
        ("cli/ingest.py", ["unit/test_cli_ingest.py"], "unit/test_cli_ingest.py"),
        ("cli/ingest.py", ["unit/cli/test_ingest.py"], "unit/cli/test_ingest.py"),
        ("ingest.py", ["unit/cli/test_ingest.py"], None),
        ("ingest.py", ["unit/test_ingest.py"], "unit/test_ingest.py"),
    ],
)  # fmt: skip
def test_a_test_file_is_found_by_the_name_of_its_module(
    module: str, tests: list[str], found: str | None
) -> None:
    modules = ["links.py", "stores/chroma.py", "encoders/starter/labels.py", "ingest.py",
               "cli/ingest.py"]  # fmt: skip

    assert find_test(module, modules, tests) == found


@pytest.mark.parametrize("module", EVERY_FILE)
def test_each_module_says_in_few_lines_what_it_knows(module: str) -> None:
    docstring = ast.get_docstring(ast.parse((SOURCE / module).read_text(encoding="utf-8")))

    assert docstring is not None
    assert docstring.rstrip()[-1] in ".`└─)" or module in LONG_DOCSTRINGS
    if module not in LONG_DOCSTRINGS:
        assert len(docstring.splitlines()) <= DOCSTRING_LIMIT


@pytest.mark.parametrize("test", TEST_FILES)
def test_no_test_is_hidden_by_another_of_its_name(test: str) -> None:
    tree = ast.parse((TESTS / test).read_text(encoding="utf-8"))
    scopes: list[ast.Module | ast.ClassDef] = [tree]
    scopes += [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for scope in scopes:
        names = [node.name for node in scope.body if isinstance(node, ast.FunctionDef)]
        assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.parametrize("folder", sorted({str(Path(test).parent) for test in TEST_FILES}))
def test_each_test_folder_is_a_package(folder: str) -> None:
    # Without it, two test files of one name in two folders hide each other.
    assert (TESTS / folder / "__init__.py").is_file()
