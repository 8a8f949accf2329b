"""One server that reranks: requests to it, with its key, patience and errors. Knows no scores."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_result,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from florilegium.config_sections import RerankConfig
from florilegium.errors import (
    ConfigError,
    RerankError,
    RerankRejectedError,
    RerankTimeoutError,
    RerankUnavailableError,
)
from florilegium.redaction import hide_secrets, secrets_of, show_address
from florilegium.server_address import is_loopback, join, parse_address, show
from florilegium.server_refusals import read_refusal, read_retry_after

CONNECT_SECONDS: Final = 10.0
LONGEST_WAIT: Final = 30.0
"""Seconds between two tries at most, whatever the server asks for."""

_PATH = "/rerank"
_LONGEST_BODY = 1 << 24
_BACKOFF = wait_exponential(multiplier=0.5, max=8.0) + wait_random(0.0, 0.5)
_EXAMPLES = (
    'Set rerank.base_url to the server\'s address, e.g. "http://localhost:8080/v1" for '
    'llama-server, "http://localhost:8000/v1" for vLLM, or "http://localhost:8080" for Text '
    "Embeddings Inference."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A request that gave no reply.

    `words` are what the server answered with. A `passing` failure may go well later; `wait` is
    how many seconds the server asks to wait until then.
    """

    error: RerankError
    cause: Exception | None = None
    status: int | None = None
    words: str = ""
    passing: bool = False
    wait: float | None = None


class Connection:
    """Send requests to the server of a rerank configuration."""

    def __init__(
        self, config: RerankConfig, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        base_url = parse_address(
            config.base_url, section="rerank", backend="The reranker 'served'", examples=_EXAMPLES
        )
        self._url = base_url if base_url.path.endswith(_PATH) else join(base_url, _PATH)
        self._config = config
        self._sleep = sleep
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self.server = show(base_url)
        self._secret = "" if config.api_key is None else config.api_key.get_secret_value()
        if not self._secret.isascii() or not self._secret.isprintable() or " " in self._secret:
            # Libraries repeat a bad header in their errors.
            raise ConfigError(
                f"The key in the variable {config.api_key_env!r} holds characters that no key "
                "has: blanks, line ends or letters beyond ASCII.",
                hint="Copy the key again, without quotes and without what stands around it.",
            )
        self.secrets = (self._secret, *secrets_of(config.base_url))

    def post(self, body: dict[str, Any]) -> str | Refused:
        """Return the body of the reply to a request; only what may pass is tried again."""
        # A lone half of a character, e.g. of an odd file name, has no UTF-8.
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        retrying = Retrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, Refused) and outcome.passing),
            stop=stop_after_attempt(self._config.retries + 1),
            wait=_wait,
            sleep=self._sleep,
            retry_error_callback=_outcome,
        )
        outcome: str | Refused = retrying(self._try, content)
        return outcome

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _try(self, content: bytes) -> str | Refused:
        deadline = time.monotonic() + self._config.timeout
        client = self._open()
        try:
            with client.stream("POST", self._url, content=content) as response:
                text = self._read(response, deadline)
        except httpx.HTTPError as error:
            return self._explain_failure(error)
        if text is None:
            return Refused(error=self._timeout())
        if response.is_success:
            return text
        return self._explain_refusal(response, text)

    def _read(self, response: httpx.Response, deadline: float) -> str | None:
        """Return the body, bounded; None if it is not whole by the deadline."""
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) >= _LONGEST_BODY:
                break
            # A limit between two pieces alone would let a server drip for ever.
            if time.monotonic() > deadline:
                return None
        return bytes(body[:_LONGEST_BODY]).decode("utf-8", "replace")

    def _explain_failure(self, error: httpx.HTTPError) -> Refused:
        why = hide_secrets(str(error)).rstrip(".") or type(error).__name__
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            unreachable = RerankUnavailableError(
                f"The server at {self.server!r} cannot be reached: {why}.",
                hint="Start it, or mend rerank.base_url.",
            )
            return Refused(error=unreachable, cause=error, passing=True)
        if isinstance(error, httpx.TimeoutException):
            return Refused(error=self._timeout(), cause=error)
        broken = RerankError(
            f"The connection to the server at {self.server!r} broke off: {why}.",
            hint="Look at the server's own log; it may have run out of memory.",
        )
        return Refused(error=broken, cause=error)

    def _explain_refusal(self, response: httpx.Response, text: str) -> Refused:
        status = response.status_code
        words = read_refusal(text, secrets=self.secrets).words
        if response.has_redirect_location:
            words = f"it moved to {show_address(response.headers['location'])!r}"
        error, passing = self._judge(status, words)
        wait = read_retry_after(response.headers.get("retry-after"))
        return Refused(error=error, status=status, words=words, passing=passing, wait=wait)

    def _judge(self, status: int, words: str) -> tuple[RerankError, bool]:
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            message = f"The server at {self.server!r} is busy (status 429): {words}"
            hint = "Try again later, or raise rerank.retries."
            return RerankUnavailableError(message, hint=hint), True
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            message = f"The server at {self.server!r} failed (status {status}): {words}"
            return RerankUnavailableError(message, hint="Look at the server's own log."), True
        message = f"The server at {self.server!r} refused to rerank (status {status}): {words}"
        return RerankRejectedError(message, hint=self._refusal_hint(status)), False

    def _refusal_hint(self, status: int) -> str:
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            variable = self._config.api_key_env
            if variable:
                return f"Check the key in the variable {variable!r}, named by rerank.api_key_env."
            return "Set rerank.api_key_env to the name of the variable that holds the key."
        if status == HTTPStatus.NOT_FOUND:
            return f"Set rerank.base_url to what stands before {_PATH} there, often with /v1."
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return "Lower rerank.batch_size or ingest.chunk_tokens, or start it with larger limits."
        return "Check the settings of section [rerank]."

    def _timeout(self) -> RerankTimeoutError:
        return RerankTimeoutError(
            f"The server at {self.server!r} gave no scores within {self._config.timeout:g} s.",
            hint="Raise rerank.timeout, or lower rerank.batch_size.",
        )

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = self._new_client()
            return self._client

    def _new_client(self) -> httpx.Client:
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "florilegium",
        }
        if self._secret:
            headers["Authorization"] = f"Bearer {self._secret}"
        try:
            return httpx.Client(
                headers=headers,
                timeout=httpx.Timeout(self._config.timeout, connect=CONNECT_SECONDS),
                # Proxies are for vendors; to a proxy, this machine's loopback is its own.
                trust_env=not is_loopback(self._url),
            )
        except (ValueError, ImportError) as error:
            raise ConfigError(
                f"The proxy that the environment names cannot be used ({type(error).__name__}).",
                hint="Mend HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or list the server in NO_PROXY.",
            ) from error


def _wait(state: RetryCallState) -> float:
    outcome = _outcome(state)
    asked = outcome.wait if isinstance(outcome, Refused) else None
    return max(_BACKOFF(state), min(asked or 0.0, LONGEST_WAIT))


def _outcome(state: RetryCallState) -> str | Refused:
    assert state.outcome is not None, "tenacity asks only after a try"
    outcome: str | Refused = state.outcome.result()
    return outcome
