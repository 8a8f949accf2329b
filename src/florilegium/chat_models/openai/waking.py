"""Reads from a server that end at once when what they are for is cancelled from another thread.

Knows httpcore's streams, below httpx; knows nothing of requests and replies.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore
import httpx

from florilegium.cancelling import current_cancellation


def make_cancellable(client: httpx.Client) -> None:
    """Let all that this client waits for on a connection be cancelled; others' go on.

    A client that was given a backend of its own knows no proxies of the environment, which is why
    that of a client is replaced.
    """
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool
            pool._network_backend = WakingBackend(pool._network_backend)


class WakingBackend(httpcore.NetworkBackend):
    """Opens connections whose reads and writes a cancellation wakes."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return _WakingStream(stream)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        return _WakingStream(self._backend.connect_unix_socket(path, timeout, socket_options))

    def sleep(self, seconds: float) -> None:
        current_cancellation().pause(seconds)


class _WakingStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with current_cancellation().waking(self._hang_up):
            return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with current_cancellation().waking(self._hang_up):
            self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        with current_cancellation().waking(self._hang_up):
            return _WakingStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _hang_up(self) -> None:
        # Closing would not wake who reads, and its number might be another's by then.
        with suppress(OSError):  # the server was faster
            # The socket below TLS: the thread that reads still uses what is above it.
            socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)
