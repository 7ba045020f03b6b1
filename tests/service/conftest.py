import warnings
from datetime import timedelta

import pytest

from service.app import create_app
from service.db import Database, utcnow
from service.keys import repository
from service.keys.model import Role
from tests.service import work

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have httpx's successor
    from starlette.testclient import TestClient


@pytest.fixture
def sent(database: Database, study):
    """Send a study to the database; keywords change the request. Returns its id."""

    def send(**changes) -> str:
        return work.send(database, study(**changes))

    return send


@pytest.fixture
def installed(settings):
    """Talk to installations on `database` with other settings."""
    talking = []

    def install(**changes):
        client = TestClient(create_app(settings.model_copy(update=changes)))
        talking.append(client.__enter__())
        return client

    yield install
    for client in talking:
        client.__exit__(None, None, None)


@pytest.fixture
def guarded(installed):
    """Talk to an installation where everybody needs a key."""
    return installed(access="keys")


@pytest.fixture
def made(database):
    """Make keys: by name and role; returns what `repository.create` does."""

    def make(name, role=Role.READER, *, expired=False, revoked=False):
        with database.write() as session:
            key = repository.create(
                session,
                name=name,
                role=role,
                expires_at=utcnow() - timedelta(seconds=1) if expired else None,
            )
            if revoked:
                repository.revoke(session, key.key.id)
            return key

    return make
