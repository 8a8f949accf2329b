"""MCP over stdin and stdout, in a process of its own; tests/e2e has a real client."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from florilegium import Library
from tests.conftest import FAKES, write_tiny_folder

PROGRAM = """
import sys
from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.mcp.stdio import run_stdio

with Library.open(sys.argv[1]) as library:
    read, library.read_image = library.read_image, lambda item: print("noise") or read(item)
    run_stdio({"tiny": library}, config=ServerConfig())
print("after")
"""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def test_only_messages_reach_stdout_and_the_end_of_stdin_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    write_tiny_folder(folder)
    fakes = {**FAKES, "store.name": "chroma"}
    with Library.create(folder, overrides=fakes) as library:
        library.ingest()
        [hit] = library.search("red square", modality="image", top_k=1)
    lines = [
        INITIALIZE,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "get_item", "arguments": {"id": hit.item.id}},
        },
    ]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in lines:
            process.stdin.write(json.dumps(line) + "\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        rest = process.stdout.read()
        code = process.wait(timeout=30)
        assert process.stderr is not None
        talk = process.stderr.read()

    assert [answer["id"] for answer in answers] == [1, 2]
    assert [part["type"] for part in answers[1]["result"]["content"]] == ["text", "image"]
    assert (rest, code) == ("after\n", 0)
    assert "noise" in talk
