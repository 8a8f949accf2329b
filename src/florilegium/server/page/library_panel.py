"""The library: how much is in it, what failed, ingest with its progress, and uploads."""

from __future__ import annotations

import io

from nicegui import events, ui

from florilegium.config import INDEX_FOLDER
from florilegium.errors import FlorilegiumError
from florilegium.library import Library
from florilegium.locking import is_written
from florilegium.parts import Statistics
from florilegium.report import FailedFile
from florilegium.server.ingest_jobs import Job
from florilegium.server.page.controls import (
    block,
    notice,
    primary_button,
    tell_error,
    weakly,
    words,
)
from florilegium.server.page.error_words import error_lines, lines_of
from florilegium.server.page.picture_input import REJECTED
from florilegium.server.page.visit import Visit

_EVERY = 0.7  # seconds between two looks at a run
_OTHERS_EVERY = 5.0  # seconds between two looks at whether another process writes
_SHOWN_FAILURES = 50
_MOST_FILES = 200
_COUNTS = ("added", "updated", "unchanged", "removed", "captioned")


class LibraryPanel:
    """Shows one library, and changes it where the user may."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._seen: Job | None = None
        self._others = block("fl-others", aria_live="polite")
        self._is_written = False
        self._shown: Statistics | None = None
        self._figures = block("fl-figures-place")
        with block("fl-work"):
            self._work()
        self._failures = block("fl-failures")
        self._spaces = block("fl-spaces")
        self._timer = ui.timer(_EVERY, self._look, active=False)
        self._slow_timer = ui.timer(_OTHERS_EVERY, self._look_at_others, active=False)

    @property
    def picture_target(self) -> int | None:
        """Return the id of the element that takes dropped files, if this user may upload."""
        return self._upload.id if self._upload is not None else None

    async def refresh(self) -> None:
        """Show the library as it is now."""
        visit = self._visit
        found: Statistics | FlorilegiumError
        try:
            found = await visit.service.statistics(visit.user, visit.library)
        except FlorilegiumError as error:
            found = error
        # Not before the wait: two at once would both fill them.
        for place in (self._figures, self._failures, self._spaces):
            place.clear()
        if isinstance(found, Statistics):
            self._show(found)
        else:
            with self._figures:
                notice("stopped", visit.say("library.nothing_yet"), *error_lines(visit.say, found))
        jobs = visit.service.jobs(visit.user, visit.library)
        if jobs:
            self._seen = jobs[0]
            self._show_job(jobs[0])

    def _show(self, statistics: Statistics) -> None:
        self._shown = statistics
        say = self._visit.say
        figures = (
            ("library.files", statistics.sources),
            ("library.pictures", statistics.images),
            ("library.texts", statistics.texts),
        )
        with self._figures, block("fl-figures"):
            for key, value in figures:
                with block("fl-figure-card"):
                    words(f"{value:,}", "fl-figure-value")
                    words(say(key), "fl-key")
        with self._failures:
            self._show_failures(statistics.failed)
        with self._spaces:
            words(say("library.encoders"), "fl-key")
            for space in statistics.spaces:
                with block("fl-space"):
                    words(space.name)
                    words(say("library.dimensions", count=space.dim), "fl-quiet fl-figure")

    def _show_failures(self, failed: tuple[FailedFile, ...]) -> None:
        if not failed:
            return
        words(f"{self._visit.say('library.failures')} ({len(failed)})", "fl-key")
        with block("fl-failed-files", tag="ul"):
            for file in failed[:_SHOWN_FAILURES]:
                with block("fl-failed-file", tag="li"):
                    words(file.path, "fl-path")
                    first, *more = error_lines(self._visit.say, file)
                    words(first)
                    for line in more:
                        words(line, "fl-quiet")

    def _work(self) -> None:
        visit, say = self._visit, self._visit.say
        self._upload: ui.upload | None = None
        if not visit.user.may_write:
            words(say("library.read_only"), "fl-quiet")
            self._job = block("fl-job")
            return
        with block("fl-ingest"):
            self._ingest = primary_button(say("library.ingest"), self._start, icon="sync")
            self._cancel = ui.button(say("library.cancel"), icon="stop", on_click=self._stop)
            self._cancel.props("flat no-caps").set_visibility(False)
            words(say("library.ingest_hint"), "fl-quiet")
        self._job = block("fl-job", aria_live="polite")
        if visit.service.config.uploads:
            self._uploads()
        else:
            words(say("library.uploads_off"), "fl-quiet")

    def _uploads(self) -> None:
        say, config = self._visit.say, self._visit.service.config
        limit = int(config.max_body_megabytes * 1_000_000 * 0.98)
        self._upload = ui.upload(
            label=say("library.upload"),
            multiple=True,
            auto_upload=True,
            max_file_size=limit,
            max_files=_MOST_FILES,
            on_upload=weakly(self._receive),
        )
        self._upload.on("rejected", weakly(self._reject), js_handler=REJECTED)
        # What became of a file is said below: the list would give a tick to all that arrived, and
        # would not take the same file again.
        self._upload.on(
            "uploaded",
            js_handler=f"() => getElement({self._upload.id}).$refs.qRef.removeUploadedFiles()",
        )
        self._upload.props("flat bordered").classes("fl-uploader")
        self._upload.props["aria-label"] = say("library.upload")
        self._uploaded = block("fl-uploaded", aria_live="polite")

    async def _receive(self, event: events.UploadEventArguments) -> None:
        visit = self._visit
        data = io.BytesIO(await event.file.read())
        try:
            found = await visit.service.upload(visit.user, visit.library, event.file.name, data)
        except FlorilegiumError as error:
            with self._uploaded:
                title = visit.say("library.refused", name=event.file.name)
                notice("failed", title, *error_lines(visit.say, error))
            return
        with self._uploaded:
            key = "library.uploaded" if found.is_new else "library.uploaded_before"
            words(visit.say(key, path=found.path))

    def _reject(self, event: events.GenericEventArguments) -> None:
        say, config = self._visit.say, self._visit.service.config
        for name, reason in event.args:
            if reason == "max-file-size":
                limit = f"{config.max_body_megabytes:g}"
                told = say("library.rejected", name=name, megabytes=limit)
            else:
                told = say("library.rejected_many", name=name, count=_MOST_FILES)
            ui.notify(told, type="negative")

    def _start(self) -> None:
        visit = self._visit
        try:
            job = visit.service.start_ingest(visit.user, visit.library)
        except FlorilegiumError as error:
            tell_error(visit.say, error)
            return
        self._seen = job
        if visit.service.config.uploads:
            self._uploaded.clear()  # it says to ingest what was uploaded
        self._show_job(job)

    def _stop(self) -> None:
        visit = self._visit
        try:
            if self._seen is not None:
                visit.service.cancel(visit.user, visit.library, self._seen.id)
        except FlorilegiumError as error:
            tell_error(visit.say, error)

    def watch(self, *, is_shown: bool) -> None:
        """Look at the runs, also those that others start, while the panel is shown."""
        self._timer.active = is_shown
        self._slow_timer.active = is_shown

    async def _look_at_others(self) -> None:
        """Say that another process writes, such as the command line; show what it has done."""
        visit = self._visit
        try:
            jobs = visit.service.jobs(visit.user, visit.library)
            if any(job.state == "running" for job in jobs):
                return
            is_written = await visit.service.look(visit.user, visit.library, _is_written)
            self._tell_of_others(is_written=is_written)
            if is_written:
                return
            statistics = await visit.service.statistics(visit.user, visit.library)
        except FlorilegiumError:  # the next thing that is done says so
            return
        if statistics != self._shown:
            await self.refresh()

    def _tell_of_others(self, *, is_written: bool) -> None:
        if is_written == self._is_written:
            return
        self._is_written = is_written
        self._others.clear()
        if is_written:
            say = self._visit.say
            with self._others:
                notice("stopped", say("library.written"), say("library.written_hint"))

    async def _look(self) -> None:
        visit = self._visit
        try:
            jobs = visit.service.jobs(visit.user, visit.library)
        except FlorilegiumError:  # it was taken away; the next thing that is done says so
            return
        if not jobs or jobs[0] == self._seen:
            return
        self._seen = jobs[0]
        self._show_job(jobs[0])
        if jobs[0].state != "running":
            await self.refresh()

    def _show_job(self, job: Job) -> None:
        say = self._visit.say
        running = job.state == "running"
        if self._visit.user.may_write:
            self._ingest.set_enabled(not running)
            self._cancel.set_visibility(running)
        self._job.clear()
        with self._job:
            if running:
                self._show_progress(job)
                return
            if job.error:
                code, message, hint = (
                    str(job.error.get(key) or "") for key in ("code", "message", "hint")
                )
                lines = lines_of(say, code=code, message=message, hint=hint)
                notice("failed", say("library.job_failed"), *lines)
                return
            words(say("library.job_done" if job.state == "done" else "library.job_cancelled"))
            if job.report:
                self._show_report(job.report)

    def _show_progress(self, job: Job) -> None:
        say = self._visit.say
        if not job.total:
            words(say("library.job_starting"))
            return
        words(say("library.job_running", done=job.done, total=job.total))
        # Reading is half of the way, so that the bar moves while many pictures are encoded at once.
        way = job.done if job.stage == "captions" else (job.read + job.done) / 2
        bar = ui.linear_progress(way / job.total, show_value=False).props(
            "rounded instant-feedback"
        )
        bar.props["aria-label"] = say("library.ingest")
        if job.path or job.stage == "captions":
            words(job.path, "fl-path")
        else:
            words(say(f"library.job_{job.step}", read=job.read), "fl-quiet")

    def _show_report(self, report: dict[str, object]) -> None:
        say = self._visit.say
        counts = [say(f"library.{name}", count=report[name]) for name in _COUNTS if report[name]]
        failed = report["failed"]
        if isinstance(failed, list) and failed:
            counts.append(say("library.failed", count=len(failed)))
        words(" · ".join(counts), "fl-quiet")


def _is_written(library: Library) -> bool:
    return is_written(library.root / INDEX_FOLDER)
