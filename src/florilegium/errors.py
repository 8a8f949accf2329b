"""Every error that Florilegium raises on purpose. Knows neither exit codes nor HTTP.

FlorilegiumError
├── ConfigError                 unknown key, bad value, unset variable
│   └── UnknownBackendError     a name that is neither built in nor an entry point
├── MissingExtraError           an optional package is absent
├── InvalidQueryError           empty query, unreadable query picture, top_k out of range
├── ItemNotFoundError           an id that is not in the index
├── RemovalRefusedError         many files are gone, and the index was to keep them
├── SourceError                 one file failed; collected in the report, not fatal
│   ├── UnsupportedFileError    no loader for it
│   ├── UnreadableFileError     corrupt, undecodable, no permission
│   ├── FileTooLargeError       over the limit of bytes, pixels or memory
│   ├── FileTooSlowError        over the time limit
│   └── SourceGoneError         not there any more, or another one than was ingested
├── WorkerError                 the processes that read files do not start
├── EncoderError                forward pass failed, wrong shape, not finite
│   └── WeightsNotFoundError    weights are not on disk
├── StoreError                  the vector store or the catalog failed
│   ├── IndexNotFoundError      nothing was ingested here yet
│   ├── IndexMismatchError      built with another encoder or schema
│   │   └── IndexOutdatedError      so old that ingest makes it anew from the cache
│   ├── IndexLockedError        another process is writing
│   └── StorageFullError        no room on the disk
├── ChatError                   anything else from the chat model
│   ├── ChatUnavailableError    no connection, or 5xx after retries
│   ├── ChatTimeoutError        no token within the limit
│   ├── ChatRejectedError       the provider refused (key, size, policy)
│   │   └── ContextExceededError    the messages are longer than the model's context
│   └── UnsupportedInputError   pictures to a text-only model
├── RerankError                 anything else from the reranker
│   ├── RerankUnavailableError  no connection, or 5xx after retries
│   ├── RerankTimeoutError      no scores within the limit
│   └── RerankRejectedError     the provider refused (key, size, model)
└── RequestError                the server refused a request
    ├── UnauthenticatedError    no key or password, or a wrong one
    ├── ForbiddenError          this user may not do that
    ├── NotFoundError           no such library, job, chat or page
    ├── InvalidRequestError     a body or parameter of the wrong shape
    ├── RequestTooLargeError    over the limit of bytes
    ├── UnsupportedBodyError    a body that is compressed, or of another type than is read
    ├── TooBusyError            too many requests at once
    └── TooSlowError            over the time limit
"""

from __future__ import annotations

from typing import ClassVar


class FlorilegiumError(Exception):
    """Base of all errors here; never raised itself.

    `code` is stable and documented; `hint` says what to do, in one sentence.
    """

    code: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(FlorilegiumError):
    """A setting is unknown, out of range, or names a variable that is not set."""

    code = "config_invalid"


class UnknownBackendError(ConfigError):
    """A backend name is neither built in nor offered by an installed package."""

    code = "backend_unknown"


class MissingExtraError(FlorilegiumError):
    """An optional package that this needs is not installed."""

    code = "extra_missing"


class InvalidQueryError(FlorilegiumError):
    """A query is empty, its picture cannot be read, or a number is out of range."""

    code = "query_invalid"


class ItemNotFoundError(FlorilegiumError):
    """No item of the index has this id."""

    code = "item_not_found"


class RemovalRefusedError(FlorilegiumError):
    """Many files are gone from the folder, and removing them from the index was refused."""

    code = "removal_refused"


class SourceError(FlorilegiumError):
    """One file could not be ingested. Collected in the report; never stops a run."""

    code = "source_failed"


class UnsupportedFileError(SourceError):
    """No loader reads this kind of file."""

    code = "source_unsupported"


class UnreadableFileError(SourceError):
    """The file is corrupt, cannot be decoded, or may not be read."""

    code = "source_unreadable"


class FileTooLargeError(SourceError):
    """The file is over the limit of bytes, pixels or memory of the configuration."""

    code = "source_too_large"


class FileTooSlowError(SourceError):
    """Reading the file took longer than the configuration allows, and was given up."""

    code = "source_too_slow"


class SourceGoneError(SourceError):
    """The file is not there any more, or is another one than was ingested."""

    code = "source_gone"


class WorkerError(FlorilegiumError):
    """The processes that files are read in cannot be started."""

    code = "worker_failed"


class EncoderError(FlorilegiumError):
    """An encoder failed or returned rows that are not finite or have the wrong shape."""

    code = "encoder_failed"


class WeightsNotFoundError(EncoderError):
    """The weights of a model are not on disk, or are not the ones that were pinned."""

    code = "weights_missing"


class StoreError(FlorilegiumError):
    """The vector store or the catalog failed."""

    code = "store_failed"


class IndexNotFoundError(StoreError):
    """There is no library, or no index, at this place yet."""

    code = "index_missing"


class IndexMismatchError(StoreError):
    """The index was built with another encoder or another schema."""

    code = "index_mismatch"


class IndexOutdatedError(IndexMismatchError):
    """The index was built by a version so old that it has to be made anew from the cache."""

    code = "index_outdated"


class IndexLockedError(StoreError):
    """Another process is writing to this index."""

    code = "index_locked"


class StorageFullError(StoreError):
    """There is no room for a file on the disk of the library."""

    code = "storage_full"


class ChatError(FlorilegiumError):
    """The chat model failed in a way that no other class names."""

    code = "chat_failed"


class ChatUnavailableError(ChatError):
    """The chat model cannot be reached."""

    code = "chat_unavailable"


class ChatTimeoutError(ChatError):
    """The chat model sent nothing within the limit."""

    code = "chat_timeout"


class ChatRejectedError(ChatError):
    """The provider refused the request."""

    code = "chat_rejected"


class ContextExceededError(ChatRejectedError):
    """The messages and the reply do not fit the context of the chat model."""

    code = "context_exceeded"


class UnsupportedInputError(ChatError):
    """More pictures than the chat model takes, or a kind of input that it cannot read."""

    code = "input_unsupported"


class RerankError(FlorilegiumError):
    """The reranker failed, or gave scores that are no scores."""

    code = "rerank_failed"


class RerankUnavailableError(RerankError):
    """The server of the reranker cannot be reached."""

    code = "rerank_unavailable"


class RerankTimeoutError(RerankError):
    """The server of the reranker sent no scores within the limit."""

    code = "rerank_timeout"


class RerankRejectedError(RerankError):
    """The server of the reranker refused the request."""

    code = "rerank_rejected"


class RequestError(FlorilegiumError):
    """The server refused a request, for a reason that no other class names."""

    code = "request_refused"


class UnauthenticatedError(RequestError):
    """The request has no key, or its key, name or password is wrong."""

    code = "request_unauthenticated"


class ForbiddenError(RequestError):
    """The user may not do this, or the request comes from a page of somebody else."""

    code = "request_forbidden"


class NotFoundError(RequestError):
    """The server has no library, job, chat or page of this name that the user may see."""

    code = "not_found"


class InvalidRequestError(RequestError):
    """The body or a parameter of the request has the wrong shape."""

    code = "request_invalid"


class RequestTooLargeError(RequestError):
    """The body of the request has more bytes than the server takes."""

    code = "request_too_large"


class UnsupportedBodyError(RequestError):
    """The body of the request is compressed, or of another type than is read there."""

    code = "body_unsupported"


class TooBusyError(RequestError):
    """The server has as many requests as it takes at once; try again in a moment."""

    code = "server_busy"


class TooSlowError(RequestError):
    """The request took longer than the server allows."""

    code = "request_too_slow"
