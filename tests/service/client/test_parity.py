"""Every operation of the API, with all its parameters, has a method in the client."""

import ast
import re
from pathlib import Path

import pytest

import service.client
from service.app import create_app
from service.settings import Settings

SOURCES = sorted(Path(service.client.__file__).parent.glob("*.py"))
OPERATION = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/[^\s]*)")
SENT_BY_ITSELF = {"cursor", "offset"}
"""Parameters that a method sets for its caller."""
ELSEWHERE: set[str] = set()
"""Operations that are no method's on purpose."""


def operations_of_the_client():
    """Operation to the arguments of the methods that send it."""
    found = {}
    for source in SOURCES:
        tree = ast.parse(source.read_text())
        tables = {
            node.targets[0].id: set(operations(node.value))
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for method in ast.walk(tree):
            if isinstance(method, ast.FunctionDef):
                names = {one.arg for one in (*method.args.args, *method.args.kwonlyargs)}
                names |= {key.value for key in keys(method) if isinstance(key, ast.Constant)}
                for node in ast.walk(method):
                    own = tables.get(node.id, ()) if isinstance(node, ast.Name) else ()
                    for operation in (*operations(node), *own):
                        found.setdefault(operation, set()).update(names)
    return found


def keys(node):
    """The keys of all dictionaries in a piece of source."""
    return [key for one in ast.walk(node) if isinstance(one, ast.Dict) for key in one.keys]


def operations(node):
    """The operations named in a piece of source."""
    for one in ast.walk(node):
        value = one.value if isinstance(one, ast.Constant) else None
        if isinstance(value, str) and OPERATION.fullmatch(value):
            yield value


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """Operation to its parameters in the query, as the OpenAPI document has them."""
    folder = tmp_path_factory.mktemp("described")
    app = create_app(Settings(_env_file=None, database_url=f"sqlite:///{folder / 'lpwd.db'}"))
    found = {}
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path.removeprefix('/api/v1')}"
            found[name] = {
                one["name"] for one in operation.get("parameters", []) if one["in"] == "query"
            }
    return found


def test_every_operation_has_a_method(described):
    missing = described.keys() - operations_of_the_client().keys() - ELSEWHERE
    assert not missing, f"write methods in service/client/ for {sorted(missing)}"


def test_no_method_asks_for_what_there_is_not(described):
    assert operations_of_the_client().keys() <= described.keys()


def test_every_parameter_is_an_argument(described):
    sent = operations_of_the_client()
    missing = {
        operation: left
        for operation, parameters in described.items()
        if (left := parameters - sent.get(operation, parameters) - SENT_BY_ITSELF)
    }
    assert not missing
