"""Errors have Chinese words by their codes, and keep their own as a detail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from florilegium.errors import FlorilegiumError, SourceGoneError
from florilegium.report import FailedFile
from florilegium.server.error_shapes import INTERNAL
from florilegium.server.page.error_words import CHINESE, error_lines, lines_of
from florilegium.server.page.texts import Say


def kinds(kind: type[FlorilegiumError]) -> Iterator[type[FlorilegiumError]]:
    for one in kind.__subclasses__():
        if one.__module__ == "florilegium.errors":
            yield one
            yield from kinds(one)


def test_each_code_that_a_page_can_show_has_chinese_words_and_no_other() -> None:
    codes = {kind.code for kind in kinds(FlorilegiumError)} | {str(INTERNAL["code"])}

    assert set(CHINESE) == codes
    assert list(CHINESE) == sorted(CHINESE)


@pytest.mark.parametrize("code", CHINESE)
def test_the_words_are_a_chinese_sentence(code: str) -> None:
    assert CHINESE[code].endswith("。")
    assert any("\u4e00" <= character <= "\u9fff" for character in CHINESE[code])


def test_in_chinese_the_words_of_the_code_come_first() -> None:
    error = SourceGoneError("'a.jpg' is gone.", hint="Ingest again.")

    assert error_lines(Say(language="zh"), error) == [
        CHINESE["source_gone"],
        "'a.jpg' is gone.",
        "Ingest again.",
    ]
    assert error_lines(Say(language="en"), error) == ["'a.jpg' is gone.", "Ingest again."]


def test_a_failed_file_and_an_error_of_another_package_are_told_too() -> None:
    file = FailedFile(path="a.jpg", code="source_unreadable", message="It is cut off.")
    say = Say(language="zh")

    assert error_lines(say, file) == [CHINESE["source_unreadable"], "It is cut off."]
    assert lines_of(say, code="theirs", message="No.", hint=None) == ["No."]
