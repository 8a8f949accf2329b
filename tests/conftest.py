"""What all tests share: a tiny folder drawn in code, a clean environment, a network guard, and a
report of what was left out. Knows the public door of Florilegium, nothing behind it."""

from __future__ import annotations

import os
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from florilegium import Library

# A busy machine is no defect, so examples have no deadline. They are the same in every run, so that
# a change alone makes one fail; with this variable there are other ones each time.
hypothesis.settings.register_profile(
    "florilegium",
    deadline=None,
    derandomize="FLORILEGIUM_FUZZ_EXAMPLES" not in os.environ,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("florilegium")

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Debian puts nginx where only root looks.
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CADDY = shutil.which("caddy")
EVALUATION_DATA = ROOT.parent / "shared" / "data"

LEFT_OUT = {
    "network": "the default run is offline; run `pytest -m network`",
    "model": "needs models in FLORILEGIUM_TEST_MODELS; run `pytest -m model`",
    "gpu": "needs an accelerator; run `pytest -m gpu`",
    "torch": "needs PyTorch, which is never installed by default; run `make test-torch`",
}

# Files are read in this process, so that tests are quick and can change what loaders do.
FAKES = {
    "encoder.name": "fake:32",
    "text_encoder.name": "fake:32",
    "store.name": "memory",
    "ingest.isolate": False,
}

TEXTS = {
    "red square.txt": "A red square has four equal sides. Its colour is that of a ripe tomato.\n",
    "circle.md": "# The green circle\n\nA green circle has no corners.\n\n![](circle.png)\n",
    "notes/garden.md": (
        "# Garden notes\n\n"
        "The roses want water twice a week in June.\n\n"
        "The blue triangle on the shed is a road sign from 1962.\n"
    ),
    "notes/蓝色.txt": "蓝色的三角形有三个角。\n",
}


class NetworkBlockedError(AssertionError):
    """A test tried to leave this machine. Not an OSError, so that no code under test eats it."""


def draw(colour: str, shape: str, *, size: int = 64) -> Image.Image:
    """Return a white picture with one shape in it: `square`, `circle` or `triangle`."""
    picture = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(picture)
    low, high = size // 8, size - size // 8
    if shape == "square":
        pen.rectangle((low, low, high, high), fill=colour)
    elif shape == "circle":
        pen.ellipse((low, low, high, high), fill=colour)
    else:
        pen.polygon([(size // 2, low), (low, high), (high, high)], fill=colour)
    return picture


def write_tiny_folder(folder: Path) -> None:
    """Write three pictures and four texts that belong together by name, link or content."""
    (folder / "notes").mkdir(parents=True)
    draw("red", "square").save(folder / "red square.png")
    draw("green", "circle").save(folder / "circle.png")
    draw("blue", "triangle").save(folder / "notes" / "triangle.png")
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """Return a new folder with three pictures and four texts, and no index."""
    folder = tmp_path / "tiny"
    write_tiny_folder(folder)
    return folder


@pytest.fixture(scope="session")
def ingested_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny folder with its index, to be copied and never written to."""
    from florilegium import Library

    folder = tmp_path_factory.mktemp("ingested") / "tiny"
    write_tiny_folder(folder)
    with Library.create(folder, overrides=FAKES) as library:
        library.ingest()
    return folder


@pytest.fixture
def tiny_library(ingested_folder: Path, tiny_folder: Path) -> Iterator[Library]:
    """Return the ingested library of the tiny folder, with fakes for all that is heavy."""
    # Imported here, so that the tests of a single module do not wait for the whole of it.
    from florilegium import Library

    # Ingesting takes three times as long, and hundreds of tests want the same.
    shutil.copytree(ingested_folder, tiny_folder, dirs_exist_ok=True)
    with Library.open(tiny_folder, overrides=FAKES) as library:
        yield library


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder of this run, for files that are slow to make and never change."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, shared_cache: Path
) -> None:
    """Hide this machine's settings and folders from every test, and from what it starts."""
    for name in [name for name in os.environ if name.startswith("FLORILEGIUM_")]:
        monkeypatch.delenv(name)
    empty = tmp_path_factory.getbasetemp() / "no-user-settings"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty))
    monkeypatch.setenv("XDG_DATA_HOME", str(empty))
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def network_guard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets of this process reach loopback only, unless the test is marked `network`."""
    if request.node.get_closest_marker("network"):
        return
    monkeypatch.setattr(socket.socket, "connect", _guarded_connect(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", _guarded_connect(socket.socket.connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
    monkeypatch.setattr(socket, "gethostbyname", _guarded_lookup(socket.gethostbyname))


def _guarded_connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            _refuse_unless_loopback(address[0])
        return connect(self, address)

    return guarded


def _guarded_lookup(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *arguments: Any, **options: Any) -> Any:
        _refuse_unless_loopback(host)
        return look_up(host, *arguments, **options)

    return guarded


def _refuse_unless_loopback(host: str | bytes | None) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost", "0.0.0.0", "::"}:
        return
    try:
        allowed = ip_address(str(name)).is_loopback
    except ValueError:
        allowed = False
    if not allowed:
        raise NetworkBlockedError(
            f"This test tried to reach {name!r}; tests may reach loopback only. "
            "Mark it `network` if that is what it is for."
        )


_deselected: Counter[str] = Counter()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count what a run leaves out by marker; pytest itself gives only the sum."""
    for item in items:
        markers = [name for name in LEFT_OUT if item.get_closest_marker(name)]
        _deselected.update(markers or ["other"])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of a worker process of pytest-xdist to the process that reports."""
    if sent := getattr(session.config, "workeroutput", None):
        sent["left_out"] = dict(_deselected)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the counts of a worker process; each of them leaves out the same tests."""
    global _deselected
    _deselected |= Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say before the run which tests it leaves out, and what is absent."""
    expression = config.getoption("markexpr") or "all tests run"
    present = "present" if EVALUATION_DATA.is_dir() else "absent"
    place = EVALUATION_DATA.relative_to(ROOT.parent)
    absent = "ABSENT, so tests of a server behind it are skipped (make proxies)"
    return [
        f"markers: {expression}",
        f"Chromium: {CHROMIUM or 'ABSENT, so all tests of the web page are skipped'}",
        f"nginx: {NGINX or absent}; Caddy: {CADDY or absent}",
        f"evaluation data, {place} beside the project: {present}; only `make bench` reads it",
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say after the run how many tests it left out, by marker, and how to run them."""
    terminalreporter.section("left out of this run")
    if not _deselected:
        terminalreporter.write_line("nothing")
    for name, count in sorted(_deselected.items()):
        reason = LEFT_OUT.get(name, "not selected by the command line (-m, -k, --deselect)")
        terminalreporter.write_line(f"{count:5d}  {name}: {reason}")
