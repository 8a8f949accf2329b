"""llama.cpp's own server, run as a process of its own on loopback.

The package `xllamacpp` contains it; nothing of it is loaded into the tests.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# Lives until its input is closed, so that it cannot outlive the tests.
_SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.api_keys = [sys.argv[2]] if sys.argv[2] else []
params.n_ctx = int(sys.argv[3])
params.n_parallel = params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.cache_ram_mib = 0
params.port = 0
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def run_llama_server(model: Path, *, key: str = "", context_tokens: int = 2048) -> Iterator[str]:
    """Yield the address, without `/v1`, of a server that has loaded a GGUF file."""
    command = [sys.executable, "-c", _SERVE, str(model), key, str(context_tokens)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), _end_of(log)
            yield address
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _end_of(log: IO[str]) -> str:
    log.seek(0)
    return f"no server came up: {log.read()[-2000:]}"
