"""Keys: making, listing, revoking, rotating, last use."""

from datetime import UTC, datetime, timedelta

import pytest

from service.db.tables.keys import KeyRow
from service.keys import tokens
from service.keys.model import Role
from tests.live import wait_until
from tests.service import work
from tests.service.refusals import refused
from tests.service.work import bearer

KEYS = "/api/v1/keys"


@pytest.fixture
def admin(made):
    return bearer(made("root", Role.ADMIN).token)


def test_a_key_is_made_shown_once_used_and_revoked(guarded, admin, database):
    answer = guarded.post(KEYS, json={"name": "ann", "role": "submitter"}, headers=admin)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    ann = answer.json()
    assert ann["token"].startswith(f"lpwd_{ann['id']}_")
    assert (ann["role"], ann["state"], ann["expires_at"]) == ("submitter", "active", None)
    mine = bearer(ann["token"])
    me = guarded.get(f"{KEYS}/me", headers=mine).json()
    assert me["key"]["name"] == "ann"
    assert (me["role"], me["access"]) == ("submitter", "keys")
    listed = guarded.get(KEYS, headers=admin)
    assert [one["name"] for one in listed.json()] == ["root", "ann"]
    assert ann["token"] not in listed.text
    assert guarded.get(answer.headers["location"], headers=admin).json()["name"] == "ann"
    assert guarded.get(KEYS, headers=mine).status_code == 403
    for _ in range(2):
        revoked = guarded.post(f"{KEYS}/{ann['id']}/revoke", headers=admin)
        assert revoked.json()["state"] == "revoked"
    body = refused(guarded.get("/api/v1/studies", headers=mine))
    assert body["type"] == "urn:lpwd:problem:key-invalid"
    assert "revoked" in body["detail"]


def test_only_a_hash_is_kept(guarded, admin, database):
    token = guarded.post(KEYS, json={"name": "ann"}, headers=admin).json()["token"]
    (row,) = (row for row in work.rows(database, KeyRow) if row.name == "ann")
    secret = tokens.parse(token)[1]
    assert len(secret) * 4 >= 256
    assert secret not in str(vars(row))
    assert row.hash == tokens.digest(secret)


def test_rotation_keeps_the_owner_and_ends_the_old_secret(guarded, admin, made, study):
    ann = made("ann", Role.SUBMITTER)
    sent = guarded.post("/api/v1/studies", json=study(), headers=bearer(ann.token)).json()["study"]
    assert sent["owner"] == "ann"
    answer = guarded.post(f"{KEYS}/{ann.key.id}/rotate", headers=admin)
    fresh = bearer(answer.json()["token"])
    assert guarded.get("/api/v1/studies", headers=bearer(ann.token)).status_code == 401
    cancelled = guarded.post(f"/api/v1/studies/{sent['id']}/cancel", headers=fresh)
    assert cancelled.json()["state"] == "cancelled"
    for state in ("expired", "revoked"):
        other = made(state, **{state: True})
        body = refused(guarded.post(f"{KEYS}/{other.key.id}/rotate", headers=admin))
        assert state in body["detail"]


def test_a_name_is_there_once(guarded, admin, database):
    assert guarded.post(KEYS, json={"name": "ann"}, headers=admin).status_code == 201
    body = refused(guarded.post(KEYS, json={"name": "ann"}, headers=admin), "name")
    assert body["status"] == 409
    assert len(work.rows(database, KeyRow)) == 2


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("name", {}),
        ("name", {"name": ""}),
        ("name", {"name": "a\r\nSet-Cookie: x"}),
        ("name", {"name": "<script>"}),
        ("name", {"name": "x" * 101}),
        ("role", {"name": "x", "role": "root"}),
        ("expires_in_days", {"name": "x", "expires_in_days": 0}),
        ("expires_in_days", {"name": "x", "expires_in_days": 10**9}),
        ("expires_at", {"name": "x", "expires_at": "2020-01-01T00:00:00Z"}),
        ("expires_at", {"name": "x", "expires_at": "2030-01-01T00:00:00"}),
        ("expires_at", {"name": "x", "expires_at": "9999-12-31T23:59:59-14:00"}),
        ("", {"name": "x", "expires_at": "2090-01-01T00:00:00Z", "expires_in_days": 3}),
        ("token", {"name": "x", "token": "mine"}),
    ],
)
def test_bad_keys_are_refused(client, field, body):
    refused(client.post(KEYS, json=body), field)


def test_the_end_of_a_key(client):
    body = {"name": "a", "expires_in_days": 90}
    end = datetime.fromisoformat(client.post(KEYS, json=body).json()["expires_at"])
    assert abs(end - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)
    body = {"name": "b", "expires_at": "2090-01-01T02:00:00+02:00"}
    assert client.post(KEYS, json=body).json()["expires_at"] == "2090-01-01T00:00:00Z"


def test_last_use_is_known_to_the_minute(guarded, made, database):
    key = made("ann")

    def last():
        return work.rows(database, KeyRow)[0].last_used_at

    assert last() is None
    for _ in range(2):
        assert guarded.get("/api/v1/studies", headers=bearer(key.token)).status_code == 200
    first = wait_until(last)
    guarded.app.state.keyring.forget()
    guarded.get("/api/v1/studies", headers=bearer(key.token))
    guarded.app.state.keyring.close()
    assert last() == first


def test_an_unknown_id_costs_what_a_known_one_does(monkeypatch):
    """A hash and a comparison, whether there is something to compare with or not."""
    compared = []
    real = tokens.hmac.compare_digest
    monkeypatch.setattr(
        tokens.hmac, "compare_digest", lambda a, b: compared.append(b) or real(a, b)
    )
    secret = tokens.new_secret()
    assert not tokens.matches(secret, None)
    assert not tokens.matches(tokens.NO_HASH, None)
    assert not tokens.matches(secret, tokens.digest("another"))
    assert tokens.matches(secret, tokens.digest(secret))
    assert [len(one) for one in compared] == [64] * 4


def test_who_am_i_where_nobody_needs_a_key(client, made):
    assert client.get(f"{KEYS}/me").json() == {"role": "admin", "key": None, "access": "open"}
    reader = bearer(made("ann").token)
    assert client.get(f"{KEYS}/me", headers=reader).json()["role"] == "reader"
    assert client.post("/api/v1/studies", json={}, headers=reader).status_code == 403


def test_idempotency_keys_are_each_owners_own(guarded, made, study):
    ann, bob = (bearer(made(name, Role.SUBMITTER).token) for name in ("ann", "bob"))
    sent = {}
    for who, headers in (("ann", ann), ("bob", bob)):
        for status in (201, 200):
            answer = guarded.post(
                "/api/v1/studies", json=study(), headers=headers | {"Idempotency-Key": "k"}
            )
            assert answer.status_code == status
            assert (
                sent.setdefault(who, answer.json()["study"]["id"]) == answer.json()["study"]["id"]
            )
    assert sent["ann"] != sent["bob"]


def test_a_key_has_so_many_unfinished_studies_at_once(installed, made, study):
    ann, bob = (bearer(made(name, Role.SUBMITTER).token) for name in ("ann", "bob"))
    client = installed(access="keys", max_studies_per_key=1)

    def send(who, **headers):
        return client.post("/api/v1/studies", json=study(), headers=who | headers)

    first = send(ann, **{"Idempotency-Key": "k"})
    assert first.status_code == 201
    address = first.headers["location"]
    body = refused(send(ann))
    assert body["type"] == "urn:lpwd:problem:too-many-studies"
    refused(client.post(f"{address}/clone", headers=ann))
    assert send(ann, **{"Idempotency-Key": "k"}).status_code == 200
    assert send(bob).status_code == 201
    assert client.post(f"{address}/cancel", headers=ann).status_code == 200
    assert send(ann).status_code == 201
    body = refused(client.post(f"{address}/retry", headers=ann))
    assert body["type"] == "urn:lpwd:problem:too-many-studies"


def test_a_clone_belongs_to_who_made_it(guarded, made, study):
    ann, bob = (bearer(made(name, Role.SUBMITTER).token) for name in ("ann", "bob"))
    sent = guarded.post("/api/v1/studies", json=study(), headers=ann)
    address = sent.headers["location"]
    assert guarded.post(f"{address}/cancel", headers=bob).status_code == 403
    assert guarded.patch(address, json={"note": "x"}, headers=bob).status_code == 403
    copy = guarded.post(f"{address}/clone", headers=bob).json()["study"]
    assert copy["owner"] == "bob"
