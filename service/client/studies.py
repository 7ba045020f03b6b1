"""Studies and their trials."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.client.transport import Transport
from service.studies.answers import (
    StudyAnswer,
    StudyCreated,
    StudyExtended,
    StudyPageAnswer,
    StudyPlan,
)
from service.studies.model import StudyOrder, StudyState
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
        self,
        *,
        state: StudyState | str | Sequence[StudyState | str] | None = None,
        task: str | None = None,
        optimizer: str | None = None,
        owner: str | None = None,
        tag: str | Sequence[str] | None = None,
        text: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        order: StudyOrder | str | None = None,
        limit: int = LARGEST,
    ) -> Iterator[StudyAnswer]:
        """Yield studies, newest first, page by page as they are wanted.

        Args:
            state: Only those in this state, or in one of these.
            task: Only those of this task.
            optimizer: Only those with this optimizer: a name of the catalogue, or a label.
            owner: Only those sent with the key of this name.
            tag: Only those with this tag, or with all of these.
            text: Only those with this in name, note or id, in capitals or not.
            created_after: Only those sent at this moment or later, in a time zone.
            created_before: Only those sent before this moment.
            order: What comes first: ``newest``, ``oldest``, ``name`` or ``priority``.
            limit: Studies to fetch at once.
        """
        query = {
            "state": state,
            "task": task,
            "optimizer": optimizer,
            "owner": owner,
            "tag": tag,
            "q": text,
            "created_after": None if created_after is None else created_after.isoformat(),
            "created_before": None if created_before is None else created_before.isoformat(),
            "order": order,
            "limit": limit,
        }
        return self._pages(StudyPageAnswer, "GET /studies", by="cursor", query=query)

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

    def delete_study(self, study_id: str, *, cancel: bool | None = None) -> None:
        """Delete a study that has ended. Results of its trials stay, for others to reuse.

        Args:
            study_id: The study.
            cancel: Whether to cancel it before, if it is queued or running.

        Raises:
            Conflict: It has not ended.
        """
        query = {"cancel": cancel}
        self._ask("DELETE /studies/{study_id}", query=query, study_id=study_id, deletes=True)

    def change_study(
        self,
        study_id: str,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        note: str | None = None,
        priority: int | None = None,
        limits: Mapping[str, float | None] | None = None,
        if_match: str | None = None,
    ) -> StudyAnswer:
        """Change what is said of a study; what is left out stays.

        Args:
            study_id: The study.
            name: For people.
            tags: In place of all it has; see `add_tag` for one more.
            note: For people.
            priority: From -100 to 100; studies with a higher one are trained first.
            limits: ``running_seconds`` and ``training_seconds``, in place of both it has.
            if_match: The `ETag` that the study was last read with, so that nobody else's change
                is overwritten.

        Raises:
            ChangedMeanwhile: It was changed since.
        """
        changes = {
            "name": name,
            "tags": None if tags is None else list(tags),
            "note": note,
            "priority": priority,
            "limits": None if limits is None else dict(limits),
        }
        return self._read(
            StudyAnswer,
            "PATCH /studies/{study_id}",
            json={field: value for field, value in changes.items() if value is not None},
            headers={"If-Match": if_match} if if_match else {},
            study_id=study_id,
        )

    def add_tag(self, study_id: str, tag: str) -> StudyAnswer:
        """Tag a study. A tag that it has stays."""
        return self._read(
            StudyAnswer, "PUT /studies/{study_id}/tags/{tag}", study_id=study_id, tag=tag
        )

    def remove_tag(self, study_id: str, tag: str) -> StudyAnswer:
        """Take a tag from a study. One that it does not have is no error."""
        return self._read(
            StudyAnswer, "DELETE /studies/{study_id}/tags/{tag}", study_id=study_id, tag=tag
        )

    def retry(self, study_id: str) -> StudyAnswer:
        """Try again what failed, and train what was left when the study was cancelled.

        Raises:
            Conflict: There is nothing to try again.
        """
        return self._read(StudyAnswer, "POST /studies/{study_id}/retry", study_id=study_id)

    def plan_extension(self, study_id: str, **more: Any) -> StudyPlan:
        """Say what an extension would cost; see `extend`."""
        return self._read(
            StudyPlan,
            "POST /studies/{study_id}/extend",
            json=more,
            query={"dry_run": True},
            repeatable=True,
            study_id=study_id,
        )

    def extend(self, study_id: str, **more: Any) -> StudyExtended:
        """Add seeds, rates or optimizers to a grid; points or seconds to a search.

        Only what is new is trained.

        Args:
            study_id: The study.
            more: `seeds`, `learning_rates`, `weight_decays` or `optimizers`; `points` or `seconds`
                of a search.

        Raises:
            Conflict: Nothing of it is new.
        """
        return self._read(
            StudyExtended, "POST /studies/{study_id}/extend", json=more, study_id=study_id
        )

    def request(self, study_id: str) -> dict[str, Any]:
        """Return what `submit` takes to send this study again, every default written out."""
        found: dict[str, Any] = self._ask(
            "GET /studies/{study_id}/request", study_id=study_id
        ).json()
        return found

    def plan_clone(self, study_id: str, changes: Mapping[str, Any] | None = None) -> StudyPlan:
        """Say what a clone would cost; see `clone`."""
        return self._read(
            StudyPlan,
            "POST /studies/{study_id}/clone",
            json=dict(changes or {}),
            query={"dry_run": True},
            repeatable=True,
            study_id=study_id,
        )

    def clone(
        self,
        study_id: str,
        changes: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> StudyCreated:
        """Send a study again as a new one.

        Args:
            study_id: The study.
            changes: What is to be different, a JSON Merge Patch of what `request` returns.
            idempotency_key: As for `submit`.
        """
        return self._read(
            StudyCreated,
            "POST /studies/{study_id}/clone",
            json=dict(changes or {}),
            headers={KEY: idempotency_key or uuid.uuid4().hex},
            repeatable=True,
            study_id=study_id,
        )

    def trials(
        self,
        study_id: str,
        *,
        state: TrialState | str | Sequence[TrialState | str] | None = None,
        optimizer: str | None = None,
        learning_rate: float | Sequence[float] | None = None,
        weight_decay: float | Sequence[float] | None = None,
        seed: int | Sequence[int] | None = None,
        limit: int = 1000,
    ) -> Iterator[TrialAnswer]:
        """Yield a study's trials, in the order they are trained.

        Args:
            study_id: The study.
            state: Only those in this state, or in one of these.
            optimizer: Only those of the optimizer with this label.
            learning_rate: Only those with this one, or with one of these.
            weight_decay: Likewise.
            seed: Likewise.
            limit: Trials to fetch at once.
        """
        query = {
            "state": state,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "seed": seed,
            "limit": limit,
        }
        return self._pages(
            TrialPage,
            "GET /studies/{study_id}/trials",
            by="offset",
            query=query,
            study_id=study_id,
        )

    def trial(self, key: str) -> TrialWithCurves:
        """Return one trial: its values after every epoch, its studies, how to train it again."""
        return self._read(TrialWithCurves, "GET /trials/{key}", key=key)

    def page(self, study_id: str) -> str:
        """Return the address of a study's page, for a browser."""
        return f"{self.server}/studies/{study_id}"
