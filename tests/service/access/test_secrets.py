"""Secrets stay where they are: never in logs, answers, errors or descriptions; and nothing that
somebody sends is run."""

import ast
import io
import logging
import pickle
import re
from pathlib import Path

import pytest

import dashboards
import lpwd
import service
import workers
from service.keys.model import NewKey, Role
from service.logs import formatter
from service.runner.process import check_token
from service.settings import Settings
from service.webhooks.delivering import Claimed
from tests.service.work import bearer

PASSWORD = "correct-horse-battery"
SOURCES = [
    path
    for package in (lpwd, workers, service, dashboards)
    for path in Path(package.__file__).parent.rglob("*.py")
]


@pytest.fixture
def logged():
    """Everything that is logged meanwhile, details of libraries too, as it would be printed."""
    lines = io.StringIO()
    handlers = []
    for form in ("text", "json"):
        handler = logging.StreamHandler(lines)
        handler.setFormatter(formatter(form))
        handlers.append(handler)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)
    yield lines
    root.setLevel(level)
    for handler in handlers:
        root.removeHandler(handler)


def test_no_secret_is_logged_or_answered(guarded, made, study, logged):
    root = made("root", Role.ADMIN)
    headers = bearer(root.token)
    secrets = {root.token.split("_")[2]}
    fresh = guarded.post("/api/v1/keys", json={"name": "ann", "role": "admin"}, headers=headers)
    secrets.add(fresh.json()["token"].split("_")[2])
    hook = guarded.post(
        "/api/v1/webhooks", json={"url": "https://nobody.invalid/"}, headers=headers
    ).json()
    secrets.add(hook["secret"].removeprefix("whsec_"))
    origin = {"Origin": "http://testserver"}
    form = {"key": fresh.json()["token"], "next": "/"}
    guarded.post("/login", data=form, headers=origin, follow_redirects=False)
    secrets.add(guarded.cookies["lpwd_session"])
    address = guarded.post("/api/v1/studies", json=study(), headers=headers).headers["location"]
    answers = [
        guarded.request(method, path, headers=headers | more, json=body)
        for method, path, more, body in (
            ("GET", "/api/v1/keys", {}, None),
            ("GET", "/api/v1/keys/me", {}, None),
            ("GET", "/api/v1/webhooks", {}, None),
            ("GET", f"/api/v1/webhooks/{hook['id']}", {}, None),
            ("GET", f"/api/v1/webhooks/{hook['id']}/deliveries", {}, None),
            ("GET", "/", {}, None),
            ("GET", address, {}, None),
            ("GET", f"{address}/manifest", {}, None),
            ("GET", "/metrics", {}, None),
            ("GET", "/readyz", {}, None),
            ("GET", "/api/v1/nothing", {}, None),
            ("POST", "/api/v1/studies", {}, {"task": 5}),
            ("POST", "/api/v1/keys", {}, {"name": "root"}),
            ("POST", "/api/v1/webhooks", {}, {"url": "https://127.0.0.1/"}),
            ("DELETE", address, {"X-Request-ID": "x"}, None),
            ("GET", "/api/v1/studies", {"Authorization": f"Bearer {root.token}x"}, None),
            ("GET", "/api/v1/studies", {"Authorization": f"Basic {root.token}"}, None),
        )
    ]
    said = "".join(answer.text + str(answer.headers) for answer in answers) + logged.getvalue()
    assert "request" in logged.getvalue()
    for secret in secrets:
        assert secret not in said


def test_a_key_in_an_address_is_not_logged(guarded, made, logged):
    token = made("ann").token
    for path in (f"/api/v1/studies?key={token}", f"/{token}", f"/login?next=/{token}"):
        guarded.get(path)
    assert "request" in logged.getvalue()
    assert token.split("_")[2] not in logged.getvalue()


def test_what_holds_a_secret_does_not_show_it(made):
    key = made("ann")
    assert isinstance(key, NewKey)
    for held in (key, Claimed("d", "w", "u", "whsec_abcdefghijk", {})):
        assert "secret" not in repr(held)
        assert key.token not in repr(held)
        assert "abcdefgh" not in repr(held)


def test_the_description_shows_no_key(client):
    text = client.get("/api/v1/openapi.json").text + client.get("/docs").text
    assert not re.search(r"lpwd_[0-9a-f]{12}_", text)
    assert not re.search(r"whsec_[A-Za-z0-9+/]{20}", text)


def test_a_password_of_the_database_is_not_shown(installed, logged):
    client = installed(database_url=f"postgresql://lpwd:{PASSWORD}@127.0.0.1:1/lpwd")
    for path in ("/readyz", "/api/v1/studies", "/metrics", "/"):
        answer = client.get(path)
        assert PASSWORD not in answer.text
    assert PASSWORD not in logged.getvalue()


def test_a_cluster_that_lets_in_everybody_is_refused():
    def check(environment, **changes):
        settings = {"ray_address": "head:6379"} | changes
        check_token(Settings(_env_file=None, **settings), environment)

    for environment in ({}, {"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN": "x"}):
        with pytest.raises(ConnectionError, match="RAY_AUTH_MODE=token"):
            check(environment)
    check({"RAY_AUTH_MODE": "token"})
    check({}, ray_address="local")
    check({}, ray_without_token=True)


def calls(path):
    """Yield every call in a file, by the name it is called by, with its keywords."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            keywords = {one.arg: ast.unparse(one.value) for one in node.keywords}
            yield ast.unparse(node.func), keywords


def test_nothing_is_unpickled_and_no_text_becomes_code():
    """Files are read as tensors alone, as plain arrays or as JSON."""
    seen = set()
    for path in SOURCES:
        for name, keywords in calls(path):
            if name == "torch.load":
                assert keywords["weights_only"] == "True", path
            if name in {"np.load", "numpy.load"}:
                assert keywords["allow_pickle"] == "False", path
            assert not re.fullmatch(r"(c?pickle|dill|cloudpickle|joblib|marshal|shelve)\..*", name)
            assert name not in {"eval", "exec", "compile", "Unpickler", "yaml.unsafe_load"}
            assert name not in {"os.system", "os.popen"}
            assert keywords.get("shell") != "True", path
            seen.add(name)
    assert {"torch.load", "np.load"} <= seen


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def test_a_pickle_that_is_sent_is_bytes_and_no_more(client):
    bomb = pickle.dumps(Bomb())
    document = client.get("/api/v1/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "requestBody" in operation:
                for kind in ("application/json", "application/zip", "application/octet-stream"):
                    answer = client.request(
                        method,
                        path.replace("{", "").replace("}", ""),
                        content=bomb,
                        headers={"Content-Type": kind},
                    )
                    assert 400 <= answer.status_code < 500, (method, path, kind)
