"""Whether an error of a database says that its files are damaged, or only out of reach for now.

What is damaged is made anew. What is busy, full or read-only must be left as it is.
"""

from __future__ import annotations

import errno
import re
import sqlite3
from typing import Final

from florilegium.errors import StoreError

# https://www.sqlite.org/rescode.html: a missing table is an ERROR.
_DAMAGED: Final = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_OUT_OF_REACH = re.compile(
    r"locked|busy|full|no space|read-?only|permission|denied|too many open|unable to open",
    re.IGNORECASE,
)


def is_damage(error: StoreError) -> bool:
    """Return whether files behind this error are damaged or gone."""
    cause = error.__cause__
    if cause is None:
        return False
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in _DAMAGED
    if isinstance(cause, OSError):
        return cause.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, None)
    # Engines of other makers tell it in words only.
    return not _OUT_OF_REACH.search(str(cause))
