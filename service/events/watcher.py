"""Looks into the database for all who listen to studies: one look serves everyone.

A channel for each study that somebody listens to holds what happened since; listeners read it from
memory and wait for more. Only who comes back after a while reads the database on its own.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from service.db import Database
from service.db.tables.studies import EventRow, StudyRow
from service.events.repository import Event, since

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks."""
REMEMBERED = 1000
"""Events of a study that are kept for listeners that are slow to take them."""
AT_ONCE = 500


@dataclass(frozen=True)
class News:
    """What a look found of one study."""

    newest: int
    """Number of its last event."""
    events: tuple[Event, ...]
    """Those after the newest known before, oldest first; none on the first look."""
    final: bool
    """Whether nothing more will come after these."""


@dataclass
class Channel:
    """What happened in one study since somebody listens."""

    base: int | None = None
    """Events up to this number are not here; None before the first look."""
    newest: int = 0
    final: bool = False
    listeners: int = 0
    _events: deque[Event] = field(default_factory=deque)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def after(self, last: int) -> list[Event] | None:
        """Return the events after a number; None where this channel does not reach back so far."""
        if self.base is None or last < self.base:
            return None
        return [event for event in self._events if event.id > last]

    def take(self, news: News) -> None:
        """Take in what a look found, and wake listeners where that is anything new."""
        if self.base is None:
            self.base = news.newest
        changed = bool(news.events) or news.final is not self.final
        self._events.extend(news.events)
        while len(self._events) > REMEMBERED:
            self.base = self._events.popleft().id
        self.newest = max(self.newest, news.newest)
        self.final = news.final
        if changed:
            self._changed.set()
            self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Wait for something new, but not for much longer than until the next look."""
        try:
            await asyncio.wait_for(self._changed.wait(), 2 * LOOK_EVERY)
        except TimeoutError:
            return


class Watcher:
    """The one that looks. It does so while anybody listens."""

    def __init__(self, database: Database) -> None:
        """Prepare to look into `database`."""
        self._database = database
        self._channels: dict[str, Channel] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    @asynccontextmanager
    async def listen(self, study_id: str) -> AsyncIterator[Channel]:
        """Listen to a study for the length of a block."""
        channel = self._channels.setdefault(study_id, Channel())
        channel.listeners += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())
        try:
            yield channel
        finally:
            channel.listeners -= 1
            if not channel.listeners:
                self._channels.pop(study_id, None)

    async def close(self) -> None:
        """Look no more. A look that has begun is waited for: it holds a connection."""
        self._closing.set()
        if self._looking is not None:
            await asyncio.wait([self._looking])
            self._looking = None

    async def _look_on(self) -> None:
        """Look again and again, until nobody listens."""
        while self._channels and not self._closing.is_set():
            known = {one: channel.newest for one, channel in self._channels.items()}
            fresh = {one for one, channel in self._channels.items() if channel.base is None}
            try:
                found = await run_in_threadpool(look, self._database, known, fresh)
            except SQLAlchemyError as error:
                logger.warning("events cannot be read, trying again: %s", type(error).__name__)
                found = {}
            for study_id, news in found.items():
                channel = self._channels.get(study_id)
                # Not one that somebody began to listen to since, after everyone had left it.
                if channel is not None and (channel.base is None) == (study_id in fresh):
                    channel.take(news)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), LOOK_EVERY)


def look(database: Database, known: Mapping[str, int], fresh: Iterable[str]) -> dict[str, News]:
    """Return the news of studies: number of the last event known of each, and those seen first."""
    found: dict[str, News] = {}
    ids, first = list(known), set(fresh)
    newest = (
        select(func.max(EventRow.id))
        .where(EventRow.study_id == StudyRow.id)
        .correlate(StudyRow)
        .scalar_subquery()
    )
    for start in range(0, len(ids), AT_ONCE):
        chunk = ids[start : start + AT_ONCE]
        query = select(StudyRow.id, StudyRow.state, newest).where(StudyRow.id.in_(chunk))
        with database.read() as session:
            rows = {one: (state, last or 0) for one, state, last in session.execute(query)}
            for study_id in chunk:
                if study_id not in rows:  # deleted
                    found[study_id] = News(known[study_id], (), True)
                    continue
                state, last = rows[study_id]
                more = study_id not in first and last > known[study_id]
                events = tuple(since(session, study_id, known[study_id])) if more else ()
                told = events[-1].id if events else last
                found[study_id] = News(told, events, state.final and told == last)
    return found
