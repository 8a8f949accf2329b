"""Which sessions a user has open, and which of them to end when there are too many.

Clients of the older protocol open sessions and often forget them. Ends none itself.
"""

from __future__ import annotations

from collections import OrderedDict


class Sessions:
    """The sessions of each user, the least recently used first.

    Args:
        most_per_user: How many one user may have.
    """

    def __init__(self, *, most_per_user: int) -> None:
        self._most = most_per_user
        self._of: dict[str, OrderedDict[str, None]] = {}

    def use(self, user: str, session: str) -> list[str]:
        """Note that a session is used, and return those that are over the limit by it."""
        mine = self._of.setdefault(user, OrderedDict())
        mine[session] = None
        mine.move_to_end(session)
        return [mine.popitem(last=False)[0] for _ in range(len(mine) - self._most)]

    def forget(self, user: str, session: str) -> None:
        """Note that a session has ended."""
        mine = self._of.get(user)
        if mine is not None:
            mine.pop(session, None)
            if not mine:
                del self._of[user]
