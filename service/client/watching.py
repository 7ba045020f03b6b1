"""Following a study until it ends: by events where they come through, else by looking again."""

import time
from collections.abc import Iterator

from service.client.errors import Refused, ServiceAway, Unavailable
from service.client.stream import ENDED, StudyEvent, events
from service.client.transport import Transport
from service.studies.answers import StudyAnswer

LOOK_EVERY = 0.5
"""Seconds between two looks at a study, at most."""
LOOK_AFTER = 0.1
"""Share of the time watched so far after which to look again, until that is `LOOK_EVERY`: short
studies are not kept waiting."""
SOONEST = 0.05
"""Seconds between two looks, at least."""
PATIENCE = 30.0
"""Seconds that a service may be away, restarting, before watching gives up."""
FIRST = 5.0
"""Seconds within which a stream's first event comes: it is there when the stream begins."""
SILENCE = 25.0
"""Seconds without a sign of life after which a stream is taken for dead; the service gives one
every 15."""


class Watching(Transport):
    """Following studies."""

    def events(self, study_id: str, *, last_event_id: str | None = None) -> Iterator[StudyEvent]:
        """Yield what changes in a study, until it ends.

        A stream that breaks goes on after the last event seen; a service that is away for a moment
        is waited for.

        Args:
            study_id: The study.
            last_event_id: The last event seen before; without it, the first event names all parts.

        Raises:
            ServiceAway: The service stayed away, or no event came through a connection that held:
                something between here and there keeps them back.
        """
        heard: float | None = None
        while True:
            silence = FIRST if heard is None else SILENCE
            try:
                for event in self._events_once(study_id, last_event_id, silence):
                    heard = time.monotonic()
                    if event is not None:
                        last_event_id = event.id or last_event_id
                        yield event
                        if event.kind == ENDED:
                            return
            except (ServiceAway, Unavailable):
                if heard is None or time.monotonic() - heard > PATIENCE + silence:
                    raise
            time.sleep(LOOK_EVERY)

    def _events_once(
        self, study_id: str, last: str | None, silence: float
    ) -> Iterator[StudyEvent | None]:
        """Listen to one connection until it ends."""
        request = self._request(
            "GET /studies/{study_id}/events",
            None,
            {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})},
            {"study_id": study_id},
        )
        with self._streamed(request, silence) as answer:
            yield from events(answer.iter_lines())

    def watch(self, study_id: str, *, listen: bool = True) -> Iterator[StudyAnswer]:
        """Yield a study now and whenever it changes, until it ends; the last one is final.

        A service that is away for a moment, to restart, is waited for.

        Args:
            study_id: The study.
            listen: Whether to listen to the service's events. Without, or where they do not come
                through, the study is looked at every half second.
        """
        study = self._look(study_id)
        yield study
        if study.state.final:
            return
        if listen:
            try:
                for event in self.events(study_id):
                    if event.kind == ENDED:
                        break
                    study = self._look(study_id)
                    yield study
                    if study.state.final:
                        return
            except (ServiceAway, Refused):
                pass  # whether it is the stream alone that fails, looking tells
        yield from self._look_again(study_id)

    def _look_again(self, study_id: str) -> Iterator[StudyAnswer]:
        """Yield a study again and again, until it ends."""
        began = seen = time.monotonic()
        while True:
            try:
                study = self._look(study_id)
            except (ServiceAway, Unavailable):
                if time.monotonic() - seen > PATIENCE:
                    raise
            else:
                seen = time.monotonic()
                yield study
                if study.state.final:
                    return
            pause = LOOK_AFTER * (time.monotonic() - began)
            time.sleep(min(LOOK_EVERY, max(SOONEST, pause)))

    def wait(self, study_id: str, *, timeout: float | None = None) -> StudyAnswer:
        """Wait until a study ends; return it.

        Args:
            study_id: The study.
            timeout: Seconds after which to give up; by default never.

        Raises:
            TimeoutError: It has not ended by then. It goes on.
        """
        if timeout is None:
            *_, study = self.watch(study_id)
            return study
        deadline = time.monotonic() + timeout
        for study in self.watch(study_id, listen=False):
            if study.state.final:
                return study
            if time.monotonic() > deadline:
                break
        raise TimeoutError(f"study {study_id} is {study.state} after {timeout:g} s, and goes on")

    def _look(self, study_id: str) -> StudyAnswer:
        return self._read(StudyAnswer, "GET /studies/{study_id}", study_id=study_id)
