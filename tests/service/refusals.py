"""Checking that something was refused: a problem document, and nothing written."""

from service.db import Base
from tests.service import work


def refused(answer, field=None):
    """Check a problem document; returns it."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "instance", "errors", "request_id"}
    assert body["status"] == answer.status_code
    assert body["type"].startswith("urn:lpwd:problem:")
    assert body["detail"]
    assert answer.request.url.path == body["instance"]
    if field is not None:
        assert field in [error["field"] for error in body["errors"]], body
    return body


def unchanged(database):
    return all(work.rows(database, mapper.class_) == [] for mapper in Base.registry.mappers)
