"""Training stands back for others in its own session, and for the sessions of others."""

import os
import subprocess
import sys

import pytest

from workers.standing_back import OWN_SESSION

SCRIPT = """
import os
from workers.standing_back import OWN_SESSION, stand_back
stand_back(3)
stand_back(0)
session = OWN_SESSION.read_text().split() if OWN_SESSION.exists() else []
print(os.nice(0), *session[-1:])  # of a session that Linux does not count the file is empty
"""


def stood_back(*, leading: bool) -> list[int]:
    """Return how nice a process is that stood back by 3, and its session where that is counted."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        start_new_session=leading,
        check=True,
        capture_output=True,
        text=True,
    )
    assert not done.stderr
    return [int(number) for number in done.stdout.split()]


def test_a_process_that_leads_its_session_has_all_of_it_stand_back():
    nice, *session = stood_back(leading=True)
    assert nice == min(os.nice(0) + 3, 19)
    assert session in ([nice], [])


@pytest.mark.skipif(not OWN_SESSION.exists(), reason="Linux counts no sessions here")
def test_a_session_that_others_lead_is_left_alone():
    before = OWN_SESSION.read_text()
    nice, *_ = stood_back(leading=False)
    assert nice == min(os.nice(0) + 3, 19)
    assert OWN_SESSION.read_text() == before
