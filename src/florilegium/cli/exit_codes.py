"""Which exit code each error has. Knows the error tree and nothing of the commands."""

from __future__ import annotations

from typing import Final

from florilegium import errors

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
PARTIAL: Final = 3
"""Finished, but some files failed."""
INTERRUPTED: Final = 130
"""Stopped by Ctrl-C: 128 + SIGINT, as shells have it."""

EXIT_CODES: Final[dict[type[errors.FlorilegiumError], int]] = {
    errors.FlorilegiumError: FAILED,
    errors.ConfigError: USAGE,
    errors.UnknownBackendError: USAGE,
    errors.MissingExtraError: USAGE,
    errors.InvalidQueryError: USAGE,
    errors.ItemNotFoundError: FAILED,
    errors.RemovalRefusedError: FAILED,
    errors.SourceError: PARTIAL,
    errors.UnsupportedFileError: PARTIAL,
    errors.UnreadableFileError: PARTIAL,
    errors.FileTooLargeError: PARTIAL,
    errors.FileTooSlowError: PARTIAL,
    errors.SourceGoneError: PARTIAL,
    errors.WorkerError: FAILED,
    errors.EncoderError: FAILED,
    errors.WeightsNotFoundError: USAGE,
    errors.StoreError: FAILED,
    errors.IndexNotFoundError: USAGE,
    errors.IndexMismatchError: USAGE,
    errors.IndexOutdatedError: USAGE,
    errors.IndexLockedError: FAILED,
    errors.StorageFullError: FAILED,
    errors.ChatError: FAILED,
    errors.ChatUnavailableError: FAILED,
    errors.ChatTimeoutError: FAILED,
    errors.ChatRejectedError: FAILED,
    errors.ContextExceededError: FAILED,
    errors.UnsupportedInputError: USAGE,
    errors.RerankError: FAILED,
    errors.RerankUnavailableError: FAILED,
    errors.RerankTimeoutError: FAILED,
    errors.RerankRejectedError: FAILED,
    errors.RequestError: FAILED,
    errors.UnauthenticatedError: FAILED,
    errors.ForbiddenError: FAILED,
    errors.NotFoundError: FAILED,
    errors.InvalidRequestError: FAILED,
    errors.RequestTooLargeError: FAILED,
    errors.UnsupportedBodyError: FAILED,
    errors.TooBusyError: FAILED,
    errors.TooSlowError: FAILED,
}


def exit_code(error: errors.FlorilegiumError) -> int:
    """Return the exit code of an error; a class of another package has that of its parent."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)
