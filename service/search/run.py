"""One search in progress."""

import logging
import math
import time
from collections.abc import Callable

from service.db import Database
from service.db.trouble import Patience
from service.queue import Lease
from service.queue.turn import Turn
from service.search.course import Course
from service.search.planning import impossible
from service.search.repository import (
    Outcome,
    ended_points,
    finish,
    forget_running,
    load_search,
    open_point,
    record,
    weigh,
    weighed,
)
from service.studies.model import StudyState
from workers import tasks
from workers.search.contracts import (
    ENOUGH,
    FINAL,
    KnownTrial,
    Past,
    PointEnded,
    PointEpoch,
    PointRestarted,
    Proposed,
    SearchEnded,
    SearchJob,
    Weighed,
)
from workers.search.ledger import Ledger
from workers.search.process import SearchLostError, SearchProcess

logger = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds to wait for news from the search before the lease is renewed."""
PROGRESS_EVERY = 1.0
"""Seconds between two notes of how far points have come."""

Start = Callable[[SearchJob], SearchProcess]


class SearchRun:
    """Has a search trained to the end of its budget, under one lease.

    The process of the search may die: it is started again, and told of the points that have ended.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        start: Start,
        *,
        attempts: int,
        stopping: Callable[[], bool],
        check: Callable[[], None] = lambda: None,
        drain_seconds: float = 0.0,
        turn_seconds: float = math.inf,
        tell: Callable[[], None] = lambda: None,
        device: str | None = None,
    ) -> None:
        """Prepare to search.

        Args:
            database: Where the study is and its points go.
            lease: On the study.
            start: Starts the process of a search.
            attempts: Processes that may be lost in a row without a point ending in between.
            stopping: Asked often: whether to put the study back and leave.
            check: Raises `ClusterLostError` when there is nothing left to train on.
            drain_seconds: Time to write down what has ended, after being told to stop.
            turn_seconds: Time after which the search makes way for others of its priority.
            tell: Called often: a sign of life.
            device: What it trains on, for people; as at the claim by default.
        """
        self._database = database
        self._lease = lease
        self._start = start
        self._attempts = attempts
        self._stopping = stopping
        with database.read() as session:
            self._spec = load_search(session, lease.study_id)
        self._search = self._spec.search
        self._course = Course(self._search, 0.0, {})
        """Of the process that runs."""
        self._noted = 0.0
        self._losses = 0
        self._check = check
        self._tell = tell
        self._turn = Turn(database, lease, seconds=turn_seconds)
        self._patiently = Patience(stopping=stopping, drain_seconds=drain_seconds)
        self._counted = time.monotonic()
        self._trained = 0.0
        """Seconds of workers that are not written down yet."""
        self._makes_way = False
        self._device = device

    def run(self) -> StudyState | None:
        """Search to the end; returns the study's final state, None when it was put back.

        It is put back when the runner is told to stop, or others have their turn.

        Raises:
            LeaseLostError: The study is no longer ours. What was written stays.
            ClusterLostError: There is nothing left to train on.
        """
        why = impossible(self._spec)
        if why is not None:
            return self._fail(why)
        while not self._leaving():
            past, weighed_all = self._patiently(self._past)
            exhausted = self._exhausted(past)
            if exhausted and weighed_all:
                return self._finish()
            if (limit := self._lease.usage.exceeded) is not None:
                return self._fail(limit)
            try:
                if self._follow(past):
                    return self._finish()
            except SearchLostError as error:
                self._losses += 1
                logger.warning("study %s: %s", self._lease.study_id, error)
                if exhausted:  # all that was left is to tell what mattered
                    return self._finish()
                if self._losses >= self._attempts:
                    return self._fail(f"given up after {self._losses} attempts; the last: {error}")
        self._patiently(self._give_back)
        return None

    def _leaving(self) -> bool:
        return self._makes_way or self._stopping()

    def _give_back(self) -> None:
        with self._database.write() as session:
            self._lease.give_back(session)

    def _finish(self) -> StudyState:
        def end() -> StudyState:
            with self._database.write() as session:
                return finish(session, self._lease)

        return self._patiently(end)

    def _fail(self, reason: str) -> StudyState:
        def fail() -> None:
            with self._database.write() as session:
                self._lease.fail(session, reason)

        self._patiently(fail)
        return StudyState.FAILED

    def _past(self) -> tuple[dict[str, tuple[Past, ...]], bool]:
        """Forget points that were cut off.

        Returns:
            Those that have ended, and whether importance was told from all of them.
        """
        study_id = self._lease.study_id
        with self._database.write() as session:
            self._lease.renew(session)
            forget_running(session, self._lease)
            past = ended_points(session, study_id, len(self._search.seeds))
            told = {label: row.points for label, row in weighed(session, study_id).items()}
        final = {
            label: sum(point.state in FINAL for point in points) for label, points in past.items()
        }
        return past, all(n < ENOUGH or n == told.get(label) for label, n in final.items())

    def _exhausted(self, past: dict[str, tuple[Past, ...]]) -> bool:
        ledger = Ledger(self._search)
        for label, points in past.items():
            ledger.recall(label, points)
        return ledger.next() is None

    def _follow(self, past: dict[str, tuple[Past, ...]]) -> bool:
        """Start the process of the search and write down what it tells, until it ends.

        Returns:
            Whether it came to its end.
        """
        metric = tasks.get(self._search.task).metric
        self._course = Course(self._search, metric.chance, past)
        job = SearchJob(self._search, metric.maximize, metric.chance, past)
        with self._start(job) as process:
            ended = False
            while not ended and not self._leaving() and self._lease.usage.exceeded is None:
                self._check()
                outcomes: list[Outcome] = []
                messages = process.poll(PATIENCE)
                self._count()
                for message in messages:
                    match message:
                        case Proposed():
                            process.answer(self._begin(message))
                        case PointEpoch():
                            self._course.note(message)
                        case PointEnded():
                            outcomes.append(self._end(message))
                        case Weighed():
                            self._weigh(message)
                        case PointRestarted():
                            logger.warning(
                                "study %s: the worker of %s point %d died; beginning it again",
                                self._lease.study_id,
                                message.label,
                                message.number,
                            )
                        case SearchEnded():
                            ended = True
                self._write(outcomes)
                if outcomes and self._may_leave():
                    logger.info("study %s: makes way for another", self._lease.study_id)
                    self._makes_way = True
        return ended

    def _may_leave(self) -> bool:
        return self._patiently(self._turn.over)

    def _weigh(self, told: Weighed) -> None:
        self._patiently(lambda: weigh(self._database, self._lease, told))

    def _count(self) -> None:
        """Count the time of the points that were in training until now, those that ended too."""
        now = time.monotonic()
        self._trained += (now - self._counted) * self._course.open
        self._counted = now

    def _begin(self, point: Proposed) -> tuple[KnownTrial, ...] | None:
        trials = self._course.begin(point)
        return self._patiently(lambda: open_point(self._database, self._lease, point, trials))

    def _end(self, message: PointEnded) -> Outcome:
        if message.reason is not None:
            where = f"study {self._lease.study_id}, {message.label} point {message.number}"
            logger.info("%s: %s: %s", where, message.state, message.reason)
        return self._course.end(message)

    def _write(self, outcomes: list[Outcome]) -> None:
        """Write points that have ended at once, progress now and then; either renews the lease."""
        now = time.monotonic()
        if not outcomes and now - self._noted < PROGRESS_EVERY:
            return
        underway, left = self._course.underway(), self._course.seconds_left(now)
        self._patiently(
            lambda: record(
                self._database,
                self._lease,
                outcomes=outcomes,
                underway=underway,
                seconds_left=left,
                trained=self._trained,
                device=self._device,
            )
        )
        self._trained, self._device = 0.0, None
        self._noted = now
        self._tell()
        if outcomes:
            self._losses = 0
