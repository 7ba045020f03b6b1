"""Studies over REST, and what runners do with them."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

STUDIES = "/api/v1/studies"


class Api:
    """Requests that must succeed, shortly."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def send(self, request: dict[str, Any]) -> str:
        """Create a study; returns its id."""
        return self("POST", "", json=request)["study"]["id"]

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        answer = self.client.request(method, STUDIES + path, **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def read(self, study_id: str) -> dict[str, Any]:
        return self("GET", f"/{study_id}")

    def listed(self, **filters: Any) -> list[str]:
        """Ids that a list shows, through all its pages."""
        found, cursor = [], None
        while True:
            page = self("GET", "", params=filters | ({"cursor": cursor} if cursor else {}))
            found += [one["id"] for one in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def refused(self, method: str, path: str, status: int, **options: Any) -> dict[str, Any]:
        answer = self.client.request(method, STUDIES + path, **options)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.json()


@pytest.fixture
def api(client: TestClient) -> Api:
    return Api(client)


@pytest.fixture
def search() -> Callable[..., dict[str, Any]]:
    """Make a valid request for a small search; keywords change it."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "mode": "search",
            "task": "digits-mlp",
            "optimizers": ["adamw"],
            "seeds": 2,
            "budget": {"epochs": 4, "points": 5},
        } | changes

    return make
