"""How often somebody may try: log-ins by address, name and browser, and wrong keys by address.

Counts in the memory of one process. Nobody elsewhere uses up the attempts of a browser that has
logged in before, nor, from one address, those of any other.
"""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, ip_address
from typing import Final

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from florilegium.server.keys import digest

LOG_INS_OF_ADDRESS: Final = 10
"""In a minute, from one address under all names."""

LOG_INS_OF_NAME: Final = 5
LOG_INS_OF_NAME_BY_THE_HOUR: Final = 20
"""In a minute and in an hour, under one name from one address, or by one known browser."""

LOG_INS_OF_NAME_FROM_EVERYWHERE: Final = 100
"""In an hour, under one name from all addresses; a known browser does not count and passes."""

WRONG_KEYS_OF_ADDRESS: Final = 20
"""In a minute."""

_NETWORK_BITS: Final = 64  # an IPv6 client has so large a network to itself


class Attempts:
    """Counts attempts. What returns seconds says how long to wait; 0 is not at all."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._address = RateLimitItemPerMinute(LOG_INS_OF_ADDRESS, namespace="log-in-address")
        self._one = (
            RateLimitItemPerMinute(LOG_INS_OF_NAME, namespace="log-in-one"),
            RateLimitItemPerHour(LOG_INS_OF_NAME_BY_THE_HOUR, namespace="log-in-one"),
        )
        self._name = RateLimitItemPerHour(LOG_INS_OF_NAME_FROM_EVERYWHERE, namespace="log-in-name")
        self._key = RateLimitItemPerMinute(WRONG_KEYS_OF_ADDRESS, namespace="key-address")

    def log_in(self, address: str, name: str | None, *, device: str | None = None) -> int:
        """Count an attempt to log in, which is to be made only if there is nothing to wait for.

        Args:
            address: Where it comes from.
            name: Under which name; None where people log in with the server's key.
            device: The id of a browser that has logged in under this name before, None for any
                other. What others do, at whatever address, does not count for it.
        """
        if device is not None:
            return self._count(*((limit, ("device", device)) for limit in self._one))
        client = network(address)
        if name is None:
            return self._count((self._address, (client,)))
        # The name is hashed, since it is the client's and may be of any length.
        who = digest(name)
        # What the first limits stop does not count for the last: from one address, it is not met.
        return self._count(
            (self._address, (client,)),
            *((limit, (client, who)) for limit in self._one),
            (self._name, (who,)),
        )

    def logged_in(self, address: str, name: str, *, device: str | None = None) -> None:
        """Forget the attempts of one browser or address under a name: the last was right."""
        one = (network(address), digest(name)) if device is None else ("device", device)
        for limit in self._one:
            self._limiter.clear(limit, *one)

    def before_key(self, address: str) -> int:
        """Ask whether an address has sent too many wrong keys for another one to be answered."""
        client = network(address)
        return 0 if self._limiter.test(self._key, client) else self._seconds(self._key, client)

    def wrong_key(self, address: str) -> None:
        """Count a wrong key."""
        self._limiter.hit(self._key, network(address))

    def _count(self, *limits: tuple[RateLimitItem, tuple[str, ...]]) -> int:
        for limit, who in limits:
            if not self._limiter.hit(limit, *who):
                return self._seconds(limit, *who)
        return 0

    def _seconds(self, limit: RateLimitItem, *who: str) -> int:
        until = self._limiter.get_window_stats(limit, *who).reset_time
        return max(1, math.ceil(until - time.time()))


def network(address: str) -> str:
    """Return what counts as one client: an address of IPv4, or a network of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    kept = int(parsed) >> (128 - _NETWORK_BITS)
    return str(IPv6Address(kept << (128 - _NETWORK_BITS)))
