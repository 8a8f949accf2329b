"""A Chroma server of this run, on loopback, for tests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.ports import held_port

_PATIENCE = 60.0


@contextmanager
def running_chroma(folder: Path) -> Iterator[str]:
    """Run a server that keeps its files in `folder`; give its address."""
    with held_port() as port:
        yield from _running_at(port, folder)


def _running_at(port: int, folder: Path) -> Iterator[str]:
    code = "import sys; from chromadb.cli.cli import app; sys.argv[0] = 'chroma'; app()"
    command = [sys.executable, "-c", code, "run", "--path", str(folder)]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, log=folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait_for(address: str, process: subprocess.Popen[bytes], *, log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            httpx.get(f"{address}/api/v2/heartbeat", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text(encoding="utf-8"))
