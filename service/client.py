"""A client of the REST API."""

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from service.studies.model import StudyState
from service.studies.schemas import StudyAnswer, StudyCreated, StudyPlan

LOOK_EVERY = 0.5
"""Seconds between two looks at a study that is watched, at most."""
LOOK_AFTER = 0.1
"""Share of the time watched so far after which to look again, until that is `LOOK_EVERY`: short
studies are not kept waiting."""
SOONEST = 0.05
"""Seconds between two looks, at least."""
PATIENCE = 30.0
"""Seconds that a service may be away, restarting, before watching gives up."""


class ClientError(Exception):
    """The service refused, or could not be reached. Its message is for people."""


class Client:
    """Talks to one service. Use as a context manager."""

    def __init__(self, server: str) -> None:
        """Talk to the service at a URL such as ``http://127.0.0.1:8000``."""
        self._server = server.rstrip("/")
        self._http = httpx.Client(base_url=f"{self._server}/api/v1", timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def ready(self) -> bool:
        """Tell whether the service answers and can serve."""
        try:
            return self._http.get(f"{self._server}/readyz").is_success
        except httpx.TransportError:
            return False

    def plan(self, study: Mapping[str, Any]) -> StudyPlan:
        """Say what a study would cost, without sending it."""
        answer = self._send("POST", "/studies", json=study, params={"dry_run": True})
        return StudyPlan.model_validate_json(answer.content)

    def submit(
        self, study: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> StudyCreated:
        """Send a study."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer = self._send("POST", "/studies", json=study, headers=headers)
        return StudyCreated.model_validate_json(answer.content)

    def study(self, study_id: str) -> StudyAnswer:
        """Return a study and how far it has come."""
        answer = self._send("GET", f"/studies/{study_id}")
        return StudyAnswer.model_validate_json(answer.content)

    def watch(self, study_id: str) -> Iterator[StudyAnswer]:
        """Yield a study again and again until it ends; the last one is final.

        A service that is away for a moment, to restart, is waited for.
        """
        began = seen = time.monotonic()
        while True:
            try:
                study = self.study(study_id)
            except ServiceAwayError:
                if time.monotonic() - seen > PATIENCE:
                    raise
            else:
                seen = time.monotonic()
                yield study
                if study.state.final:
                    return
            pause = LOOK_AFTER * (time.monotonic() - began)
            time.sleep(min(LOOK_EVERY, max(SOONEST, pause)))

    def cancel(self, study_id: str) -> StudyState:
        """Cancel a study; returns its state."""
        answer = self._send("POST", f"/studies/{study_id}/cancel")
        return StudyAnswer.model_validate_json(answer.content).state

    def results(self, study_id: str) -> dict[str, Any]:
        """Return maps, robustness table and curves, as `heatmap.json` has them."""
        found: dict[str, Any] = self._send("GET", f"/studies/{study_id}/heatmap.json").json()
        return found

    def search(self, study_id: str) -> dict[str, Any]:
        """Return what a search found, as `search` has it."""
        found: dict[str, Any] = self._send("GET", f"/studies/{study_id}/search").json()
        return found

    def picture(self, study_id: str, kind: str) -> bytes:
        """Return the heatmaps as one figure: ``png`` or ``svg``."""
        return self._send("GET", f"/studies/{study_id}/heatmap.{kind}").content

    def page(self, study_id: str) -> str:
        """Return the address of a study's page."""
        return f"{self._server}/studies/{study_id}"

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise ServiceAwayError(
                f"no service answers at {self._server} ({error}); start one with `lpwd serve`, or "
                "name another with --server"
            ) from error
        if answer.is_success:
            return answer
        raise ClientError(_refusal(answer))


class ServiceAwayError(ClientError):
    """Nothing answers."""


def _refusal(answer: httpx.Response) -> str:
    """Put a problem document into words."""
    try:
        problem = answer.json()
        title, detail, errors = problem["title"], problem["detail"], problem["errors"]
        if len(errors) <= 1:
            return f"{title}: {detail}"
        return "\n".join([f"{title}:", *(f"  {one['field']}: {one['detail']}" for one in errors)])
    except (ValueError, KeyError, TypeError):
        return f"the service answered {answer.status_code}: {answer.text[:500]}"
