"""Browsers: signing in with a key, the session's cookie, forms, signing out."""

from datetime import timedelta

import pytest

from service.access import sessions
from service.access.pages import local
from service.db import utcnow
from service.db.tables.keys import SessionRow
from service.keys import repository, tokens
from service.keys.model import Role
from tests.service import work
from tests.service.refusals import refused

PAGE = {"Accept": "text/html"}
OURS = {"Origin": "http://testserver"}


def sign_in(client, key, **fields):
    return client.post("/login", data={"key": key, **fields}, headers=OURS, follow_redirects=False)


def test_a_page_leads_to_signing_in_and_back(guarded, made):
    answer = guarded.get("/studies/abc?x=1", headers=PAGE, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fstudies%2Fabc%3Fx%3D1"
    form = guarded.get(answer.headers["location"])
    assert 'name="key" type="password"' in form.text
    assert 'value="/studies/abc?x=1"' in form.text
    ann = made("ann", Role.SUBMITTER)
    answer = sign_in(guarded, f" {ann.token} ", next="/studies/abc?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/studies/abc?x=1")
    cookie = answer.headers["set-cookie"].lower()
    for attribute in ("httponly", "samesite=strict", "path=/", "max-age=604800"):
        assert attribute in cookie
    assert ann.token not in cookie
    page = guarded.get("/", headers=PAGE)
    assert page.status_code == 200
    assert "Signed in as" in page.text
    assert "submitter" in page.text
    assert guarded.get("/api/v1/keys/me").json()["key"]["name"] == "ann"
    assert guarded.get("/api/v1/keys").status_code == 403


def test_a_form_needs_a_page_of_ours(guarded, made, study):
    ann = made("ann", Role.SUBMITTER)
    sign_in(guarded, ann.token)
    body = refused(guarded.post("/api/v1/studies", json=study()))
    assert body["status"] == 403
    assert "Origin" in body["detail"]
    foreign = {"Origin": "https://evil.example.org"}
    assert guarded.post("/api/v1/studies", json=study(), headers=foreign).status_code == 403
    assert guarded.post("/logout", headers=foreign).status_code == 403
    sent = guarded.post("/api/v1/studies", json=study(), headers=OURS)
    assert sent.json()["study"]["owner"] == "ann"
    own = {"Sec-Fetch-Site": "same-origin"}
    assert guarded.post(f"{sent.headers['location']}/cancel", headers=own).is_success


@pytest.mark.parametrize(
    ("who", "changes", "clones"),
    [
        ("ann", True, True),
        ("bob", False, True),
        ("eve", True, True),
        ("ray", False, False),
    ],
)
def test_the_page_offers_what_may_be_done(guarded, made, study, who, changes, clones):
    ann = made("ann", Role.SUBMITTER)
    keys = {
        "ann": ann,
        "bob": made("bob", Role.SUBMITTER),
        "eve": made("eve", Role.ADMIN),
        "ray": made("ray", Role.READER),
    }
    bearer = {"Authorization": f"Bearer {ann.token}"}
    sent = guarded.post("/api/v1/studies", json=study(), headers=bearer).json()["study"]["id"]
    sign_in(guarded, keys[who].token)
    page = guarded.get(f"/studies/{sent}", headers=PAGE).text
    for button in ("edit", "extend", "cancel", "delete"):
        assert (f'data-open="{button}"' in page) == changes
        assert (f'<dialog id="{button}"' in page) == changes
    assert ('data-call="retry"' in page) == changes
    assert ('data-open="clone"' in page) == clones
    assert ('<dialog id="clone"' in page) == clones


def test_a_key_is_no_cookie_and_a_cookie_no_key(guarded, made):
    ann = made("ann")
    assert guarded.get("/api/v1/studies", headers=work.bearer(ann.token)).status_code == 200
    guarded.cookies.set("lpwd_session", ann.token)
    assert guarded.get("/api/v1/studies").status_code == 401
    guarded.cookies.clear()
    sign_in(guarded, ann.token)
    kept = guarded.cookies["lpwd_session"]
    assert guarded.get("/api/v1/studies").status_code == 200
    guarded.cookies.clear()
    assert guarded.get("/api/v1/studies", headers=work.bearer(kept)).status_code == 401


def test_signing_out_ends_the_session(guarded, made, database):
    sign_in(guarded, made("ann").token)
    kept = dict(guarded.cookies)
    (row,) = work.rows(database, SessionRow)
    assert row.hash == tokens.digest(kept["lpwd_session"])
    answer = guarded.post("/logout", headers=OURS, follow_redirects=False)
    assert answer.headers["location"] == "/login"
    assert work.rows(database, SessionRow) == []
    guarded.cookies.update(kept)
    assert guarded.get("/api/v1/studies").status_code == 401


@pytest.mark.parametrize("state", ["expired", "revoked"])
def test_a_key_that_opens_nothing_signs_nobody_in(guarded, made, database, state):
    answer = sign_in(guarded, made("ann", **{state: True}).token)
    assert answer.status_code == 401
    assert state in answer.text
    assert "set-cookie" not in answer.headers
    for wrong in ("", "lpwd_x", tokens.token(tokens.new_id(), tokens.new_secret())):
        answer = sign_in(guarded, wrong)
        assert answer.status_code == 401
        assert not wrong or wrong not in answer.text
    assert work.rows(database, SessionRow) == []


def test_a_form_with_too_many_fields_signs_nobody_in(guarded, made):
    answer = sign_in(guarded, made("ann").token, **{f"field{number}": "x" for number in range(20)})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_session_ends_with_its_key_and_after_a_week(guarded, made, database):
    ann, bob = made("ann"), made("bob")
    sign_in(guarded, ann.token)
    with database.write() as session:
        repository.revoke(session, ann.key.id)
    guarded.app.state.keyring.forget()
    assert guarded.get("/api/v1/studies").status_code == 401
    sign_in(guarded, bob.token)
    with database.write() as session:
        (row,) = session.query(SessionRow).all()
        assert row.expires_at - row.created_at == sessions.LASTS
        row.expires_at = utcnow() - timedelta(seconds=1)
    guarded.app.state.keyring.forget()
    assert guarded.get("/api/v1/studies").status_code == 401
    sign_in(guarded, bob.token)
    assert len(work.rows(database, SessionRow)) == 1  # the old one is forgotten


def test_by_https_the_cookie_is_for_nothing_else(installed, made):
    client = installed(access="keys", https=True)
    answer = sign_in(client, made("ann").token)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-lpwd_session=")
    assert "secure" in cookie.lower()


def test_where_nobody_needs_a_key_a_dead_cookie_does_no_harm(client):
    client.cookies.set("lpwd_session", tokens.new_secret())
    assert client.get("/api/v1/studies").status_code == 200
    assert "Sign out" not in client.get("/").text


@pytest.mark.parametrize(
    ("address", "goes_to"),
    [
        ("/", "/"),
        ("/studies/x?y=1#z", "/studies/x?y=1#z"),
        ("//evil.example.org", "/"),
        ("/\\evil.example.org", "/"),
        ("/\t/evil.example.org", "/"),
        ("https://evil.example.org", "/"),
        ("javascript:alert(1)", "/"),
        ("/login?next=/login", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_stays_here(address, goes_to):
    assert local(address) == goes_to
