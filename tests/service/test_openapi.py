"""The OpenAPI document, and the service held to it: schemathesis with every check it has.

`LPWD_FUZZ_EXAMPLES=200 python -m pytest tests/service/test_openapi.py` looks longer; the number is
that of requests an operation gets in each of the phases that draw them.
"""

import json
import os
import re
from collections import Counter

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from service.app import create_app
from service.openapi import METHODS, TAGS
from service.problems import MEDIA_TYPE
from tests.service.samples import fill

EXAMPLES = int(os.environ.get("LPWD_FUZZ_EXAMPLES", "3"))
schemathesis.serializer("application/zip")(lambda _context, value: {"data": str(value).encode()})

NEEDS_MORE_THAN_A_SCHEMA = {
    "import_study": "a file is one that a service wrote",
    "create_key": "a moment to come",
    "list_studies": "a cursor is one that the service gave",
    "change_study": "an ETag is one that the service gave",
    "create_study": "optimizers, tasks and their data, ranges that belong together, sizes",
    "extend_study": "as for a new one",
    "clone_study": "a patch of an object that only the service knows",
    "create_webhook": "addresses that may be told",
    "change_webhook": "likewise",
    "list_trials": "the label is one of the study's",
    "create_schedule": "cron expressions, time zones, and a study",
    "change_schedule": "likewise",
    "comparison": "the reference is an optimizer of the study",
    **dict.fromkeys(
        (
            *(f"difference_{kind}" for kind in ("json", "csv", "svg", "png", "pdf", "vega_lite")),
            *(f"report_{kind}" for kind in ("html", "markdown", "latex")),
            "compare",
            "compare_svg",
            "compare_png",
        ),
        "likewise",
    ),
}
"""Operations that may refuse what their schema allows, and why. All others must accept it."""


@pytest.fixture
def app(settings, database):
    fill(database)
    return create_app(settings)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    from service.settings import Settings

    url = f"sqlite:///{tmp_path_factory.mktemp('document') / 'lpwd.db'}"
    return create_app(Settings(_env_file=None, database_url=url)).openapi()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield path, method, operation


def test_every_operation_is_described(document):
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    for _, _, operation in operations(document):
        assert operation["tags"]
        assert operation["tags"][0] in tags, operation["tags"]
        assert operation["description"]
        for parameter in operation.get("parameters", []):
            if parameter["in"] != "path":
                assert parameter.get("description"), (operation["operationId"], parameter["name"])
    assert tags.keys() <= TAGS.keys()


def test_operations_have_names_that_a_client_can_call(document):
    names = Counter(operation["operationId"] for _, _, operation in operations(document))
    assert max(names.values()) == 1
    for name in names:
        assert re.fullmatch(r"[a-z][a-z0-9_]+", name), name
        assert "api_v1" not in name
    assert {"create_study", "list_studies", "read_study", "extend_study", "read_trial"} <= set(
        names
    )


def test_bodies_have_examples(document):
    for _, _, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = content["schema"]
            if schema.get("format") == "binary":
                continue
            named = document["components"]["schemas"].get(
                schema.get("$ref", "").rpartition("/")[2], {}
            )
            assert "examples" in content or "example" in content or "examples" in named, operation[
                "operationId"
            ]


def test_every_operation_names_its_errors_and_no_other(document):
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, _, operation in operations(document):
        answers = operation["responses"]
        assert {"414", "415", "431"} <= answers.keys()
        assert "default" not in answers
        assert ("404" in answers) >= ("{" in path)
        assert ({"400", "413"} <= answers.keys()) == ("requestBody" in operation)
        assert ("422" in answers) == path.startswith("/api/v1/")
        for status, answer in answers.items():
            if status >= "4" and (path, status) != ("/readyz", "503"):
                assert answer["content"] == problem, (path, status)
                assert answer["description"]
        needs_a_key = {"401", "403", "421", "429", "503"} <= answers.keys()
        assert needs_a_key == (path not in {"/healthz", "/readyz"})
        assert ({"key": []} in operation.get("security", [])) == needs_a_key
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_every_operation_refuses_as_it_says(guarded, document):
    for path, method, operation in operations(document):
        address = re.sub(r"\{\w+\}", "x", path)
        for status, odd in (
            ("401", {}),
            ("401", {"headers": {"Authorization": "Bearer lpwd_nobody_s"}}),
            ("421", {"headers": {"Host": "elsewhere.example.org"}}),
            ("414", {"params": {"long": "a" * 9000}}),
            ("415", {"headers": {"Content-Encoding": "gzip"}}),
            ("431", {"headers": {"X-Long": "a" * 40_000}}),
        ):
            answer = guarded.request(method, address, **odd)
            if status in operation["responses"]:
                assert str(answer.status_code) == status, (method, path)
                assert answer.headers["content-type"] == MEDIA_TYPE
            assert str(answer.status_code) in operation["responses"], (method, path, status)


def configured(document):
    """Every check, on every operation; requests drawn the same way each time."""
    accepted = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429"]
    generation = {"max-examples": EXAMPLES, "deterministic": True, "database": "none"}
    return SchemathesisConfig.from_dict(
        {
            "max-stream-events": 1,
            "request-timeout": 120,  # a timing is no test
            "continue-on-failure": True,
            "generation": generation,
            "operations": [
                {
                    "include-operation-id": name,
                    "checks": {"positive_data_acceptance": {"expected-statuses": accepted}},
                }
                for name in NEEDS_MORE_THAN_A_SCHEMA
            ],
        }
    )


def test_requests_of_all_kinds_are_answered_as_documented(app):
    schema = schemathesis.openapi.from_asgi(
        "/api/v1/openapi.json", app, config=configured(app.openapi())
    )
    failures, requests, errors = {}, Counter(), []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            errors.append(str(getattr(event, "value", None) or getattr(event, "exception", event)))
        if not isinstance(event, events.ScenarioFinished):
            continue
        requests[event.phase.name] += len(event.recorder.interactions)
        for checks in event.recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    where = f"{failure.operation}: {failure.title}"
                    failures[where] = f"{failure.message}\n{check.failure_info.code_sample}"
    assert not errors, "\n".join(errors)
    assert not failures, "\n\n".join(f"{k}\n{v[:2000]}" for k, v in failures.items())
    assert sum(requests.values()) > 500, requests


class TestOddRequests:
    """What schemathesis does not send, or not surely."""

    def test_head_is_get_without_the_body(self, client, database):
        ids = fill(database)
        for path in (
            "/api/v1/studies",
            f"/api/v1/studies/{ids['finished']}",
            f"/api/v1/studies/{ids['queued']}/events",
            f"/api/v1/studies/{ids['finished']}/heatmap.csv",
            "/healthz",
            "/",
        ):
            head = client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            if not path.endswith("/events"):
                got = client.get(path)
                assert head.headers["content-type"] == got.headers["content-type"]
                assert head.headers.get("content-length") == got.headers.get("content-length")
        assert client.head("/api/v1/studies/none").status_code == 404

    def test_a_method_that_is_not_there_names_those_that_are(self, client):
        for method, path, methods in (
            ("PUT", "/api/v1/studies", "GET, HEAD, POST"),
            ("PUT", "/api/v1/studies/x", "DELETE, GET, HEAD, PATCH"),
            ("OPTIONS", "/api/v1/studies/x/tags/a", "DELETE, PUT"),
            ("GET", "/api/v1/studies/x/cancel", "POST"),
            ("PATCH", "/healthz", "GET, HEAD"),
        ):
            answer = client.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, methods)
            assert answer.headers["content-type"] == MEDIA_TYPE

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/xml", "", "application/jsonx", "multipart/form-data"]
    )
    def test_a_body_that_is_not_json(self, client, study, kind):
        answer = client.post(
            "/api/v1/studies", content=json.dumps(study()), headers={"Content-Type": kind}
        )
        assert answer.status_code == 415
        assert answer.json()["type"] == "urn:lpwd:problem:unsupported-media-type"

    @pytest.mark.parametrize(
        "kind",
        ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"],
    )
    def test_a_body_that_is(self, client, study, kind):
        made = client.post("/api/v1/studies", json=study()).json()["study"]["id"]
        answer = client.patch(
            f"/api/v1/studies/{made}", content='{"note": "x"}', headers={"Content-Type": kind}
        )
        assert answer.status_code == 200

    def test_whatever_is_accepted_gets_json(self, client):
        for accept in ("text/html", "image/png", "", "*/*;q=0", "\x7f"):
            answer = client.get("/api/v1/studies", headers={"Accept": accept})
            assert answer.headers["content-type"] == "application/json"

    def test_a_parameter_given_twice_is_refused_unless_it_takes_several(self, client):
        answer = client.get("/api/v1/studies?limit=5&limit=6")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "limit"
        assert client.get("/api/v1/studies?state=done&state=failed&tag=a&tag=b").is_success

    def test_no_odd_value_anywhere_breaks_the_service(self, client, database, document):
        study_id = fill(database)["finished"]

        def ask(method, path, operation, odd, query="", **options):
            text = odd.encode("utf-8", "surrogatepass")
            quoted = "".join(f"%{byte:02x}" for byte in text)
            address = re.sub(r"\{\w+\}", quoted, path.replace("{study_id}", study_id))
            address += f"?{query}={quoted}" if query else ""
            answer = client.request(method, address, **options)
            assert str(answer.status_code) in operation["responses"], (method, address, options)
            assert answer.status_code < 500

        for path, method, operation in operations(document):
            if method == "delete" or "events" in path:
                continue
            queries = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
            for odd in ODD if "{" in path else ():
                ask(method, path, operation, odd)
            for odd in ODD[:3]:
                for query in queries:
                    ask(method, path, operation, odd, query)
            for body in BODIES if "requestBody" in operation else ():
                headers = {"Content-Type": "application/json"}
                ask(method, path, operation, "x", content=body, headers=headers)


ODD = ["\0", "\ud800", "1" * 5000, "a\0b", "\uffff", "-" + "9" * 400, "[" * 900, "%s"]
BODIES = [
    '{"a":' * 5000 + "1" + "}" * 5000,
    "1" * 5000,
    '{"seeds": ' + "1" * 5000 + "}",
    *(
        json.dumps({field: odd})
        for field in ("name", "task", "note", "url", "cron", "tags")
        for odd in ODD[:2]
    ),
]
