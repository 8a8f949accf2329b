"""The address of a server, checked before anything is sent there. Opens no connection."""

from __future__ import annotations

from ipaddress import ip_address

import httpx

from florilegium.errors import ConfigError

_EXAMPLES = (
    'Set chat.base_url to the server\'s address, e.g. "http://localhost:11434/v1" for Ollama, '
    '"http://localhost:8080/v1" for llama-server or "http://localhost:1234/v1" for LM Studio.'
)


def parse_address(text: str) -> httpx.URL:
    """Return the address that `chat.base_url` gives, without a slash at its end.

    Raises:
        ConfigError: There is none, it is no http address, or it holds a password.
    """
    if not text.strip():
        raise ConfigError(
            "The chat model 'openai' needs a server, and chat.base_url is empty.", hint=_EXAMPLES
        )
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as error:
        raise ConfigError(
            f"The setting 'chat.base_url' is no address: {error}.", hint=_EXAMPLES
        ) from error
    if url.userinfo:
        # Not repeated in the message: what stands before the @ is a secret.
        raise ConfigError(
            f"The setting 'chat.base_url' holds a user or password for {url.host!r}.",
            hint="Take it out; chat.api_key_env names the variable that holds the server's key.",
        )
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(
            f"The setting 'chat.base_url' is {text!r}, which is no http address.", hint=_EXAMPLES
        )
    return url.copy_with(path=url.path.rstrip("/"), fragment=None)


def join(base_url: httpx.URL, path: str) -> httpx.URL:
    """Return the address of `path` below `base_url`, whose query stays."""
    return base_url.copy_with(path=base_url.path.rstrip("/") + path)


def show(base_url: httpx.URL) -> str:
    """Return an address for messages: without its query, which may hold a secret."""
    return str(base_url.copy_with(query=None)).rstrip("/")


def is_loopback(base_url: httpx.URL) -> bool:
    """Return whether a server is on this machine; no proxy can reach it there."""
    host = base_url.host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
