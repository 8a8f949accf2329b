"""Running the app on a port of this machine until it is told to stop. Knows uvicorn."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeAlias

import uvicorn
from fastapi import FastAPI
from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp, Receive, Scope, Send

from florilegium.config_sections import ServerConfig
from florilegium.errors import ConfigError
from florilegium.server.logs import UVICORN

_BACKLOG = 2048
_LOOK = 0.1  # seconds after which a second Ctrl-C is noticed
_LEAST = 1.0  # seconds that connections get to end in any case

Drain: TypeAlias = Callable[[float], Awaitable[None]]


class _ToldToStop(BaseException):
    """A signal asked for the end."""


async def _nothing_to_drain(_: float) -> None:
    pass


def run(
    app: FastAPI,
    *,
    config: ServerConfig,
    tell: Callable[[str], None],
    drain: Drain = _nothing_to_drain,
) -> None:
    """Serve until Ctrl-C or SIGTERM; running answers get `server.stop_seconds` to end.

    Args:
        app: What is served.
        config: Where to listen.
        tell: Told the address as soon as there is one.
        drain: Waits at most so many seconds until what is under way has ended, while pages and
            streams are still connected, and ends it then. Called again with 0 after a second
            Ctrl-C.

    Raises:
        ConfigError: The address cannot be listened at.
    """
    with _listening(config) as listener:
        options = uvicorn.Config(
            _quiet(app),
            **UVICORN,
            server_header=False,
            root_path=config.root_path,
            proxy_headers=True,
            forwarded_allow_ips=list(config.trusted_proxies),
        )
        server = _Server(options, drain=drain, seconds=config.stop_seconds)
        tell(address(listener, config.host))
        AppStatus.enable_automatic_graceful_drain = False  # which breaks off streams at the signal
        try:
            with _stoppable():
                server.run(sockets=[listener])
        except (KeyboardInterrupt, _ToldToStop):
            pass  # which is how a server ends
        finally:
            AppStatus.enable_automatic_graceful_drain = True
            # It stays set, and would end every stream of a later server at once.
            AppStatus.should_exit = False


class _Server(uvicorn.Server):
    """Lets answers end before it closes connections. A second Ctrl-C takes their time from them."""

    def __init__(self, config: uvicorn.Config, *, drain: Drain, seconds: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._seconds = seconds
        self._hurries = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self.force_exit:
            # It would leave everything where it is, and each task would tell of its end.
            self.force_exit, self._hurries = False, True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end = time.monotonic() + self._seconds
        for server in self.servers:
            server.close()  # who comes now is refused, and may find another server
        await self._drain_until_hurried()
        AppStatus.should_exit = True  # what still streams is no answer
        left = max(_LEAST, end - time.monotonic())
        self.config.timeout_graceful_shutdown = left  # type: ignore[assignment]  # whole or not
        closing = asyncio.ensure_future(super().shutdown(sockets))
        while not await _is_done(closing):
            if self._hurries:
                for task in self.server_state.tasks:
                    task.cancel()
        closing.result()

    async def _drain_until_hurried(self) -> None:
        draining = asyncio.ensure_future(self._drain(self._seconds))
        while not await _is_done(draining):
            if self._hurries:
                draining.cancel()
                with suppress(asyncio.CancelledError):
                    await draining
                await self._drain(0.0)
                return
        draining.result()


async def _is_done(task: asyncio.Future[None]) -> bool:
    await asyncio.wait([task], timeout=_LOOK)
    return task.done()


def _quiet(app: ASGIApp) -> ASGIApp:
    """Return the app; requests that are cancelled at the end of the server are no defect of it."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return quiet


def address(listener: socket.socket, host: str) -> str:
    """Return the address of the server as a browser takes it."""
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


@contextmanager
def _listening(config: ServerConfig) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((config.host, config.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"The server cannot listen at {config.host!r}, port {config.port}: {error.strerror}.",
            hint="Another program may be there: choose another port with --port, or --port 0 for "
            "any that is free.",
        ) from error
    with listener:
        yield listener


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM unwind this process, so that libraries are closed, once uvicorn has ended."""

    def stop(_: int, __: FrameType | None) -> None:
        raise _ToldToStop

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
