"""Studies and their trials."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from service.client.transport import Transport
from service.studies.model import StudyState
from service.studies.schemas import StudyAnswer, StudyCreated, StudyPageAnswer, StudyPlan
from service.trials.model import TrialState
from service.trials.schemas import TrialAnswer, TrialPage, TrialWithCurves

KEY = "Idempotency-Key"
LARGEST = 200
"""Studies on a page, at most."""


class Studies(Transport):
    """Sending studies, reading and changing them."""

    def plan(self, study: Mapping[str, Any]) -> StudyPlan:
        """Say what a study would cost, without sending it.

        Args:
            study: Task, optimizers, rates, seeds: the body of `POST /api/v1/studies`.

        Raises:
            InvalidRequest: Something in it is wrong; `errors` says what, by the field.
        """
        return self._read(
            StudyPlan, "POST /studies", json=study, query={"dry_run": True}, repeatable=True
        )

    def submit(
        self, study: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> StudyCreated:
        """Send a study.

        It is created once, however often the request has to be sent: a key says that it is the
        same.

        Args:
            study: Task, optimizers, rates, seeds: the body of `POST /api/v1/studies`.
            idempotency_key: A key of your own, so that another run of your program creates no
                second study either.

        Raises:
            InvalidRequest: Something in it is wrong; `errors` says what, by the field.
        """
        return self._read(
            StudyCreated,
            "POST /studies",
            json=study,
            headers={KEY: idempotency_key or uuid.uuid4().hex},
            repeatable=True,
        )

    def studies(
        self, *, state: StudyState | str | None = None, limit: int = LARGEST
    ) -> Iterator[StudyAnswer]:
        """Yield studies, newest first, page by page as they are wanted.

        Args:
            state: Only those in this state.
            limit: Studies to fetch at once.
        """
        return self._pages(
            StudyPageAnswer, "GET /studies", by="cursor", query={"state": state, "limit": limit}
        )

    def study(self, study_id: str) -> StudyAnswer:
        """Return a study and how far it has come."""
        return self._read(StudyAnswer, "GET /studies/{study_id}", study_id=study_id)

    def cancel(self, study_id: str) -> StudyAnswer:
        """Cancel a queued or running study. Finished trials keep their results.

        Raises:
            Conflict: It has ended otherwise.
        """
        return self._read(
            StudyAnswer, "POST /studies/{study_id}/cancel", study_id=study_id, repeatable=True
        )

    def delete_study(self, study_id: str) -> None:
        """Delete a study that has ended. Results of its trials stay, for others to reuse.

        Raises:
            Conflict: It has not ended.
        """
        self._ask("DELETE /studies/{study_id}", study_id=study_id)

    def trials(
        self, study_id: str, *, state: TrialState | str | None = None, limit: int = 1000
    ) -> Iterator[TrialAnswer]:
        """Yield a study's trials, in the order they are trained.

        Args:
            study_id: The study.
            state: Only those in this state.
            limit: Trials to fetch at once.
        """
        return self._pages(
            TrialPage,
            "GET /studies/{study_id}/trials",
            by="offset",
            query={"state": state, "limit": limit},
            study_id=study_id,
        )

    def trial(self, key: str) -> TrialWithCurves:
        """Return one trial with its values after every epoch."""
        return self._read(TrialWithCurves, "GET /trials/{key}", key=key)

    def page(self, study_id: str) -> str:
        """Return the address of a study's page, for a browser."""
        return f"{self.server}/studies/{study_id}"
