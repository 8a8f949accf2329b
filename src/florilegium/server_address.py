"""The address of a server, checked before anything is sent there. Opens no connection.

Only backends that speak HTTP import it, since it imports their library.
"""

from __future__ import annotations

import logging
from ipaddress import ip_address

import httpx

from florilegium.errors import ConfigError
from florilegium.redaction import hide_in_record, show_address

CHAT_EXAMPLES = (
    'Set chat.base_url to the server\'s address, e.g. "http://localhost:11434/v1" for Ollama, '
    '"http://localhost:8080/v1" for llama-server or "http://localhost:1234/v1" for LM Studio.'
)


def parse_address(
    text: str,
    *,
    section: str = "chat",
    backend: str = "The chat model 'openai'",
    examples: str = CHAT_EXAMPLES,
) -> httpx.URL:
    """Return the address that `base_url` of a section gives, without a slash at its end.

    Args:
        text: The address.
        section: The section of the settings, for messages.
        backend: What needs the server, for messages.
        examples: The hint that shows addresses.

    Raises:
        ConfigError: There is none, it is no http address, or it holds a password.
    """
    setting = f"{section}.base_url"
    if not text.strip():
        raise ConfigError(f"{backend} needs a server, and {setting} is empty.", hint=examples)
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as error:
        raise ConfigError(
            f"The setting {setting!r} is no address: {error}.", hint=examples
        ) from error
    if url.userinfo:
        # Not repeated in the message: what stands before the @ is a secret.
        raise ConfigError(
            f"The setting {setting!r} holds a user or password for {url.host!r}.",
            hint=f"Take it out; {section}.api_key_env names the variable that holds the key.",
        )
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(
            f"The setting {setting!r} is {show_address(text)!r}, which is no http address.",
            hint=examples,
        )
    if url.query:
        logging.getLogger("httpx").addFilter(hide_in_record)  # which tells each address it asks
    return url.copy_with(path=url.path.rstrip("/"), fragment=None)


def join(base_url: httpx.URL, path: str) -> httpx.URL:
    """Return the address of `path` below `base_url`, whose query stays."""
    return base_url.copy_with(path=base_url.path.rstrip("/") + path)


def show(base_url: httpx.URL) -> str:
    """Return an address for messages: without its query, which may hold a secret."""
    return show_address(str(base_url.copy_with(query=None))).rstrip("/")


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
