"""One server: requests to it, with its key, patience and errors. Knows no messages or pictures.

A request gives a response or a failure; what comes after the first byte of a reply is never
asked for again.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
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

from florilegium.cancelling import current_cancellation
from florilegium.chat_models.openai.events import read_events
from florilegium.chat_models.openai.listing import ListedModel, find_model, name_models, read_models
from florilegium.chat_models.openai.refusals import explain_refusal, is_passing
from florilegium.chat_models.openai.waking import make_cancellable
from florilegium.config import ChatConfig
from florilegium.errors import (
    ChatError,
    ChatRejectedError,
    ChatTimeoutError,
    ChatUnavailableError,
    ConfigError,
    ContextExceededError,
    UnsupportedInputError,
)
from florilegium.redaction import hide_secrets, secrets_of, show_address
from florilegium.server_address import is_loopback, join, parse_address, show
from florilegium.server_refusals import brief_words, read_refusal, read_retry_after

logger = logging.getLogger(__name__)

Json = dict[str, Any]

CONNECT_SECONDS: Final = 10.0
LONGEST_WAIT: Final = 30.0
"""Seconds between two tries at most, whatever the server asks for."""

LAST: Final[Json] = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
"""What stands for the end that a server declares, which need not have given a reason."""

_LONGEST_REFUSAL = 1 << 16
_LONGEST_LIST = 1 << 24
_BACKOFF = wait_exponential(multiplier=0.5, max=8.0) + wait_random(0.0, 0.5)
_SERVER_HINT = "Check that chat.base_url is an OpenAI-compatible server."
_COUNTING: Final = "stream_options"  # older servers name it in their words alone
# Fields that newer models of some vendors refuse, and the name that they want instead, if any.
_OTHER_NAMES: Final = {
    "max_tokens": "max_completion_tokens",
    "temperature": None,
    "top_p": None,
    "seed": None,
    _COUNTING: None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoResponse:
    """A request that gave no response.

    `cause` is what was caught; `status` and `words` are what the server answered with. A `passing`
    failure may go well later; `wait` is how many seconds the server asks to wait until then.
    `unsupported` is a field of the request that the server does not know.
    """

    error: ChatError
    cause: Exception | None = None
    status: int | None = None
    words: str = ""
    passing: bool = False
    wait: float | None = None
    unsupported: str = ""


class Connection:
    """Send requests to the server of a chat configuration.

    What waits for the server raises CancelledEarly when the work of its thread is cancelled.
    """

    def __init__(self, config: ChatConfig, *, sleep: Callable[[float], None] | None = None) -> None:
        self._base_url = parse_address(config.base_url)
        self._config = config
        self._sleep = sleep
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._unsupported: frozenset[str] = frozenset()
        self.server = show(self._base_url)
        _check_key(config)

    def post(self, body: Json) -> httpx.Response | NoResponse:
        """Send a request for a chat completion; whoever takes the response closes it."""
        while True:
            outcome = self._send("POST", "/chat/completions", self._in_its_words(body))
            if not isinstance(outcome, NoResponse):
                return outcome
            field = outcome.unsupported
            if field not in _OTHER_NAMES or field in self._unsupported:
                return self._with_models(outcome, str(body.get("model", "")))
            logger.info("The server at %s does not take %r as it is.", self.server, field)
            self._unsupported |= {field}

    def read(self, response: httpx.Response) -> Generator[Json, None, None]:
        """Yield the chunks of a reply, and close its connection if it is left early.

        Raises:
            ChatError: The reply broke off, took too long, or is none.
        """
        try:
            self._check_is_stream(response)
            pieces = response.iter_bytes()
            for data in read_events(pieces, server=self.server, timeout=self._config.timeout):
                if data == "[DONE]":
                    yield LAST
                    # Only a body that was read to its end leaves the connection for the next.
                    for _ in pieces:
                        pass
                    return
                yield self._chunk(data)
            current_cancellation().check()  # a body without a length may end where it is cut
        except httpx.TimeoutException as error:
            raise self._timeout() from error
        except httpx.HTTPError as error:
            current_cancellation().check()
            raise ChatError(
                f"The connection to the server at {self.server!r} broke off in the middle of "
                f"the reply: {_why(error)}.",
                hint="Look at the server's own log; it may have run out of memory.",
            ) from error
        finally:
            response.close()

    def models(self) -> list[ListedModel] | None:
        """Return the models that the server lists; None if it has no such list.

        Raises:
            ChatError: The server is down, slow, or refuses the key.
        """
        outcome = self._send("GET", "/models", None)
        if isinstance(outcome, NoResponse):
            if outcome.status in {401, 403} or outcome.status is None or outcome.passing:
                raise outcome.error from outcome.cause
            return None
        try:
            body = _read_bounded(outcome, _LONGEST_LIST)
        finally:
            outcome.close()
        try:
            return read_models(json.loads(body))
        except (ValueError, RecursionError):
            return None

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _send(self, method: str, path: str, body: Json | None) -> httpx.Response | NoResponse:
        # A lone half of a character, e.g. of an odd file name, has no UTF-8.
        text = None if body is None else json.dumps(body, ensure_ascii=False)
        content = None if text is None else text.encode("utf-8", "replace")
        retrying = Retrying(
            retry=retry_if_result(_is_worth_another_try),
            stop=stop_after_attempt(self._config.retries + 1),
            wait=_wait,
            sleep=self._sleep or current_cancellation().pause,
            retry_error_callback=_outcome,
        )
        outcome: httpx.Response | NoResponse = retrying(self._try, method, path, content)
        return outcome

    def _try(self, method: str, path: str, content: bytes | None) -> httpx.Response | NoResponse:
        current_cancellation().check()
        client = self._open()
        url = join(self._base_url, path)
        try:
            response = client.send(client.build_request(method, url, content=content), stream=True)
        except httpx.TransportError as error:
            current_cancellation().check()
            return self._no_response(error)
        if response.is_success:
            return response
        try:
            body = _read_bounded(response, _LONGEST_REFUSAL).decode("utf-8", "replace")
        finally:
            response.close()
        refusal = read_refusal(body, secrets=self._secrets, optional=_COUNTING)
        if response.has_redirect_location:
            place = show_address(response.headers["location"])
            refusal = replace(refusal, words=f"it moved to {place!r}")
        explained = self._explain(response.status_code, refusal.words)
        return NoResponse(
            error=explained,
            words=refusal.words,
            status=response.status_code,
            passing=is_passing(response.status_code, explained),
            wait=read_retry_after(response.headers.get("retry-after")),
            unsupported=refusal.unsupported,
        )

    def _no_response(self, error: httpx.TransportError) -> NoResponse:
        if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
            return NoResponse(error=self._timeout(), cause=error)
        return NoResponse(
            error=ChatUnavailableError(
                f"The server at {self.server!r} cannot be reached: {_why(error)}.",
                hint="Start it, or mend chat.base_url.",
            ),
            cause=error,
            passing=True,
        )

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = self._new_client()
            return self._client

    def _new_client(self) -> httpx.Client:
        headers = {
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",  # compression would hold pieces of a reply back
            "Content-Type": "application/json",
            "User-Agent": "florilegium",
        }
        if self._secret:
            headers["Authorization"] = f"Bearer {self._secret}"
        try:
            client = httpx.Client(
                headers=headers,
                timeout=httpx.Timeout(self._config.timeout, connect=CONNECT_SECONDS),
                # Proxies are for vendors; to a proxy, this machine's loopback is its own.
                trust_env=not is_loopback(self._base_url),
            )
        except (ValueError, ImportError) as error:
            raise ConfigError(
                f"The proxy that the environment names cannot be used ({type(error).__name__}).",
                hint="Mend HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or list the server in NO_PROXY.",
            ) from error
        make_cancellable(client)
        return client

    @property
    def _secret(self) -> str:
        key = self._config.api_key
        return "" if key is None else key.get_secret_value()

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._secret, *secrets_of(self._config.base_url))

    def _in_its_words(self, body: Json) -> Json:
        """Return a request without the fields that this server refused before."""
        if not self._unsupported:
            return body
        words = {key: value for key, value in body.items() if key not in self._unsupported}
        for field in self._unsupported & body.keys():
            if name := _OTHER_NAMES[field]:
                words[name] = body[field]
        return words

    def _with_models(self, failure: NoResponse, model: str) -> NoResponse:
        """Return a failure; one for which nothing was found says what there is instead."""
        if failure.status != HTTPStatus.NOT_FOUND:
            return failure
        models = self.models()
        if models is None:
            return replace(failure, error=_not_there(self.server))
        if find_model(models, model) is not None:
            return failure
        error = ChatRejectedError(
            f"The server at {self.server!r} has no model {model!r}; it has: {name_models(models)}.",
            hint='Set chat.name to "openai:MODEL" with one of these, or load the model.',
        )
        return replace(failure, error=error)

    def _check_is_stream(self, response: httpx.Response) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if "json" not in kind and "html" not in kind:
            return
        body = _read_bounded(response, _LONGEST_REFUSAL).decode("utf-8", "replace")
        words = read_refusal(body, secrets=self._secrets).words
        raise ChatError(
            f"The server at {self.server!r} answered with {kind!r} instead of an event stream: "
            f"{words}",
            hint=_SERVER_HINT,
        )

    def _chunk(self, data: str) -> Json:
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError) as error:  # the latter for brackets in brackets
            raise self._no_piece("JSON", data) from error
        if not isinstance(chunk, dict):
            raise self._no_piece("object", data)
        if chunk.get("error") or ("choices" not in chunk and "message" in chunk):
            raise self._error_within(chunk, data)
        return chunk

    def _no_piece(self, wanted: str, data: str) -> ChatError:
        said = brief_words(data, self._secrets)[:100]
        message = f"The server at {self.server!r} sent a piece that is no {wanted}: {said!r}."
        return ChatError(message, hint=_SERVER_HINT)

    def _error_within(self, chunk: Json, data: str) -> ChatError:
        words = read_refusal(data, secrets=self._secrets).words
        inner = chunk.get("error", chunk)
        code = inner.get("code") if isinstance(inner, dict) else None
        error = self._explain(code if isinstance(code, int) else 0, words)
        if isinstance(error, (ContextExceededError, UnsupportedInputError)):
            return error
        return ChatError(
            f"The server at {self.server!r} stopped its reply with an error: {words}",
            hint="Look at the server's own log.",
        )

    def _explain(self, status: int, words: str) -> ChatError:
        return explain_refusal(
            status, words, server=self.server, key_variable=self._config.api_key_env
        )

    def _timeout(self) -> ChatTimeoutError:
        return ChatTimeoutError(
            f"The server at {self.server!r} sent nothing for {self._config.timeout:g} s.",
            hint="Raise chat.timeout, or ask for less.",
        )


def _not_there(server: str) -> ChatRejectedError:
    """Return the error for a server that has nothing at the address it was asked at."""
    if "/" in server.rpartition("://")[2]:
        hint = f'{_SERVER_HINT} Most end in "/v1", and nothing stands behind that.'
    else:
        hint = f'Most servers want "/v1" at the end: set chat.base_url to "{server}/v1".'
    return ChatRejectedError(
        f"The server at {server!r} has no chat completions there (status 404).", hint=hint
    )


def _check_key(config: ChatConfig) -> None:
    """Raise ConfigError for a key that is none: libraries repeat a bad header in their errors."""
    key = "" if config.api_key is None else config.api_key.get_secret_value()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"The key in the variable {config.api_key_env!r} holds characters that no key has: "
            "blanks, line ends or letters beyond ASCII.",
            hint="Copy the key again, without quotes and without what stands around it.",
        )


def _read_bounded(response: httpx.Response, limit: int) -> bytes:
    """Return the beginning of a body; a body that breaks off is as long as it came."""
    body = bytearray()
    try:
        for piece in response.iter_bytes():
            body += piece
            if len(body) >= limit:
                break
    except httpx.HTTPError as error:
        current_cancellation().check()
        logger.info("The body of an answer broke off: %s", error)
    return bytes(body[:limit])


def _why(error: httpx.HTTPError) -> str:
    return hide_secrets(str(error)).rstrip(".") or type(error).__name__


def _is_worth_another_try(outcome: httpx.Response | NoResponse) -> bool:
    return isinstance(outcome, NoResponse) and outcome.passing


def _wait(state: RetryCallState) -> float:
    outcome = _outcome(state)
    asked = outcome.wait if isinstance(outcome, NoResponse) else None
    return max(_BACKOFF(state), min(asked or 0.0, LONGEST_WAIT))


def _outcome(state: RetryCallState) -> httpx.Response | NoResponse:
    assert state.outcome is not None, "tenacity asks only after a try"
    outcome: httpx.Response | NoResponse = state.outcome.result()
    return outcome
