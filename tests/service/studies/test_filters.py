"""Lists of studies: every filter, every order, and pages that miss nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.db import utcnow
from service.db.tables.keys import KeyRow
from service.db.tables.studies import StudyRow
from service.keys.model import Role
from service.studies import creating, queries
from service.studies.model import Details, StudyFilter, StudyOrder
from tests.service import work


@pytest.fixture
def owned(database):
    """Add a key of that name; returns its id."""

    def add(name: str) -> str:
        with database.write() as session:
            session.add(
                KeyRow(id=name, name=name, hash=name, role=Role.SUBMITTER, created_at=utcnow())
            )
        return name

    return add


def test_by_state_several_are_either(api, database, study):
    done = api.send(study())
    work.train(database, done)
    queued, cancelled = api.send(study(seeds=[5])), api.send(study(seeds=[6]))
    api("POST", f"/{cancelled}/cancel")
    assert api.listed(state="done") == [done]
    assert api.listed(state=["done", "queued"]) == [queued, done]
    assert api.listed(state=["cancelled", "cancelled"]) == [cancelled]


def test_by_task_and_optimizer(api, study, search):
    mlp = api.send(study(optimizers=["adamw", {"name": "adam-l2", "label": "mine"}]))
    cnn = api.send(study(task="digits-cnn"))
    searched = api.send(search(optimizers=["adam-l2", {"name": "adamw", "label": "other"}]))
    assert api.listed(task="digits-cnn") == [cnn]
    assert api.listed(optimizer="mine") == [mlp]
    assert api.listed(optimizer="adam-l2") == [searched, mlp]
    assert api.listed(optimizer="other") == [searched]
    assert api.listed(optimizer="adamw", task="digits-mlp") == [searched, mlp]
    assert api.listed(optimizer="adam") == api.listed(optimizer='adamw"') == []


def test_by_tags_all_of_them(api, study):
    both = api.send(study(tags=["paper", "night"]))
    one = api.send(study(tags=["paper"]))
    api.send(study())
    assert api.listed(tag="paper") == [one, both]
    assert api.listed(tag=["paper", "night"]) == [both]
    assert api.listed(tag="pape") == []


def test_by_owner(api, database, study, owned):
    with database.write() as session:
        mine = creating.create(session, work.spec_of(study()), Details(owner_id=owned("alice")))
    api.send(study())
    assert api.listed(owner="alice") == [mine]
    assert api.listed(owner="bob") == []
    assert api.read(mine)["owner"] == "alice"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("WIDE", ["name"]),
        ("figure 3", ["note"]),
        ("100%", ["percent"]),
        ("%", ["percent"]),
        ("_", ["underscore"]),
        ("\\", ["backslash"]),
        ("größe", ["umlaut"]),
        ("'", []),
        ("%%", []),
    ],
)
def test_by_text_as_it_stands(api, study, text, found):
    ids = {
        "name": api.send(study(name="A wide one")),
        "note": api.send(study(name="b", note="For\nFIGURE 3")),
        "percent": api.send(study(name="at 100%")),
        "underscore": api.send(study(name="a_b")),
        "backslash": api.send(study(name="a\\b")),
        "umlaut": api.send(study(name="Größe")),
    }
    assert api.listed(q=text) == [ids[name] for name in found]
    assert api.listed(q=ids["name"][2:9].upper()) == [ids["name"]]


def test_by_the_time_of_sending(api, study):
    first, second = api.send(study()), api.send(study())
    sent = api.read(second)["created_at"]
    assert api.listed(created_after=sent) == [second]
    assert api.listed(created_before=sent) == [first]
    assert api.listed(created_after="2000-01-01T00:00:00Z") == [second, first]
    elsewhere = datetime.fromisoformat(sent).astimezone().isoformat()
    assert api.listed(created_after=elsewhere) == [second]


def test_every_order_through_every_page(api, study):
    names = ["b", "a", "C", "a", "ä"]
    ids = [
        api.send(study(name=name, priority=priority))
        for name, priority in zip(names, [0, 5, -5, 0, 5], strict=True)
    ]
    for limit in (1, 2, 5):
        assert api.listed(limit=limit) == ids[::-1]
        assert api.listed(limit=limit, order="oldest") == ids
        assert api.listed(limit=limit, order="priority") == [ids[n] for n in (4, 1, 3, 0, 2)]
        assert sorted(api.listed(limit=limit, order="name")) == sorted(ids)
    by_name = [api.read(one)["name"] for one in api.listed(order="name")]
    assert [name for name in by_name if name in "ab"] == ["a", "a", "b"]


def test_a_cursor_is_for_one_order(api, study):
    for _ in range(2):
        api.send(study())
    cursor = api("GET", "", params={"limit": 1})["next_cursor"]
    problem = api.refused("GET", "", 422, params={"cursor": cursor, "order": "name"})
    assert problem["errors"][0]["field"] == "cursor"


NAMES = st.text("aB%_ü", min_size=1, max_size=3)
SENT = st.tuples(NAMES, st.integers(-2, 2), st.sets(st.sampled_from(["x", "y"])), st.integers(0, 3))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _write(session, spec, number, one):
    name, priority, tags, second = one
    details = Details(priority=priority, tags=tuple(sorted(tags)))
    study_id = creating.create_search(session, spec, details)
    row = session.get(StudyRow, study_id)
    row.name = name
    row.created_at = NOW + timedelta(seconds=second)
    return study_id


@given(
    there=st.lists(SENT, max_size=7),
    later=st.lists(SENT, max_size=7),
    order=st.sampled_from(StudyOrder),
    tag=st.sampled_from([None, "x"]),
    limit=st.integers(1, 3),
)
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_pages_together_are_the_whole_list_while_others_send(
    database, search, there, later, order, tag, limit
):
    from tests.service.search.points import spec_of

    spec = spec_of(search())
    wanted = StudyFilter(order=order, tags=(tag,) if tag else ())
    with database.write() as session:
        for row in session.query(StudyRow):
            session.delete(row)
        before = [_write(session, spec, n, one) for n, one in enumerate(there)]
        matching = [
            study_id
            for study_id, one in zip(before, there, strict=True)
            if tag is None or tag in one[2]
        ]
    with database.read() as session:
        whole = [one.id for one in queries.page(session, wanted, limit=200).items]
    assert sorted(whole) == sorted(matching)
    seen, cursor, to_come = [], None, list(later)
    while True:
        with database.read() as session:
            page = queries.page(session, wanted, cursor=cursor, limit=limit)
        seen += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        if to_come:
            with database.write() as session:
                _write(session, spec, 0, to_come.pop())
    assert len(set(seen)) == len(seen)
    assert [one for one in seen if one in before] == whole
