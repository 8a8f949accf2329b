"""nginx and Caddy before a server, for real, as docs/how-to/serve-on-a-network.md has them.

Clients take `https://flowers.example.org`, which leads to a port of this machine here.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from florilegium import Library
from florilegium.server.accounts import Account
from florilegium.server.keys import digest, new_key
from florilegium.server.passwords import hash_password
from florilegium.server.users import User
from florilegium.server.users_file import write_accounts
from tests.conftest import CADDY, FAKES, NGINX, ROOT, write_tiny_folder
from tests.docs.pages import read_blocks
from tests.e2e.serving import wait_until
from tests.misbehaving_server import MisbehavingServer, says
from tests.ports import held_port

PAGE = ROOT / "docs" / "how-to" / "serve-on-a-network.md"
BLOCKS = [one.code for one in read_blocks(PAGE.read_text(encoding="utf-8"), PAGE.name)]
NAME = "flowers.example.org"
ADDRESS = f"https://{NAME}"
PASSWORD = "a long enough password for tests"
ANSWERS = says("Four ", "sides [1].")
LONG = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server with the account of Anna, and what speaks for its chat model."""

    port: int
    key: str
    chat: MisbehavingServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that runs. `client` is an address of this machine that no other test comes from."""

    port: int
    certificate: Path
    client: str

    @property
    def trusting(self) -> ssl.SSLContext:
        """Return a context that trusts its certificate alone."""
        return ssl.create_default_context(cafile=str(self.certificate))


def documented(beginning: str, **changes: str) -> str:
    """Return the one block of the page that begins so, with each change made once."""
    [text] = [block for block in BLOCKS if block.startswith(beginning)]
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def said(text: str) -> str:
    """Return a text that stands on the page."""
    assert text in PAGE.read_text(encoding="utf-8")
    return text


@contextmanager
def running(command: list[str], log: Path, is_up: Callable[[], object]) -> Iterator[None]:
    with log.open("w", encoding="utf-8") as told:
        # Caddy keeps a copy of its configuration where the user's settings are.
        env = {**os.environ, "XDG_CONFIG_HOME": str(log.parent / "settings")}
        process = subprocess.Popen(command, cwd=log.parent, env=env, stderr=told, stdout=told)

    def looks_up() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        return bool(is_up())

    try:
        wait_until(looks_up, seconds=LONG)
        yield
    finally:
        process.terminate()
        process.wait(LONG)


@contextmanager
def serving(place: Path, *settings: str) -> Iterator[Server]:
    """Run `florilegium serve` with the settings of the page, in a process of its own."""
    root, users, log = place / "tiny", place / "users.toml", place / "log.txt"
    write_tiny_folder(root)
    with Library.create(root, overrides=FAKES | {"store.name": "chroma"}) as made:
        made.ingest()
    section = documented("[server]\nusers_file", **{"/var/lib/florilegium/users.toml": str(users)})
    with (root / "florilegium.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n{section}uploads = true\nfolder = '{place}'\n")

    key = new_key()
    anna = Account(
        user=User(name="anna", may_write=True),
        password=hash_password(PASSWORD),
        keys={"laptop": digest(key)},
    )
    write_accounts(users, {"anna": anna})
    with MisbehavingServer(ANSWERS) as chat:
        pairs = (
            *settings,
            "chat.name=openai:slow",
            f"chat.base_url={chat.base_url}",
            "chat.vision=no",
        )
        flags = [part for pair in pairs for part in ("--set", pair)]
        serve = [sys.executable, "-m", "florilegium", "serve", "--library", str(root), *flags]
        told = re.compile(r"Serving .* at http://127\.0\.0\.1:(\d+)")

        def is_up() -> object:
            return told.search(log.read_text(encoding="utf-8"))

        with running([*serve, "--port", "0"], log, is_up):
            [port] = told.findall(log.read_text(encoding="utf-8"))
            yield Server(port=int(port), key=key, chat=chat)
    assert "Traceback" not in log.read_text(encoding="utf-8")


@contextmanager
def nginx(server: Server, place: Path, *, below: str = "") -> Iterator[Proxy]:
    """Run nginx before a server, below a path of its site if one is given."""
    if NGINX is None:
        pytest.skip("there is no nginx here: `make proxies` installs it")
    held = ExitStack()
    port = held.enter_context(held_port())
    certificate, key = place / "flowers.pem", place / "flowers.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/flowers.pem": str(certificate),
        "/etc/ssl/flowers.key": str(key),
    }
    if below:
        changes["location / {"] = said(f"location {below}/ {{")
        changes["http://127.0.0.1:8000;"] = said("http://127.0.0.1:8000/;")
    changes["127.0.0.1:8000"] = f"127.0.0.1:{server.port}"
    (place / "site.conf").write_text(documented("map $http_upgrade", **changes), encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"    {kind}_temp_path {place / kind};\n" for kind in kinds)
    (place / "nginx.conf").write_text(
        f"daemon off;\npid {place / 'pid'};\nevents {{}}\n"
        # To clients, it listens at 443.
        f"http {{\n    access_log off;\n    port_in_redirect off;\n{folders}"
        "    include site.conf;\n}\n",
        encoding="utf-8",
    )
    command = [NGINX, "-p", str(place), "-c", str(place / "nginx.conf"), "-e", "stderr"]
    with held, running(command, place / "log.txt", (place / "pid").exists):
        yield Proxy(port=port, certificate=certificate, client="127.0.0.2")


@contextmanager
def caddy(server: Server, place: Path, *, below: str = "") -> Iterator[Proxy]:
    """Run Caddy before a server, below a path of its site if one is given."""
    if CADDY is None:
        pytest.skip("there is no Caddy here: `make proxies` installs it")
    held = ExitStack()
    port = held.enter_context(held_port())
    certificate = place / "data" / "pki" / "authorities" / "local" / "root.crt"
    # Nobody gives out a certificate for this name, so Caddy makes one.
    options = (
        f"admin off\nhttps_port {port}\ndefault_bind 127.0.0.1\nauto_https disable_redirects\n"
        f"local_certs\nskip_install_trust\nstorage file_system {place / 'data'}"
    )
    changes = {"reverse_proxy 127.0.0.1:8000": documented(f"redir {below}")} if below else {}
    changes["127.0.0.1:8000"] = f"127.0.0.1:{server.port}"
    site = documented(NAME, **changes)
    file = place / "Caddyfile"
    file.write_text(f"{{\n{options}\n}}\n{site}", encoding="utf-8")

    def is_up() -> bool:
        return certificate.exists() and serves(port, certificate)

    command = [CADDY, "run", "--config", str(file), "--adapter", "caddyfile"]
    with held, running(command, place / "log.txt", is_up):
        yield Proxy(port=port, certificate=certificate, client="127.0.0.3")


def serves(port: int, certificate: Path) -> bool:
    context = ssl.create_default_context(cafile=str(certificate))
    try:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname=NAME),
        ):
            return True
    except OSError:
        return False


def lead_to(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the name lead to a proxy, for every client of this process."""
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def found(host: Any, *arguments: Any, **options: Any) -> Any:
        return look_up(
            "127.0.0.1" if host in {NAME, NAME.encode()} else host, *arguments, **options
        )

    def connected(self: socket.socket, address: Any) -> Any:
        there = ("127.0.0.1", proxy.port) if address == ("127.0.0.1", 443) else address
        return connect(self, there)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(socket.socket, "connect", connected)
