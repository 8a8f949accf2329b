"""Measure the shape of the code and compare it with the limits of this project.

Counts Python files only; knows nothing of data files, golden files or documentation.
"""

from __future__ import annotations

import ast
import io
import math
import re
import statistics
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("src", "tests", "scripts", "benchmarks", "examples")
SHIPPED_TESTS = "testing"  # contract suites: neither source nor tests in the ratio of the two
BROAD = {"Exception", "BaseException"}
IGNORE = re.compile(r"#\s*type:\s*ignore(?P<code>\[[^\]]+\])?(?P<reason>.*)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One function: where it stands, its lines, and whether its signature is fully typed."""

    place: str
    lines: int
    typed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What was counted in one file."""

    path: str
    lines: int
    functions: tuple[Measured, ...]
    broad_excepts: tuple[str, ...]
    type_ignores: tuple[str, ...]
    bare_ignores: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure: its value, its limit in words, whether it holds, and the worst places."""

    name: str
    value: str
    limit: str
    holds: bool
    places: tuple[str, ...] = ()


def measure_file(file: Path, root: Path) -> File:
    """Return what is counted in one Python file; places are relative to `root`."""
    text = file.read_text(encoding="utf-8")
    path = file.relative_to(root).as_posix()
    nodes = list(ast.walk(ast.parse(text)))
    ignores = list(_type_ignores(text))
    return File(
        path=path,
        lines=len(text.splitlines()),
        functions=tuple(_measure(node, path) for node in nodes if isinstance(node, Function)),
        broad_excepts=tuple(
            f"{path}:{node.lineno}"
            for node in nodes
            if isinstance(node, ast.ExceptHandler) and _is_broad(node.type)
        ),
        type_ignores=tuple(f"{path}:{line}" for line, _ in ignores),
        bare_ignores=tuple(f"{path}:{line}" for line, explained in ignores if not explained),
    )


def measure_tree(root: Path) -> list[File]:
    """Return what is counted in every Python file of the project at `root`, by path."""
    files = (file for folder in FOLDERS for file in sorted((root / folder).rglob("*.py")))
    return [measure_file(file, root) for file in files]


def judge(files: Sequence[File]) -> list[Row]:
    """Return one row for each measure, in the order of the table."""
    source = [file for file in files if file.path.startswith("src/")]
    functions = [function for file in files for function in file.functions]
    lengths = sorted(function.lines for file in source for function in file.functions)
    size = sum(file.lines for file in source)
    kilo = max(size, 1) / 1000
    untyped = [f.place for file in source for f in file.functions if not f.typed]
    broad = [place for file in source for place in file.broad_excepts]
    ignores = [place for file in source for place in file.type_ignores]
    bare = [place for file in files for place in file.bare_ignores]
    largest = max((file.lines for file in files), default=0)
    longest = max((function.lines for function in functions), default=0)
    return [
        _at_most(
            "largest file, lines",
            largest,
            400,
            [f"{f.path}: {f.lines}" for f in files if f.lines > 400],
        ),
        _at_most(
            "longest function, lines",
            longest,
            60,
            [f"{f.place}: {f.lines}" for f in functions if f.lines > 60],
        ),
        _at_most("p95 function, lines", percentile(lengths, 0.95), 40, []),
        _at_most("functions not fully typed", len(untyped), 0, untyped),
        _at_most("broad excepts per 1000 lines", len(broad) / kilo, 0.5, broad),
        _at_most("type-ignores per 1000 lines", len(ignores) / kilo, 1.5, ignores),
        _at_most("type-ignores without code or reason", len(bare), 0, bare),
        _ratio(files),
        Row(name="median file, lines", value=f"{_median(source):g}", limit="", holds=True),
        Row(name="source, lines", value=str(size), limit="", holds=True),
    ]


def percentile(ordered: Sequence[int], fraction: float) -> int:
    """Return the smallest value that at least `fraction` of the ordered values do not exceed."""
    if not ordered:
        return 0
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]


def format_table(rows: Sequence[Row]) -> str:
    """Return the rows as lines of text, with the places of what does not hold."""
    lines: list[str] = []
    for row in rows:
        mark = "ok  " if row.holds else "FAIL"
        lines.append(f"{mark}  {row.name:<36}{row.value:>8}  {row.limit}".rstrip())
        lines += [f"        {place}" for place in row.places if not row.holds]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Print the table of the project and return 1 if a limit is passed."""
    root = Path(arguments[0]) if arguments else Path(__file__).parents[1]
    rows = judge(measure_tree(root))
    print(format_table(rows))
    return 0 if all(row.holds for row in rows) else 1


def _at_most(name: str, value: float, limit: float, places: Sequence[str]) -> Row:
    shown = f"{value:g}" if isinstance(value, int) else f"{value:.2f}"
    return Row(
        name=name, value=shown, limit=f"<= {limit:g}", holds=value <= limit, places=tuple(places)
    )


def _ratio(files: Sequence[File]) -> Row:
    source = sum(
        file.lines
        for file in files
        if file.path.startswith("src/") and SHIPPED_TESTS not in Path(file.path).parts
    )
    tests = sum(file.lines for file in files if file.path.startswith("tests/"))
    ratio = tests / max(source, 1)
    return Row(name="tests / source", value=f"{ratio:.2f}", limit=">= 1", holds=tests >= source)


def _median(files: Sequence[File]) -> float:
    # Files that only mark a package would drag the median down without saying anything.
    sizes = [file.lines for file in files if file.lines > 1]
    return statistics.median(sizes) if sizes else 0


def _measure(node: Function, path: str) -> Measured:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    return Measured(place=f"{path}:{node.lineno} {node.name}", lines=lines, typed=_is_typed(node))


def _is_typed(node: Function) -> bool:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args]
    if named and named[0].arg in {"self", "cls"}:
        named = named[1:]
    variable = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    every = [*named, *arguments.kwonlyargs, *variable]
    return node.returns is not None and all(argument.annotation for argument in every)


def _is_broad(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(isinstance(name, ast.Name) and name.id in BROAD for name in names)


def _type_ignores(text: str) -> Iterator[tuple[int, bool]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        found = IGNORE.match(token.string) if token.type == tokenize.COMMENT else None
        if found:
            explained = bool(found["code"]) and bool(found["reason"].strip(" #"))
            yield token.start[0], explained


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
