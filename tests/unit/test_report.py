"""The counts of a run add up."""

from __future__ import annotations

from florilegium.report import FailedFile, IngestReport, Progress


def test_a_report_without_numbers_says_nothing_happened() -> None:
    report = IngestReport()

    assert report.seen == 0
    assert not report.interrupted


def test_every_file_seen_is_counted_once() -> None:
    failed = (
        FailedFile(path="a.jpg", code="source_unreadable", message="It is cut off."),
        FailedFile(path="b.jpg", code="source_too_large", message="It is too large."),
    )

    report = IngestReport(added=1, updated=10, unchanged=100, failed=failed, remaining=1000)

    assert report.seen == 1 + 10 + 100 + 2 + 1000


def test_files_that_are_gone_or_of_other_kinds_are_not_seen() -> None:
    assert IngestReport(removed=3, ignored=4, encoded=5).seen == 0


def test_a_failure_needs_no_hint() -> None:
    failure = FailedFile(path="a.jpg", code="source_unreadable", message="It is cut off.")

    assert failure.hint is None


def test_progress_begins_without_failures() -> None:
    progress = Progress(done=0, total=3, path="a.jpg")

    assert (progress.failed, progress.seconds) == (0, 0.0)


def test_captions_count_no_files() -> None:
    failed = FailedFile(path="a.jpg", code="caption_refused", message="No caption.")

    report = IngestReport(added=3, captioned=1, caption_failures=(failed,), captions_left=1)

    assert report.seen == 3
    assert Progress(done=0, total=3, path="a.jpg").stage == "files"
