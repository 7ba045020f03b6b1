"""Many listeners, one look: all are told of everything, and the database is asked once."""

import asyncio

from sqlalchemy import event

from service.db import Database
from service.db.tables.studies import EventRow
from service.events import watcher as watching
from service.events.repository import announce
from service.events.watcher import Watcher
from service.studies.repository import cancel
from tests.service import work

LISTENERS = 200
MOST = 10
"""Statements that a look may take, however many listen."""


async def follow(watcher, study_id, last=0):
    """Listen as an event stream does; returns the parts told, in order."""
    told = []
    async with watcher.listen(study_id) as channel:
        while True:
            fresh = channel.after(last)
            if fresh:
                told += [part for one in fresh for part in one.parts]
                last = fresh[-1].id
            elif fresh is not None and channel.final:
                return told
            elif channel.base is not None and fresh is None:
                last = channel.base
            else:
                await channel.wait()


def test_all_listeners_are_told_by_one_who_looks(database, sent, monkeypatch):
    monkeypatch.setattr(watching, "LOOK_EVERY", 0.02)
    study_id, other = sent(), sent(seeds=[7])
    looks, asked = [], []
    event.listen(database.engine, "before_cursor_execute", lambda *_: asked.append(1))
    look = watching.look
    monkeypatch.setattr(watching, "look", lambda *given: looks.append(1) or look(*given))
    others = Database(database.address)
    steps = [f"panel:{number}" for number in range(5)]

    async def scene():
        watcher = Watcher(database)
        listeners = [asyncio.create_task(follow(watcher, study_id)) for _ in range(LISTENERS)]
        bystander = asyncio.create_task(follow(watcher, other))
        while watcher._channels.get(study_id, watching.Channel()).base is None:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(change)
        told = await asyncio.gather(*listeners)
        assert other in watcher._channels
        assert study_id not in watcher._channels
        bystander.cancel()
        await watcher.close()
        return told

    def change():
        for step in steps:
            with others.write() as session:
                announce(session, study_id, [step])
        with others.write() as session:
            cancel(session, study_id)

    told = asyncio.run(scene())
    assert told == [[*steps, "header"]] * LISTENERS
    assert len(asked) <= MOST * len(looks), "not one by one"
    others.close()


def test_more_than_is_remembered_is_told_as_too_long_ago():
    channel = watching.Channel()
    channel.take(watching.News(5, (), False))
    events = tuple(watching.Event(n, ("header",)) for n in range(6, 8 + watching.REMEMBERED))
    channel.take(watching.News(events[-1].id, events, False))
    assert channel.after(5) is None
    assert channel.after(7) == list(events[2:])
    assert channel.after(events[-1].id) == []


def test_what_one_look_leaves_over_the_next_brings(database, sent):
    study_id = sent()
    with database.write() as session:
        session.add_all(
            EventRow(study_id=study_id, parts=[str(n)], created_at=work.utcnow())
            for n in range(1005)
        )
        cancel(session, study_id)
    first = watching.look(database, {study_id: 0}, [])[study_id]
    assert (len(first.events), first.final) == (1000, False)
    rest = watching.look(database, {study_id: first.newest}, [])[study_id]
    assert (len(rest.events), rest.final) == (6, True)
    gone = watching.look(database, {"nothing": 3}, [])["nothing"]
    assert (gone.newest, gone.final) == (3, True)


def test_a_database_that_is_away_is_waited_for(sqlite_url, monkeypatch):
    monkeypatch.setattr(watching, "LOOK_EVERY", 0.02)
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    here = Database(sqlite_url)

    async def scene():
        watcher = Watcher(away)
        listening = asyncio.create_task(follow(watcher, "nothing"))
        await asyncio.sleep(0.2)
        assert not listening.done()
        watcher._database = here
        assert await listening == []
        await watcher.close()

    asyncio.run(scene())
    here.close()
    away.close()
