"""A model hub on loopback that holds one repository, and misbehaves when it is told to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
from huggingface_hub import constants

FIRST, SECOND = "1" * 40, "2" * 40
GGUF_MODEL, GGUF_PROJECTOR = "Tiny-Q4_K_M.gguf", "mmproj-Tiny-Q8_0.gguf"
_LARGE = {".onnx", ".gguf", ".safetensors"}  # what a hub keeps outside of Git, with a SHA-256
_API = re.compile(r"/api/models/(?P<name>[^/]+/[^/]+)(/revision/(?P<revision>[^/]+))?")
_FILE = re.compile(r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_RANGE = re.compile(r"bytes=(\d+)-")


class TinyHub:
    """What the hub holds, what was asked of it, and how it misbehaves.

    `commits` maps a commit to the folder of its files; `main` is the newest one.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.commits = {FIRST: folder}
        self.main = FIRST
        self.licence: str | None = "apache-2.0"
        self.endpoint = ""
        self.asked: list[tuple[str, int]] = []  # (path of a file, first byte)
        self.headers: list[dict[str, str]] = []
        self.refusal: tuple[int, str] | None = None  # status and the hub's code for it
        self.cuts: dict[str, list[int]] = {}  # bytes after which answers for a path are cut off
        self.damaged: set[str] = set()
        self.ignores_ranges = False
        self.listing: bytes | None = None  # in place of the real one

    def publish(self, commit: str, folder: Path) -> None:
        """Make another commit the newest."""
        self.commits[commit] = folder
        self.main = commit

    def find_commit(self, revision: str | None) -> str | None:
        """Return the commit of a revision, if there is one."""
        commit = self.main if revision in {None, "main"} else str(revision)
        return commit if commit in self.commits else None

    def describe(self, commit: str) -> bytes:
        """Return the list of files of a commit, as the hub gives it."""
        if self.listing is not None:
            return self.listing
        folder = self.commits[commit]
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return json.dumps(
            {
                "id": self.name,
                "sha": commit,
                "cardData": {"license": self.licence} if self.licence else None,
                "siblings": [_describe(path, folder) for path in files],
            }
        ).encode()

    def read(self, commit: str, path: str) -> bytes | None:
        """Return the bytes of a file, if there is one."""
        file = self.commits[commit] / path
        if not file.is_file():
            return None
        data = file.read_bytes()
        return bytes(len(data)) if path in self.damaged else data


def write_tiny_gguf(folder: Path, *paths: str) -> None:
    """Write files that begin like GGUF: by default several quantizations and two projectors."""
    quantizations = ("Tiny-Q8_0.gguf", "Tiny-F16.gguf", "mmproj-Tiny-F16.gguf")
    for number, path in enumerate(paths or (GGUF_MODEL, GGUF_PROJECTOR, *quantizations)):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"GGUF" + (3).to_bytes(4, "little") + path.encode() * (number + 10))
    (folder / "README.md").write_text("A tiny chat model.", encoding="utf-8")


def write_tiny_transformers(folder: Path, *, parts: int = 1, **config: object) -> None:
    """Write a folder as transformers writes it, and what is never to be fetched beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {"model_type": "llava", "architectures": ["LlavaForConditionalGeneration"]}
    texts = {
        "config.json": json.dumps(known | config),
        "generation_config.json": "{}",
        "processor_config.json": "{}",
        "preprocessor_config.json": "{}",
        "chat_template.jinja": "{{ messages }}",
        "tokenizer.json": "{}",
        "tokenizer_config.json": "{}",
        "modeling_tiny.py": "raise SystemExit",
        "LICENSE": "Do as you like.",
    }
    names = [f"model-{part + 1:05}-of-{parts:05}.safetensors" for part in range(parts)]
    if parts > 1:
        texts["model.safetensors.index.json"] = json.dumps({"weight_map": dict.fromkeys(names)})
    for path, text in texts.items():
        (folder / path).write_text(text, encoding="utf-8")
    for name in names if parts > 1 else ["model.safetensors"]:
        (folder / name).write_bytes(name.encode() * 10)
    (folder / "pytorch_model.bin").write_bytes(bytes(1000))


@contextmanager
def serve(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    """Run the hub while the block runs, and let the hub's client reach it and nothing else."""
    # The client reads its settings when it is imported, so that the environment comes too late.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    huggingface_hub.close_session()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            huggingface_hub.close_session()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: TinyHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each answer waits 40 ms for the rest of it

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.headers.append({key.lower(): value for key, value in self.headers.items()})
        if self.hub.refusal is not None:
            self._refuse(*self.hub.refusal)
        elif found := _API.fullmatch(path):
            self._list(found["name"], found["revision"])
        elif found := _FILE.fullmatch(path):
            self._send_file(found["name"], found["revision"], found["path"])
        else:
            self._refuse(404, "")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        """Say nothing."""

    def _list(self, name: str, revision: str | None) -> None:
        commit = self.hub.find_commit(revision)
        if name != self.hub.name:
            self._refuse(401, "RepoNotFound")
        elif commit is None:
            self._refuse(404, "RevisionNotFound")
        else:
            self._send(200, self.hub.describe(commit))

    def _send_file(self, name: str, revision: str, path: str) -> None:
        commit = self.hub.find_commit(revision)
        data = self.hub.read(commit, path) if commit and name == self.hub.name else None
        if data is None:
            self._refuse(404, "EntryNotFound")
            return
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and not self.hub.ignores_ranges else 0
        self.hub.asked.append((path, start))
        cuts = self.hub.cuts.get(path)
        self._send(206 if start else 200, data[start:], cut=cuts.pop(0) if cuts else None)

    def _send(self, status: int, body: bytes, *, cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _describe(path: Path, folder: Path) -> dict[str, object]:
    data = path.read_bytes()
    entry: dict[str, object] = {
        "rfilename": path.relative_to(folder).as_posix(),
        "size": len(data),
        "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest(),
    }
    if path.suffix in _LARGE or "data" in path.suffix:
        entry["lfs"] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "pointerSize": 134,
        }
    return entry
