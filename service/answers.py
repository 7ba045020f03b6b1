"""Answers that depend on the state of studies alone: made once, kept as bytes, sent many times.

Looking at a kept answer costs one number from the database, which `Revisions` reads for many
requests at once. Whatever is made is made in a thread, and by one of those who want it.
"""

import asyncio
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from service.conditional import Representation, known, represent, send, send_file, tag, unchanged
from service.db import Database
from service.errors import NotFoundError
from service.events.revisions import Revisions, revisions

KEPT = 24 * 1024 * 1024
"""Bytes of all kept answers together."""
LARGEST = KEPT // 3
"""Bytes of an answer that is kept."""

State = tuple[tuple[str, int], ...]
"""Studies, each with the number of its last event."""


@dataclass(frozen=True)
class Kind:
    """A form in which something about studies is sent."""

    name: str
    """Tells it from others; with it a downloaded file's name ends."""
    media_type: str
    compress: bool = True
    """Whether compression pays: not for pictures and other files that are compressed already."""


class Answers:
    """Makes, keeps and sends answers."""

    def __init__(self, database: Database, kept: int = KEPT) -> None:
        """Read from `database`; keep `kept` bytes at most."""
        self._database = database
        self._revisions = Revisions(database)
        self._most = kept
        self._kept: OrderedDict[tuple[object, ...], tuple[State, Representation]] = OrderedDict()
        self._size = 0
        self._making: dict[tuple[object, ...], asyncio.Task[tuple[State, Representation]]] = {}

    async def give(
        self,
        request: Request,
        kind: Kind,
        study_ids: Sequence[str],
        parameters: tuple[object, ...],
        make: Callable[[Session], Callable[[], bytes] | bytes],
    ) -> Response:
        """Answer a request about studies.

        Args:
            request: What is answered.
            kind: The form.
            study_ids: All studies that the answer says something of.
            parameters: Whatever else determines it.
            make: Reads what it takes in a session, and returns the bytes, or what makes them once
                the session is closed. Called in a thread.

        Raises:
            NotFoundError: A study does not exist.
        """
        state = await self._state(study_ids)
        about = (kind.name, tuple(study_ids), parameters)
        same = known(request, tag(about, state))
        if same is not None:
            return unchanged(same)
        found = self._kept.get(about)
        if found is not None and found[0] == state:
            self._kept.move_to_end(about)
            return send(request, found[1])
        found = await self._made(about, kind, make)
        if _older(found[0], state):  # made for someone who asked before: what comes next is not
            found = await self._made(about, kind, make)
        return send(request, found[1])

    async def give_file(
        self,
        request: Request,
        kind: Kind,
        study_id: str,
        write: Callable[[Path], int],
    ) -> Response:
        """Answer with something large about a study: it goes through a file, and is not kept.

        Args:
            request: What is answered.
            kind: The form.
            study_id: The study.
            write: Writes the file and returns the number of the study's last event, as of what it
                wrote. Called in a thread.

        Raises:
            NotFoundError: The study does not exist.
        """
        about = (kind.name, (study_id,), ())
        same = known(request, tag(about, await self._state([study_id])))
        if same is not None:
            return unchanged(same)
        number, file = await run_in_threadpool(_written, write)
        etag = tag(about, ((study_id, number),))
        name = _filename(kind, [study_id])
        return send_file(file, kind.media_type, etag, name, weak=kind.compress)

    async def _state(self, study_ids: Sequence[str]) -> State:
        numbers = await asyncio.gather(*map(self._revisions.current, study_ids))
        return _complete(study_ids, numbers)

    async def _made(
        self, about: tuple[object, ...], kind: Kind, make: Callable[[Session], object]
    ) -> tuple[State, Representation]:
        """Make an answer, or wait for whoever makes it."""
        task = self._making.get(about)
        if task is None:
            task = asyncio.create_task(self._make(about, kind, make))
            self._making[about] = task
            task.add_done_callback(lambda _: self._making.pop(about, None))
        return await asyncio.shield(task)

    async def _make(
        self, about: tuple[object, ...], kind: Kind, make: Callable[[Session], object]
    ) -> tuple[State, Representation]:
        found = await run_in_threadpool(self._build, about, kind, make)
        self._keep(about, found)
        return found

    def _build(
        self, about: tuple[object, ...], kind: Kind, make: Callable[[Session], object]
    ) -> tuple[State, Representation]:
        study_ids = about[1]
        assert isinstance(study_ids, tuple)  # noqa: S101 - `give` puts it there
        with self._database.read() as session:
            numbers = revisions(session, study_ids)
            state = _complete(study_ids, [numbers.get(one) for one in study_ids])
            made = make(session)
        body = made() if callable(made) else made
        assert isinstance(body, bytes)  # noqa: S101 - as `give` asks for
        etag, filename = tag(about, state), _filename(kind, study_ids)
        return state, represent(body, kind.media_type, etag, filename, compress=kind.compress)

    def _keep(self, about: tuple[object, ...], found: tuple[State, Representation]) -> None:
        old = self._kept.pop(about, None)
        if old is not None:
            self._size -= old[1].size
        if found[1].size > LARGEST:
            return
        self._kept[about] = found
        self._size += found[1].size
        while self._size > self._most:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._size -= dropped.size


def _filename(kind: Kind, study_ids: Sequence[str]) -> str:
    return f"study-{'-'.join(study_ids)}.{kind.name}"


def _written(write: Callable[[Path], int]) -> tuple[int, BinaryIO]:
    """Have a file written; return what that returned, and the file, which is gone once closed."""
    with tempfile.TemporaryDirectory(prefix="lpwd-") as folder:
        path = Path(folder) / "file"
        number = write(path)
        return number, path.open("rb")


def _older(state: State, than: State) -> bool:
    """Tell whether an answer was made before a state that is asked for."""
    return any(number < wanted for (_, number), (_, wanted) in zip(state, than, strict=True))


def _complete(study_ids: Sequence[str], numbers: Sequence[int | None]) -> State:
    for study_id, number in zip(study_ids, numbers, strict=True):
        if number is None:
            raise NotFoundError(
                f"there is no study {study_id[:64]!r}; GET /api/v1/studies lists them"
            )
    return tuple(zip(study_ids, (number or 0 for number in numbers), strict=True))
