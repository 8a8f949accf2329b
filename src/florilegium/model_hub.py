"""Talks with a model hub: what a repository holds, and its files, resumed where they were cut off.

Knows which of the hub's answers means what to the user; no models and no records.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from huggingface_hub import constants, get_session, get_token
from huggingface_hub import errors as hub_errors

from florilegium.errors import WeightsNotFoundError
from florilegium.ids import sha256_file
from florilegium.models import is_inner_path

# The client has had more than one HTTP library; this name is its own for the errors of whichever.
TransportError: type[Exception] = hub_errors.HTTPError  # type: ignore[attr-defined]  # see above

INCOMPLETE_SUFFIX = ".incomplete"
COPY_A_BUNDLE = (
    "copy the model from a machine that can: `florilegium models bundle` there, "
    "`florilegium models pull FILE.tar` here."
)
_LISTING_TIMEOUT = 20.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """One file of a repository. Large files have a SHA-256 there, the others Git's `blob_id`."""

    path: str
    size: int
    sha256: str | None = None
    blob_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What a repository holds at one commit."""

    name: str
    commit: str
    files: tuple[HubFile, ...]
    licence: str | None = None


class ModelHub:
    """The model hub at `endpoint`, by default the one that the environment names."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = (endpoint or constants.ENDPOINT).rstrip("/")

    def list_repository(self, name: str, *, revision: str | None) -> Repository:
        """Return what the repository `name` holds at a revision, by default the newest.

        Raises:
            WeightsNotFoundError: The hub cannot be reached, or has no such thing for this user.
        """
        url = f"{self._endpoint}/api/models/{quote(name)}"
        what = "files yet"
        if revision is not None:
            url += f"/revision/{quote(revision, safe='')}"
            what = f"revision {revision!r}"
        _refuse_offline()
        try:
            response = get_session().get(
                url, params={"blobs": True}, headers=_headers(), timeout=_LISTING_TIMEOUT
            )
            _check_status(response, name=name, what=what)
            return _read_listing(name, response.json())
        except TransportError as error:
            raise self._unreachable(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsNotFoundError(
                f"What answers at {self._endpoint!r} is no model hub: its list of files cannot be "
                f"read ({error!s}).",
                hint="Mend or unset HF_ENDPOINT, and look whether a proxy asks for a login.",
            ) from error

    def fetch(
        self, repository: Repository, file: HubFile, target: Path, *, report: Callable[[int], None]
    ) -> None:
        """Put a file of a repository at `target`, going on with what is there of it.

        `report` gets how many bytes of it are there.

        Raises:
            WeightsNotFoundError: It cannot be fetched, or is not what the repository promised.
        """
        if target.is_file() and is_same(target, file):
            report(file.size)
            return
        incomplete = target.with_name(target.name + INCOMPLETE_SUFFIX)
        target.parent.mkdir(parents=True, exist_ok=True)
        incomplete.touch()
        if incomplete.stat().st_size > file.size:
            incomplete.write_bytes(b"")
        resumed = incomplete.stat().st_size > 0
        self._fetch_rest(repository, file, incomplete, report=report)
        if not is_same(incomplete, file):
            incomplete.unlink()
            if resumed:
                # What was there may have been the beginning of another revision of the file.
                self.fetch(repository, file, target, report=report)
                return
            raise WeightsNotFoundError(
                f"{file.path!r} of {repository.name!r} arrived damaged: its hash is not the one "
                "that was promised.",
                hint="Run it again; if that does not help, look what is between you and the hub.",
            )
        incomplete.replace(target)

    def _fetch_rest(
        self, repository: Repository, file: HubFile, part: Path, *, report: Callable[[int], None]
    ) -> None:
        place = quote(f"{repository.name}/resolve/{repository.commit}/{file.path}")
        url = f"{self._endpoint}/{place}"
        while (start := part.stat().st_size) < file.size:
            cut: Exception | None = None
            try:
                self._stream(url, repository.name, file, part, report=report)
            except TransportError as error:
                cut = error
            # A connection that brought bytes before it was cut is worth another.
            if part.stat().st_size <= start:
                raise self._unreachable(cut) from cut
        report(file.size)

    def _stream(
        self, url: str, name: str, file: HubFile, part: Path, *, report: Callable[[int], None]
    ) -> None:
        start = part.stat().st_size
        headers = _headers() | {"accept-encoding": "identity"}
        if start:
            headers["range"] = f"bytes={start}-"
        _refuse_offline()
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
            _check_status(response, name=name, what=f"file {file.path!r}")
            there = start if response.status_code == 206 else 0
            try:
                with part.open("r+b") as out:
                    out.truncate(there)
                    out.seek(there)
                    # As they come: larger pieces would be lost when the connection is cut.
                    for chunk in response.iter_bytes():
                        out.write(chunk)
                        there += len(chunk)
                        report(min(there, file.size))
                        if there > file.size:
                            break
            except OSError as error:
                raise _unwritable(part, error) from error

    def _unreachable(self, error: Exception | None) -> WeightsNotFoundError:
        reason = f": {error!s}" if error is not None and str(error) else ""
        return WeightsNotFoundError(
            f"The model hub at {self._endpoint!r} cannot be reached{reason}.",
            hint=f"Run it again when it can, which goes on where it stopped, or {COPY_A_BUNDLE}",
        )


def is_same(path: Path, file: HubFile) -> bool:
    """Return whether a file on disk is the one of the repository. Raises OSError."""
    if path.stat().st_size != file.size:
        return False
    if file.sha256 is not None:
        return sha256_file(path) == file.sha256
    return file.blob_id in {None, _git_blob_id(path)}


def _git_blob_id(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _read_listing(name: str, data: dict[str, Any]) -> Repository:
    files = [_read_file(entry) for entry in data["siblings"]]
    card = data.get("cardData") or {}
    licence = card.get("license")
    return Repository(
        name=name,
        commit=str(data["sha"]),
        files=tuple(file for file in files if is_inner_path(file.path)),
        licence=licence if isinstance(licence, str) else None,
    )


def _read_file(entry: dict[str, Any]) -> HubFile:
    large = entry.get("lfs") or {}
    return HubFile(
        path=str(entry["rfilename"]),
        size=int(large.get("size", entry["size"])),
        sha256=large.get("sha256"),
        blob_id=None if large else entry.get("blobId"),
    )


def _headers() -> dict[str, str]:
    # Not the hub client's own headers, which tell what else is installed and running here.
    headers = {"user-agent": f"florilegium/{version('florilegium')}"}
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return headers | ({"authorization": f"Bearer {token}"} if token else {})


def _refuse_offline() -> None:
    if constants.HF_HUB_OFFLINE:
        raise WeightsNotFoundError(
            "Nothing is fetched, since HF_HUB_OFFLINE is set.",
            hint=f"Unset it, or {COPY_A_BUNDLE}",
        )


def _check_status(response: Any, *, name: str, what: str) -> None:
    """Raise what an answer of the hub means to the user, unless it is a good one."""
    status, code = response.status_code, response.headers.get("x-error-code", "")
    if status < 400:
        return
    if code == "GatedRepo":
        raise WeightsNotFoundError(
            f"The repository {name!r} is open only to those who agreed to its terms.",
            hint="Agree to them on its page, and set HF_TOKEN to a token of your account.",
        )
    if code in {"RevisionNotFound", "EntryNotFound"}:
        raise WeightsNotFoundError(
            f"The repository {name!r} has no {what}.",
            hint="Look at its page for what there is, and choose with --revision.",
        )
    if code == "RepoNotFound" or status in {401, 403, 404}:
        raise WeightsNotFoundError(
            f"The model hub has no repository {name!r} that you may read.",
            hint="Mend the name; for a private one, set HF_TOKEN to a token of your account.",
        )
    raise WeightsNotFoundError(
        f"The model hub answered with status {status} when asked for {what} of {name!r}.",
        hint=f"Run it again later, which goes on where it stopped, or {COPY_A_BUNDLE}",
    )


def _unwritable(file: Path, error: OSError) -> WeightsNotFoundError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return WeightsNotFoundError(
        f"{str(file)!r} cannot be written: {error.strerror or error!s}.",
        hint="Free some disk space and run it again, which goes on where it stopped."
        if full
        else "Make the folder writable, or set FLORILEGIUM_MODELS_FOLDER to another one.",
    )
