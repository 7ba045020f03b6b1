from collections.abc import Callable
from typing import Any

import pytest

from service.db import Database
from tests.service.search import points


@pytest.fixture
def search() -> Callable[..., dict[str, Any]]:
    """Make a valid request for a small search; keywords change it."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "mode": "search",
            "task": "digits-mlp",
            "optimizers": ["adamw", "adam-lpwd"],
            "space": {
                "learning_rate": {"low": 1e-3, "high": 1e-1},
                "weight_decay": {"low": 1e-4, "high": 1, "zero": True},
                "optimizers": {"adamw": {"beta1": {"low": 0.8, "high": 0.95}}},
            },
            "seeds": 2,
            "budget": {"epochs": 4, "points": 5},
        } | changes

    return make


@pytest.fixture
def searching(database: Database, search):
    """Send a search to the database; keywords change the request. Returns its id."""

    def send(**changes) -> str:
        return points.send(database, search(**changes))

    return send
