import io
import sys
from dataclasses import dataclass

import pytest

from service.cli import main
from tests.listening import listening


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    status: int
    out: str
    err: str


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
def lpwd(capsys, monkeypatch):
    """Run the command line in this process, as `lpwd` does."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("LPWD_API_KEY", raising=False)

    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", ["lpwd", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return run
