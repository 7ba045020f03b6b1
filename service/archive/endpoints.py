"""`/studies/{id}/archive` and `/studies/import`."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from service.access.identity import IdentityOf
from service.answers import Kind
from service.app_state import AnswersOf, DatabaseOf, RendererOf, SettingsOf
from service.archive.errors import ArchiveTooLargeError, ArchiveTooSlowError
from service.archive.schemas import ImportAnswer
from service.archive.storing import Imported, load
from service.archive.writing import require_ended, write
from service.conditional import NOT_CHANGED
from service.errors import UnsupportedMediaTypeError
from service.heatmaps.endpoints import content
from service.problems import NO_ROOM, PROBLEMS
from service.request_log import MADE

router = APIRouter(prefix="/studies", tags=["archive"], responses=PROBLEMS)

ARCHIVE = Kind("lpwd.zip", "application/zip", compress=False)
ZIP = ("application/zip", "application/x-zip-compressed", "application/octet-stream")
"""What the body of an import may be said to be."""
SLOWEST = 600.0
"""Seconds that an archive may take to come."""
STATE: dict[int | str, dict[str, Any]] = {
    409: {**PROBLEMS[422], "description": "Not possible in the study's present state"}
}
HERE: dict[int | str, dict[str, Any]] = {
    409: {**PROBLEMS[422], "description": "The study is here already"},
    413: {**PROBLEMS[422], "description": "The archive is larger than this installation takes"},
}
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get(
    "/{study_id}/archive",
    response_class=Response,
    responses={**NOT_CHANGED, **STATE, **NO_ROOM, **content(ARCHIVE, "A study as one file")},
)
async def archive(
    request: Request, study_id: str, answers: AnswersOf, database: DatabaseOf, renderer: RendererOf
) -> Response:
    """Return a study that has ended, with its trials, curves and points, as one file.

    `POST /api/v1/studies/import` of another installation reads it. The same study makes the same
    bytes.
    """

    def written(path: Path) -> int:
        with database.read() as session:
            require_ended(session, study_id)
        return renderer.aside(write, database.address, study_id, path)

    return await answers.give_file(request, ARCHIVE, study_id, written)


@router.post(
    "/import",
    status_code=201,
    response_model=ImportAnswer,
    responses=HERE,
    openapi_extra=BODY,
)
async def import_study(
    request: Request,
    database: DatabaseOf,
    renderer: RendererOf,
    settings: SettingsOf,
    identity: IdentityOf,
) -> Response:
    """Read an archive, the body of the request, and add its study with all that is known of it.

    Trials that have a result here keep it; where the archive has another, the answer says so. What
    is wrong in any part is refused as a whole, and nothing is written. Results count for all
    studies that share the trials, so importing takes an admin's key, and trust in whoever trained.
    """
    _refuse_other_media_types(request)
    with _temporary() as (file, path):
        try:
            async with asyncio.timeout(SLOWEST):
                await _receive(request, file, settings.max_import_bytes)
        except TimeoutError as error:
            raise ArchiveTooSlowError(
                f"the archive has not come within {SLOWEST:g} s; send it again from nearer by"
            ) from error
        found: Imported = await run_in_threadpool(
            renderer.aside,
            _load,
            database.address,
            path,
            settings.max_trials,
            identity.key_id,
        )
    setattr(request.state, MADE, found.study_id)
    answer = ImportAnswer.model_validate(found)
    location = str(request.url_for("read_study", study_id=found.study_id).path)
    return JSONResponse(
        answer.model_dump(mode="json"), status_code=201, headers={"Location": location}
    )


def _load(url: str, path: Path, max_trials: int, owner_id: str | None) -> Imported:
    return load(url, path, max_trials=max_trials, owner_id=owner_id)


def _refuse_other_media_types(request: Request) -> None:
    kind = request.headers.get("content-type", ZIP[0]).partition(";")[0].strip().lower()
    if kind not in ZIP:
        raise UnsupportedMediaTypeError(
            f"the body is said to be {kind[:80]!r}: send an archive of a study, with Content-Type: "
            f"{ZIP[0]}"
        )


@contextmanager
def _temporary() -> Iterator[tuple[BinaryIO, Path]]:
    with tempfile.NamedTemporaryFile(prefix="lpwd-import-") as file:
        yield file, Path(file.name)  # type: ignore[misc]


async def _receive(request: Request, file: BinaryIO, most: int) -> None:
    """Write a request's body to a file as it comes."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise ArchiveTooLargeError(
                f"the archive is larger than the {most:,} bytes this installation takes "
                "(LPWD_MAX_IMPORT_BYTES)"
            )
        file.write(piece)
    file.flush()
