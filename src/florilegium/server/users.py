"""Who asks, and what they may see and do. Knows nothing of passwords and requests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody whom the server knows.

    Attributes:
        name: Unique among the users that there are.
        libraries: Names of the libraries that this user sees; None sees all.
        may_write: Whether this user may ingest and upload.
        id: What an account was given at random when it was made: whoever gets the name of one
            that was removed is somebody else. None for users without an account.
    """

    name: str
    libraries: frozenset[str] | None = None
    may_write: bool = False
    id: str | None = None

    @property
    def owner(self) -> str:
        """Return what chats are kept under; no name can be the owner of an account's."""
        return self.name if self.id is None else f"#{self.id}"

    def sees(self, library: str) -> bool:
        """Return whether this user may see a library."""
        return self.libraries is None or library in self.libraries


LOCAL_USER = User(name="local", may_write=True)
"""Who asks where neither a key nor accounts are configured: whoever is at this machine."""

KEY_USER = User(name="key", may_write=True)
"""Who asks with the server's own key."""
