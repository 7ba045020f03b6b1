"""What becomes of a pack that did not come to its end: split, divided, begun anew or given up."""

import logging
from collections import Counter
from collections.abc import Sequence

from service.db import Database
from service.db.trouble import Patience
from service.queue import Lease
from service.queue.results import give_up, lost, put_back
from service.runner.checkpoints import Checkpoints
from service.runner.pack_run import PackRun
from service.runner.planner import Planner

logger = logging.getLogger(__name__)

ALIKE = 20
"""Trials that fail alone, for the same reason, after which packs are not searched for them."""


class Setbacks:
    """Sees to it that what can be trained is, and that the rest fails with its reason."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        planner: Planner,
        checkpoints: Checkpoints,
        patiently: Patience,
        *,
        attempts: int,
    ) -> None:
        """Know of no failure yet.

        Args:
            database: Where the study is.
            lease: On the study.
            planner: Takes back what is to be tried in another way.
            checkpoints: Of running packs.
            patiently: Does what is to be written.
            attempts: Workers a trial may lose.
        """
        self._database = database
        self._lease = lease
        self._planner = planner
        self._checkpoints = checkpoints
        self._patiently = patiently
        self._attempts = attempts
        self._alike: Counter[str] = Counter()
        """How many packs were given up, by their reason."""

    def too_large(self, running: PackRun, reason: str) -> None:
        """Try the trials of a pack that ran out of memory again, half as many at once."""
        if running.size == 1:
            self.failed(running, ALONE.format(reason=reason))
            return
        logger.warning("a pack of %d trials was too large and is split: %s", running.size, reason)
        self._checkpoints.remove(self._lease.study_id, running.keys)
        self._put_back(running.open_keys)
        self._planner.too_large(running.size)

    def lost(self, running: PackRun, reason: str) -> None:
        """Put the trials of a pack back that lost its worker, to go on from its checkpoint."""
        keys = running.open_keys
        logger.warning("a pack of %d trials was lost: %s", len(keys), reason)
        if running.saved is not None and not running.advanced:
            self._checkpoints.remove(self._lease.study_id, running.keys)  # it may be to blame
        self._patiently(lambda: lost(self._database, self._lease, keys, reason, self._attempts))
        self._planner.look_for_checkpoints()

    def failed(self, running: PackRun, reason: str) -> None:
        """Give up the trials of a pack that fail; the others are trained without them.

        A pack that could not go on is begun anew.
        """
        self._checkpoints.remove(self._lease.study_id, running.keys)
        if running.saved is not None and not running.advanced:
            logger.warning("a checkpoint is of no use, its pack begins anew: %s", reason)
            self._put_back(running.open_keys)
            self._planner.again(running)
            return
        if len(running.open) > 1 and self._alike[reason] < ALIKE:
            logger.warning("a pack of %d trials failed and is divided: %s", running.size, reason)
            self._put_back(running.open_keys)
            self._planner.apart(running)
            return
        self._alike[reason] += 1
        logger.error("a pack of study %s failed: %s", self._lease.study_id, reason)
        reasons = dict.fromkeys(running.open_keys, reason)
        self._patiently(lambda: give_up(self._database, self._lease, reasons))

    def _put_back(self, keys: Sequence[str]) -> None:
        self._patiently(lambda: put_back(self._database, self._lease, keys))


ALONE = (
    "one trial alone does not fit into memory: choose a smaller batch size, or train it where "
    "there is more ({reason})"
)
