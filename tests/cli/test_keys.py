"""`lpwd key`, on the database of an installation."""

import json
import re

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.cli.endings import Status, status_of
from service.cli.processes import tell_of_keys
from service.keys import repository
from service.keys.model import Role
from service.settings import Settings
from service.settings import settings as read_settings


@pytest.fixture
def lpwd(database_url, monkeypatch):
    """Run a command on the database; returns what it printed and how it ended."""
    monkeypatch.setenv("LPWD_DATABASE_URL", database_url)
    read_settings.cache_clear()
    runner = CliRunner()
    yield lambda *arguments: runner.invoke(app, ["key", *arguments])
    read_settings.cache_clear()


def test_keys_are_made_listed_rotated_and_revoked(lpwd):
    assert "lpwd key create" in lpwd("list").stdout
    assert json.loads(lpwd("list", "--json").stdout) == []
    made = lpwd("create", "ann", "--role", "submitter", "--expires", "90d")
    assert re.fullmatch(r"lpwd_[0-9a-f]{12}_[0-9a-f]{64}\n", made.stdout)
    assert "not shown again" in made.stderr
    key_id = made.stdout.split("_")[1]
    listed = lpwd("list").stdout
    assert key_id in listed
    assert made.stdout.split("_")[2].strip() not in listed
    (found,) = json.loads(lpwd("list", "--json").stdout)
    assert (found["id"], found["role"], found["state"]) == (key_id, "submitter", "active")
    rotated = lpwd("rotate", "ann")
    assert rotated.stdout.split("_")[1] == key_id
    assert rotated.stdout != made.stdout
    assert lpwd("revoke", key_id).exit_code == 0
    assert "revoked" in lpwd("list").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "x", "--expires", "soon"), "12h"),
        (("create", "x", "--expires", "-1d"), "'-1d'"),
        (("create", "x", "--expires", "99999w"), "ten years"),
        (("create", "<x>"), "letters"),
        (("revoke", "nobody"), "nobody"),
        (("rotate", "nobody"), "nobody"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(lpwd, arguments, said):
    ended = lpwd(*arguments)
    assert status_of(ended.exception) is Status.REFUSED
    assert said in str(ended.exception)


def test_the_first_key_is_asked_for_where_one_is_needed(database, caplog):
    for access, said in (("auto", False), ("keys", True), ("read-open", True)):
        caplog.clear()
        tell_of_keys(Settings(_env_file=None, access=access), database)
        assert ("lpwd key create" in caplog.text) is said
    with database.write() as session:
        repository.create(session, name="ann", role=Role.ADMIN, expires_at=None)
    caplog.clear()
    tell_of_keys(Settings(_env_file=None, access="keys"), database)
    assert caplog.text == ""
