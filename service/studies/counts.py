"""How many trials of a study are in which state: counted when something has changed.

Counting a hundred thousand takes a tenth of a second or more, and a list shows many studies again
and again. What was counted is kept for as long as the study has no new event: until then nothing
changes (`service.events.repository.revision`).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.orm import Session

from service.db.engine import WRITING
from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from service.events.revisions import revisions
from service.trials.model import TrialState

KEPT = 5000
"""Studies whose counts are kept."""
LARGE = 0.05
"""Seconds of counting from which on a study that is still trained is not counted at every event."""
AT_MOST = 0.1
"""Share of the time that counting such a study may take: what is shown of it is that old."""


@dataclass(frozen=True)
class Counts:
    """A study's trials."""

    by_state: dict[TrialState, int] = field(default_factory=dict)
    epochs_running: int = 0
    """That running trials have come."""

    def of(self, state: TrialState) -> int:
        """Return how many are in a state."""
        return self.by_state.get(state, 0)


@dataclass
class _Known:
    revision: int
    counts: Counts
    good_until: float = 0.0
    """By the monotonic clock: of a large study in training, whatever happens to it."""


class _Kept:
    """Counts of the studies last looked at, of one database."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, study: StudyRow, revision: int) -> Counts | None:
        with self._lock:
            known = self._known.get(study.id)
            if known is None:
                return None
            if known.revision == revision or (
                not study.state.final and time.monotonic() < known.good_until
            ):
                self._known.move_to_end(study.id)
                return known.counts
            return None

    def put(self, study_id: str, known: _Known) -> None:
        with self._lock:
            self._known[study_id] = known
            self._known.move_to_end(study_id)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)


_KEPT: WeakKeyDictionary[Engine | Connection, _Kept] = WeakKeyDictionary()
_MAKING = threading.Lock()


def counts_of(session: Session, studies: Sequence[StudyRow]) -> dict[str, Counts]:
    """Return the counts of each study's trials, by its id."""
    bind = session.get_bind()
    if bind.get_execution_options().get(WRITING, False):
        # What a transaction has changed it may take back, and announces only at its end.
        return _counted(session, [study.id for study in studies])
    with _MAKING:
        kept = _KEPT.setdefault(bind, _Kept())
    ids = [study.id for study in studies]
    numbers = revisions(session, ids) if ids else {}
    found: dict[str, Counts] = {}
    missing: list[StudyRow] = []
    for study in studies:
        counts = kept.get(study, numbers.get(study.id, 0))
        if counts is None:
            missing.append(study)
        else:
            found[study.id] = counts
    if missing:
        began = time.monotonic()
        fresh = _counted(session, [study.id for study in missing])
        until = _good_until(began, time.monotonic())
        for study in missing:
            kept.put(study.id, _Known(numbers.get(study.id, 0), fresh[study.id], until))
        found |= fresh
    return found


def _good_until(began: float, ended: float) -> float:
    seconds = ended - began
    return ended + seconds / AT_MOST if seconds > LARGE else 0.0


def _counted(session: Session, ids: Sequence[str]) -> dict[str, Counts]:
    found: dict[str, Counts] = {study_id: Counts() for study_id in ids}
    by_state: dict[str, dict[TrialState, int]] = {study_id: {} for study_id in ids}
    query = (
        select(StudyTrialRow.study_id, TrialRow.state, func.count(), func.sum(TrialRow.epochs_done))
        .join(TrialRow, TrialRow.key == StudyTrialRow.trial_key)
        .where(StudyTrialRow.study_id.in_(ids))
        .group_by(StudyTrialRow.study_id, TrialRow.state)
    )
    for study_id, state, count, epochs in session.execute(query):
        by_state[study_id][state] = count
        running = epochs if state is TrialState.RUNNING else found[study_id].epochs_running
        found[study_id] = Counts(by_state[study_id], running)
    return found
