"""The accounts as they are now: the file is read anew when it has changed. Knows no request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from florilegium.errors import ConfigError
from florilegium.server.accounts import Account, names_alike
from florilegium.server.keys import digest, same
from florilegium.server.users import User
from florilegium.server.users_file import Accounts, read_accounts

logger = logging.getLogger(__name__)

_NO_DIGEST: Final = digest(b"")

_Stamp = tuple[int, int, int]


class Users:
    """The accounts of a file, as they are whenever they are asked for.

    A file that is damaged while the server runs lets nobody in until it is mended: taking the
    accounts as they were could let in somebody who was just removed.

    Args:
        file: What `florilegium users` writes.

    Raises:
        ConfigError: The file cannot be read, or is damaged; so do all methods.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._accounts: Accounts = {}
        self._by_digest: dict[str, tuple[str, User]] = {}
        self._refresh()

    def accounts(self) -> Mapping[str, Account]:
        """Return the accounts by name."""
        self._refresh()
        return self._accounts

    def account(self, name: str) -> Account | None:
        """Return the account of a name; None if there is none."""
        self._refresh()
        return self._accounts.get(name)

    def user_of_key(self, hashed: str) -> User | None:
        """Return whose key has this SHA-256; None if it is nobody's.

        It takes as long with many keys as with none, and for a right key as for a wrong one: what
        is looked up is a hash, which nobody can choose digit by digit.
        """
        self._refresh()
        kept, user = self._by_digest.get(hashed, (_NO_DIGEST, None))
        return user if same(kept, hashed) else None

    def _refresh(self) -> None:
        with self._lock:
            try:
                stamp = self._look()
                if stamp is not None and stamp == self._stamp:
                    return
                accounts = read_accounts(self._file)
            except ConfigError as error:
                if self._stamp is not None:
                    logger.error("nobody is let in: %s", error.message)  # noqa: TRY400 - told once
                self._stamp, self._accounts, self._by_digest = None, {}, {}
                raise
            for names in names_alike(accounts):
                logger.warning(
                    "the accounts %s have names that people take for one; keep one of them",
                    " and ".join(map(repr, names)),
                )
            self._stamp = stamp
            self._accounts = accounts
            self._by_digest = {
                hashed: (hashed, account.user)
                for account in accounts.values()
                for hashed in account.keys.values()
            }

    def _look(self) -> _Stamp | None:
        try:
            found = self._file.stat()
        except OSError:
            return None  # reading it will say why
        return found.st_mtime_ns, found.st_size, found.st_ino
