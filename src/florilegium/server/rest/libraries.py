"""Routes that tell of libraries, ingest them, and take files into them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Body, Depends, File, Path, Request, Response, UploadFile

from florilegium.errors import InvalidRequestError, UnsupportedBodyError
from florilegium.server.rest.answers import (
    FailedBody,
    HealthBody,
    JobBody,
    LibraryBody,
    StatisticsBody,
    UploadedBody,
)
from florilegium.server.rest.requests import IngestBody
from florilegium.server.rest.routes import (
    ERRORS,
    LibraryName,
    Responses,
    TheService,
    TheUser,
)

router = APIRouter(prefix="/api", tags=["libraries"], responses=ERRORS)

_LOCKED: Responses = {
    423: {"model": ERRORS[422]["model"], "description": "A run is at work already."}
}
_UPLOAD: Responses = {
    200: {"model": UploadedBody, "description": "The very same file was there already."},
    201: {"model": UploadedBody, "description": "The file is in the folder."},
    415: {
        "model": ERRORS[422]["model"],
        "description": "Such files are not read here, or the body is no form.",
    },
    507: {"model": ERRORS[422]["model"], "description": "There is no room on the disk."},
}
_FORM = "multipart/form-data"
JobId = Annotated[str, Path(description="The id of a run.")]


@router.get("/health", tags=["server"], response_description="It is up.")
async def health() -> HealthBody:
    """Say that the server is up; for load balancers, and open to everybody."""
    return HealthBody(status="ok", version=version("florilegium"))


@router.get("/libraries", response_description="The libraries.")
async def libraries(service: TheService, user: TheUser) -> list[LibraryBody]:
    """List the libraries that the user sees."""
    return [LibraryBody.of(served) for served in service.libraries(user)]


@router.get("/libraries/{library}", response_description="What is in it.")
async def library(library: LibraryName, service: TheService, user: TheUser) -> StatisticsBody:
    """Count what is in a library."""
    served = service.served(library, user)
    found = await service.statistics(user, library)
    return StatisticsBody(
        name=served.name,
        title=served.title,
        sources=found.sources,
        images=found.images,
        texts=found.texts,
        encoders=[space.name for space in found.spaces],
        failed=[FailedBody.of(file) for file in found.failed],
    )


@router.post(
    "/libraries/{library}/ingest",
    status_code=202,
    response_description="The run, which has begun.",
    responses=_LOCKED,
)
async def ingest(
    library: LibraryName,
    body: Annotated[IngestBody, Body(default_factory=IngestBody)],
    service: TheService,
    user: TheUser,
) -> JobBody:
    """Begin to make the index agree with the folder; searches go on meanwhile."""
    job = service.start_ingest(user, library, rebuild=body.rebuild, allow_empty=body.allow_empty)
    return JobBody.of(job)


@router.get("/libraries/{library}/ingest", response_description="The runs.")
async def jobs(library: LibraryName, service: TheService, user: TheUser) -> list[JobBody]:
    """List the last runs of ingest that this server began, the newest first."""
    return [JobBody.of(job) for job in service.jobs(user, library)]


@router.get("/libraries/{library}/ingest/{job}", response_description="The run.")
async def job(library: LibraryName, job: JobId, service: TheService, user: TheUser) -> JobBody:
    """Say how far a run of ingest is."""
    return JobBody.of(service.job(user, library, job))


@router.delete(
    "/libraries/{library}/ingest/{job}",
    status_code=202,
    response_description="The run, which ends soon.",
)
async def cancel(library: LibraryName, job: JobId, service: TheService, user: TheUser) -> JobBody:
    """End a run of ingest after the file at hand; what it has done stays done."""
    service.cancel(user, library, job)
    return JobBody.of(service.job(user, library, job))


def _takes_form(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise UnsupportedBodyError(
            "The body is no form.", hint=f"Send the file as `file` in a body of the type {_FORM}."
        )


@router.post(
    "/libraries/{library}/files",
    status_code=201,
    dependencies=[Depends(_takes_form)],
    response_description="Where it lies now.",
    responses=_UPLOAD,
)
async def upload(
    library: LibraryName,
    file: Annotated[UploadFile, File(description="The file; of its name, the last part counts.")],
    request: Request,
    response: Response,
    service: TheService,
    user: TheUser,
) -> UploadedBody:
    """Put one file into the folder of a library; the next ingest finds it.

    A file that is there already stays as it is, and the new one gets a number; the very same file
    is not kept twice.
    """
    form = await request.form()
    if others := sorted(set(form) - {"file"}):
        raise InvalidRequestError(
            f"There is no field {others[0][:100]!r} in an upload.", hint="Send `file` alone."
        )
    given = form.getlist("file")
    if len(given) > 1:
        raise InvalidRequestError(
            f"The request has {len(given)} files, but one is taken at a time.",
            hint="Send a request for each of them.",
        )
    found = await service.upload(user, library, file.filename or "", file.file)
    if not found.is_new:
        response.status_code = 200
    return UploadedBody(path=found.path)
