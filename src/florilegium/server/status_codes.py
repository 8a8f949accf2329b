"""Which HTTP status each error has. Knows the error tree and nothing of the routes."""

from __future__ import annotations

from typing import Final

from florilegium import errors

STATUS_CODES: Final[dict[type[errors.FlorilegiumError], int]] = {
    errors.FlorilegiumError: 500,
    errors.ConfigError: 500,
    errors.UnknownBackendError: 500,
    errors.MissingExtraError: 501,
    errors.InvalidQueryError: 422,
    errors.ItemNotFoundError: 404,
    errors.RemovalRefusedError: 409,
    errors.SourceError: 422,
    errors.UnsupportedFileError: 415,
    errors.UnreadableFileError: 422,
    errors.FileTooLargeError: 413,
    errors.FileTooSlowError: 422,
    errors.SourceGoneError: 410,
    errors.WorkerError: 500,
    errors.EncoderError: 500,
    errors.WeightsNotFoundError: 503,
    errors.StoreError: 500,
    errors.IndexNotFoundError: 409,
    errors.IndexMismatchError: 409,
    errors.IndexOutdatedError: 409,
    errors.IndexLockedError: 423,
    errors.StorageFullError: 507,
    errors.ChatError: 502,
    errors.ChatUnavailableError: 503,
    errors.ChatTimeoutError: 504,
    errors.ChatRejectedError: 502,
    errors.ContextExceededError: 502,
    errors.UnsupportedInputError: 422,
    errors.RerankError: 502,
    errors.RerankUnavailableError: 503,
    errors.RerankTimeoutError: 504,
    errors.RerankRejectedError: 502,
    errors.RequestError: 400,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.InvalidRequestError: 422,
    errors.RequestTooLargeError: 413,
    errors.UnsupportedBodyError: 415,
    errors.TooBusyError: 429,
    errors.TooSlowError: 504,
}


def status_code(error: errors.FlorilegiumError) -> int:
    """Return the status of an error; a class of another package has that of its parent."""
    return next(STATUS_CODES[kind] for kind in type(error).__mro__ if kind in STATUS_CODES)
