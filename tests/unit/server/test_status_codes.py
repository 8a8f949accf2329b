"""The table of HTTP statuses is complete."""

from __future__ import annotations

from florilegium import errors
from florilegium.errors import FlorilegiumError
from florilegium.server.status_codes import STATUS_CODES, status_code


def test_each_error_has_a_status() -> None:
    classes = {
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, FlorilegiumError)
    }

    assert set(STATUS_CODES) == classes
    assert all(400 <= status < 600 for status in STATUS_CODES.values())


def test_an_error_of_another_package_has_the_status_of_its_parent() -> None:
    class OtherError(errors.ChatTimeoutError):
        """Of a plugin."""

    assert status_code(OtherError("late")) == 504
