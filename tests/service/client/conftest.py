import pytest

from service.client import Client
from tests.listening import listening


@pytest.fixture
def database_url(sqlite_url):
    """Use SQLite alone: that the application answers alike on PostgreSQL, other tests see to."""
    return sqlite_url


@pytest.fixture
def address(settings):
    """Serve an installation."""
    with listening(settings) as address:
        yield address


@pytest.fixture
def talking(address):
    """Talk to it."""
    with Client(address) as talking:
        yield talking
