import pytest

from service.db import Database
from tests.service import work


@pytest.fixture
def sent(database: Database, study):
    """Send a study to the database; keywords change the request. Returns its id."""

    def send(**changes) -> str:
        return work.send(database, study(**changes))

    return send
