"""The application as a whole: what it imports, documents, lists and answers with."""

import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

import lpwd.catalogue
from dashboards.security import CONTENT_SECURITY_POLICY
from workers import tasks

PROBLEM = {"$ref": "#/components/schemas/Problem"}


def test_the_api_process_imports_neither_torch_nor_ray(tmp_path):
    program = (
        "import sys; from service.app import create_app; from service.settings import Settings;"
        f"create_app(Settings(database_url='sqlite:///{tmp_path}/lpwd.db')).openapi();"
        "print([m for m in ('torch', 'ray', 'optuna', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture
def document(client):
    return client.get("/api/v1/openapi.json").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_document_is_openapi_that_holds_together(document):
    assert document["openapi"].startswith("3.1")
    assert {"title", "version"} <= set(document["info"])
    for reference in references(document):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_every_route_of_the_api_documents_its_problems(document):
    for name, operation in operations(document):
        assert operation["summary"], name
        if "/api/v1/" not in name:
            continue
        responses = operation["responses"]
        assert responses["422"]["content"]["application/problem+json"]["schema"] == PROBLEM
        for status, response in responses.items():
            if status.startswith("4"):
                assert list(response["content"]) == ["application/problem+json"], name
        if "{" in name:
            assert "404" in responses, name


def test_answers_are_as_documented(client, document, study):
    """The bodies of some answers, against the schemas they are documented with."""
    created = client.post("/api/v1/studies", json=study())
    cases = [
        ("/api/v1/studies", "post", "201", created.json()),
        ("/api/v1/studies", "get", "200", client.get("/api/v1/studies").json()),
        ("/api/v1/optimizers", "get", "200", client.get("/api/v1/optimizers").json()),
        ("/api/v1/tasks", "get", "200", client.get("/api/v1/tasks").json()),
        ("/api/v1/studies", "post", "422", client.post("/api/v1/studies", json={}).json()),
    ]
    for path, method, status, body in cases:
        (content,) = document["paths"][path][method]["responses"][status]["content"].values()
        schema = content["schema"] | {"components": document["components"]}
        Draft202012Validator(schema).validate(body)


def test_the_catalogue_is_listed_one_by_one_and_whole(client):
    for path in ("optimizers", "optimizers/adamw", "tasks", "tasks/digits-mlp", "presets"):
        etag = client.get(f"/api/v1/{path}").headers["etag"]
        same = client.get(f"/api/v1/{path}", headers={"If-None-Match": etag})
        assert (same.status_code, same.content) == (304, b"")
    listed = client.get("/api/v1/optimizers").json()
    assert [one["name"] for one in listed] == [one.name for one in lpwd.catalogue.entries()]
    for one in listed:
        assert client.get(f"/api/v1/optimizers/{one['name']}").json() == one
        Draft202012Validator.check_schema(one["hyperparameters"])
        defaults = {n: h["default"] for n, h in one["hyperparameters"]["properties"].items()}
        Draft202012Validator(one["hyperparameters"]).validate(defaults)
    listed = client.get("/api/v1/tasks").json()
    assert [one["name"] for one in listed] == list(tasks.names())
    for one in listed:
        assert client.get(f"/api/v1/tasks/{one['name']}").json() == one
        for schema in (one["budget"], one["numerics"]):
            Draft202012Validator.check_schema(schema)
        defaults = {n: f["default"] for n, f in one["budget"]["properties"].items()}
        assert defaults["epochs"] == one["epochs"]
        Draft202012Validator(one["budget"]).validate(defaults)


def test_a_data_set_says_what_brings_it_here(client):
    commands = {one["name"]: one["command"] for one in client.get("/api/v1/datasets").json()}
    assert commands["digits"].startswith("pip install")
    assert commands["cifar10"] == "lpwd data fetch cifar10"


def test_every_optimizer_listed_can_be_sent(client, study):
    names = [one["name"] for one in client.get("/api/v1/optimizers").json()]
    answer = client.post("/api/v1/studies", json=study(optimizers=names), params={"dry_run": True})
    assert answer.status_code == 200, answer.text
    assert answer.json()["trials"] == 8 * len(names)


def test_every_answer_keeps_to_itself(client, study):
    address = client.post("/api/v1/studies", json=study()).headers["location"]
    for path in (
        address,
        f"{address}/heatmap.csv",
        "/api/v1/nothing",
        "/healthz",
        "/",
        "/?cursor=x",
    ):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
    assert client.get("/").headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "access-control-allow-origin" not in client.get("/", headers={"Origin": "x"}).headers
