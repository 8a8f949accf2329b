"""Every code block of the pages runs, in order, in a folder of its own with a few flowers.

Python and shell blocks of a page share that folder; Python blocks share one namespace. A block
after `<!-- not run: reason -->` is left out aloud, one after `<!-- saved as: name -->` is a file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from florilegium.config import Config
from tests.conftest import draw
from tests.docs.pages import Block, commands_of, find_pages, name_of, read_blocks

BIN = Path(sys.executable).parent
SHELL = {"console", "bash", "sh"}
PYPROJECT = {"build-system", "project", "tool"}  # tables of a pyproject.toml, not our settings
TRANSLATION = "README.zh-CN.md"
AS_USERS_HAVE_IT = {"README.md", "docs/tutorial.md"}  # with workers, which take seconds to start
TIMEOUT = 120  # seconds for one shell block; the first one may load a model

FLOWERS = {
    "rose.txt": "The rose is a shrub with thorns. Water a rose deeply twice a week in summer.\n",
    "tulip.md": "# Tulip\n\nThe tulip grows from a bulb. Plant tulip bulbs in October.\n",
    "daisy.txt": "The daisy is a small white flower of lawns. It needs hardly any care.\n",
}

BLOCKS = [
    block
    for page in find_pages()
    if page.name != TRANSLATION  # has the same blocks as README.md, says test_translation.py
    for block in read_blocks(page.read_text(encoding="utf-8"), name_of(page))
]


def why_not_run(block: Block) -> str | None:
    """Return why a block is not executed, or None if it is."""
    if block.not_run:
        return block.not_run
    if block.language in SHELL:
        commands = commands_of(block)
        if not commands or not commands[0].startswith("florilegium"):
            return "a shell block that does not start with florilegium"
    elif block.language not in {"python", "toml"} and not block.saved_as:
        return f"{block.language or 'plain text'} is not executed"
    return None


def _write_flowers(folder: Path) -> None:
    (folder / "flowers").mkdir()
    for name, text in FLOWERS.items():
        (folder / "flowers" / name).write_text(text, encoding="utf-8")
    draw("crimson", "circle", size=96).save(folder / "flowers" / "rose.jpg")
    draw("orange", "triangle", size=96).save(folder / "flowers" / "tulip.jpg")
    draw("firebrick", "circle", size=80).save(folder / "rose.jpg")


def run_page(blocks: Sequence[Block], folder: Path, namespace: ModuleType) -> None:
    """Run the blocks of one page in `folder`, which is the working folder already."""
    for block in blocks:
        if why_not_run(block):
            continue
        if block.saved_as:
            target = folder / block.saved_as
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            # Blank lines before the code give errors the line number of the page.
            code = compile("\n" * block.line + block.code, block.page, "exec")
            exec(code, vars(namespace))
        elif block.language == "toml":
            settings = tomllib.loads(block.code)
            if PYPROJECT.isdisjoint(settings):
                Config.model_validate(settings)
        else:
            _run_shell(block, folder)


def _run_shell(block: Block, folder: Path) -> None:
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands_of(block))],
        cwd=folder, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"{block.place}\n{run.stdout}\n{run.stderr}"


@pytest.fixture
def page_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with `flowers/` and `rose.jpg`, importable from."""
    folder = tmp_path / "page"
    folder.mkdir()
    _write_flowers(folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the namespace of one page; a real module, since dataclasses look theirs up."""
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    return module


RUN_PAGES = sorted({block.page for block in BLOCKS if why_not_run(block) is None})


@pytest.mark.parametrize("page", RUN_PAGES)
def test_the_blocks_of_a_page_run(
    page: str, page_folder: Path, namespace: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page not in AS_USERS_HAVE_IT:
        monkeypatch.setenv("FLORILEGIUM_INGEST__ISOLATE", "false")

    run_page([block for block in BLOCKS if block.page == page], page_folder, namespace)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.not_run], ids=lambda block: block.place
)
def test_a_block_that_is_not_run_says_why(block: Block) -> None:
    assert len(block.not_run or "") > 10
    pytest.skip(f"{block.place}: {block.not_run}")


def test_the_readme_has_python_and_shell_blocks_that_run() -> None:
    run = {block.language for block in BLOCKS if block.page == "README.md" and not block.not_run}

    assert "python" in run
    assert run & SHELL


PAGE = """# A page

```python
x = 2
```

<!-- not run: it needs a running server, which a test has not -->

```python
raise SystemExit
```

<!-- saved as: nested/mine.py -->
```python
VALUE = 3
```

- in a list:

  ```python
  from nested.mine import VALUE
  assert x + VALUE == 5
  ```

```toml
[retrieval]
top_k = 3
```

```console
$ ls flowers
$ florilegium --help
```

```console
$ florilegium --version \\
    > version.txt
florilegium 0.1.0
```

````markdown
```python
raise SystemExit
```
````
"""


def test_blocks_run_in_order_with_one_namespace(page_folder: Path, namespace: ModuleType) -> None:
    blocks = list(read_blocks(PAGE, "page.md"))

    run_page(blocks, page_folder, namespace)

    assert vars(namespace)["x"] == 2
    assert (page_folder / "version.txt").read_text(encoding="utf-8").startswith("florilegium ")
    assert [why_not_run(block) for block in blocks] == [
        None,
        "it needs a running server, which a test has not",
        None, None, None,
        "a shell block that does not start with florilegium",
        None,
        "markdown is not executed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("block", "error"),
    [
        ("```python\nassert 1 == 2\n```\n", AssertionError),
        ("```python\nundefined\n```\n", NameError),
        ("```toml\n[retrieval]\ntop = 3\n```\n", ValueError),
        ("```toml\nnot toml\n```\n", ValueError),
        ("```bash\nflorilegium no-such-command\n```\n", AssertionError),
        ("```bash\nflorilegium --help | false\n```\n", AssertionError),
    ],
)
def test_a_block_that_fails_fails_its_page(
    block: str, error: type[Exception], page_folder: Path, namespace: ModuleType
) -> None:
    with pytest.raises(error):
        run_page(list(read_blocks(block, "page.md")), page_folder, namespace)


def test_a_block_without_an_end_is_an_error() -> None:
    with pytest.raises(AssertionError, match=r"page\.md:3: this code block has no end"):
        list(read_blocks("# A\n\n```python\nx = 1\n", "page.md"))


def test_an_error_names_the_line_of_the_page(page_folder: Path, namespace: ModuleType) -> None:
    blocks = list(read_blocks("# A\n\n```python\nx = 1\n1 / 0\n```\n", "page.md"))

    with pytest.raises(ZeroDivisionError) as caught:
        run_page(blocks, page_folder, namespace)

    assert caught.traceback[-1].lineno + 1 == 5
