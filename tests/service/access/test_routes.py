"""Every route, with every role and every state of a key."""

import re

import pytest
from fastapi.routing import iter_route_contexts

from service.access.rules import READING, RULES, rule_of
from service.db.tables.studies import StudyRow
from service.keys import repository
from service.keys.model import Role
from service.keys.tokens import new_id, new_secret, token
from tests.service import work
from tests.service.work import bearer

OPEN = {"/healthz", "/readyz", "/static/lpwd.css", "/login", "/logout"}


def everything(app):
    """Yield method and path of every route there is, pages, files and the document included."""
    for route in iter_route_contexts(app.routes):
        for method in sorted(route.methods or {"GET"}):
            if method != "HEAD":
                yield method, route.path if route.methods else f"{route.path}/lpwd.css"


def wanted(method, path):
    """Which role a route is for, and whether for the study's owner: said here once more."""
    if path in OPEN:
        return None, False
    api = path.removeprefix("/api/v1")
    if api.startswith("/keys") and api != "/keys/me":
        return Role.ADMIN, False
    if api.startswith("/webhooks"):
        return Role.SUBMITTER, False
    if method in READING:
        return Role.READER, False
    if api == "/studies/import":
        return Role.ADMIN, False
    if api.startswith("/studies"):
        return Role.SUBMITTER, "{study_id}" in path and not path.endswith("/clone")
    return Role.ADMIN, False


@pytest.fixture
def holders(made):
    """One key of each state and role: what to send, and the role it has; None where it opens
    nothing."""
    right = {role: made(f"the {role}", role) for role in Role}
    right_id, wrong_id = right[Role.ADMIN].key.id, new_id()
    nothing = {
        "no key": {},
        "malformed": bearer("lpwd_x_y"),
        "empty": {"Authorization": ""},
        "another scheme": {"Authorization": "Basic YWRtaW46YWRtaW4="},
        "unknown": bearer(token(wrong_id, new_secret())),
        "another secret": bearer(token(right_id, new_secret())),
        "expired": bearer(made("an expired one", Role.ADMIN, expired=True).token),
        "revoked": bearer(made("a revoked one", Role.ADMIN, revoked=True).token),
        "a cookie of nobody": {"Cookie": f"lpwd_session={new_secret()}"},
    }
    return {name: (headers, None) for name, headers in nothing.items()} | {
        role: (bearer(key.token), role) for role, key in right.items()
    }


def test_every_route_wants_what_it_should(guarded, database, study, holders, made):
    own = database_id(database, "the submitter")
    stranger = made("a stranger", Role.SUBMITTER).key.id
    lasting = {owner: sent(database, study, owner) for owner in (own, stranger)}
    checked = 0
    for method, path in everything(guarded.app):
        needed, owned = wanted(method, path)
        for name, (headers, role) in holders.items():
            if needed is None:
                expected = {0}
            elif role is None:
                expected = {401}
            elif not role.covers(needed):
                expected = {403}
            else:
                expected = {0}
            for owner in (own, stranger) if owned else (None,):
                mine = role is Role.ADMIN or owner == own
                foreign = {403} if owned and not mine and expected == {0} else expected
                if owned and foreign == {0}:  # this one is changed, and maybe deleted
                    study_id = sent(database, study, owner)
                else:
                    study_id = lasting.get(owner, "nosuch")
                answer = guarded.request(method, filled(path, study_id), headers=headers)
                found = answer.status_code if answer.status_code in {401, 403} else 0
                if path == "/login" and method == "POST":
                    continue  # answers 401 itself, to a form without a key
                assert {found} == foreign, (method, path, name, owner, answer.text)
                assert answer.status_code < 500, (method, path, name)
                checked += 1
                if found:
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert ("www-authenticate" in answer.headers) is (found == 401)
    assert checked > 400


def test_every_change_is_named_by_a_rule(guarded):
    """What the rule for all the rest lets through is for readers: nothing is changed by it."""
    for method, path in everything(guarded.app):
        if method not in READING:
            assert rule_of(path) is not RULES[0], f"name {method} {path} in service/access/rules.py"


def test_where_nobody_needs_a_key_every_route_is_open(client):
    for method, path in everything(client.app):
        answer = client.request(method, filled(path, "nosuch"))
        if (method, path) != ("POST", "/login"):
            assert answer.status_code not in {401, 403}, (method, path)


def test_where_reading_is_open_changes_need_a_key(installed, made):
    submitter = bearer(made("s", Role.SUBMITTER).token)
    client = installed(access="read-open", host="0.0.0.0")
    for method, path in everything(client.app):
        needed, _ = wanted(method, path)
        answer = client.request(method, filled(path, "nosuch"))
        refused = needed not in {None, Role.READER}
        if (method, path) != ("POST", "/login"):
            assert (answer.status_code == 401) is refused, (method, path)
    assert client.post("/api/v1/studies", json={}, headers=submitter).status_code == 422


def test_readers_may_ask_what_a_study_would_cost(guarded, database, study, made):
    study_id = sent(database, study, None)
    reader = bearer(made("r", Role.READER).token)
    asked = {"": study(), f"/{study_id}/extend": {"seeds": 9}, f"/{study_id}/clone": {"seeds": 9}}
    for path, body in asked.items():
        address = f"/api/v1/studies{path}"
        assert guarded.post(f"{address}?dry_run=true", json=body).status_code == 401
        answer = guarded.post(f"{address}?dry_run=true", json=body, headers=reader)
        assert (answer.status_code, answer.json()["trials"] > 0) == (200, True), answer.text
        for query in ("", "?dry_run=false", "?dry_run=true&dry_run=false", "?Dry_run=true"):
            answer = guarded.post(address + query, json=body, headers=reader)
            assert answer.status_code == 403, (path, query)
    for path in (f"/{study_id}/cancel", f"/{study_id}/retry", "/import", "/extend/tags/clone"):
        answer = guarded.post(f"/api/v1/studies{path}?dry_run=true", headers=reader)
        assert answer.status_code == 403, path
    removed = guarded.delete(f"/api/v1/studies/{study_id}?dry_run=true", headers=reader)
    assert removed.status_code == 403
    assert len(work.rows(database, StudyRow)) == 1


def test_a_study_nobody_owns_is_for_admins(guarded, database, study, made):
    study_id = sent(database, study, None)
    submitter, admin = (made(role, role) for role in (Role.SUBMITTER, Role.ADMIN))
    address = f"/api/v1/studies/{study_id}/cancel"
    assert guarded.post(address, headers=bearer(submitter.token)).status_code == 403
    assert guarded.post(address, headers=bearer(admin.token)).status_code == 200


def filled(path, study_id):
    """An address for a route's path."""
    return re.sub(r"\{[^}]*\}", "1", path.replace("{study_id}", study_id))


def sent(database, study, owner):
    """A queued study of an owner."""
    study_id = work.send(database, study(seeds=1))
    with database.write() as session:
        session.get(StudyRow, study_id).owner_id = owner
    return study_id


def database_id(database, name):
    with database.read() as session:
        return repository.find(session, name).id
