"""Where a trial is, and what may follow what."""

from enum import StrEnum


class TrialState(StrEnum):
    """A trial's state; divergence is a result, failure is not.

    There is no cancelled trial: a study that is cancelled leaves its untrained trials pending, for
    whichever study asks for them next.
    """

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    DIVERGED = "diverged"
    FAILED = "failed"

    @property
    def known(self) -> bool:
        """Whether there is a result, which is never trained again."""
        return self in KNOWN


TRANSITIONS: dict[TrialState, frozenset[TrialState]] = {
    TrialState.PENDING: frozenset({TrialState.RUNNING}),
    TrialState.RUNNING: frozenset(
        {TrialState.PENDING, TrialState.DONE, TrialState.DIVERGED, TrialState.FAILED}
    ),
    TrialState.DONE: frozenset(),
    TrialState.DIVERGED: frozenset(),
    TrialState.FAILED: frozenset({TrialState.PENDING}),
}

KNOWN = frozenset({TrialState.DONE, TrialState.DIVERGED})
"""States with a result: `TRANSITIONS` leads nowhere from them."""
ENDED = (TrialState.DONE, TrialState.DIVERGED, TrialState.FAILED)
"""What may come of training."""


def counter_of(state: TrialState) -> str:
    """Return under which name it is counted, for metrics, how often training ended in a state."""
    return f"trials_{state}"
