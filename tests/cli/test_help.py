"""What the command line says of itself, and how quickly."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
import typer

from service.cli import COMMANDS, app
from service.cli.lazy import load

ROOT = typer.main.get_command(app)
HEAVY = ("torch", "ray", "sqlalchemy", "fastapi", "uvicorn", "httpx", "pydantic", "numpy", "yaml")


def leaves():
    """Every command with the words that call it."""
    found = {}
    for name, entry in COMMANDS.items():
        walk((name,), load(name, entry), found)
    return found


def walk(words, command, found):
    inner = getattr(command, "commands", {})
    if not inner or getattr(command, "invoke_without_command", False):
        found[words] = command
    for name, one in inner.items():
        walk((*words, name), one, found)


LEAVES = leaves()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says_of_itself(name):
    said = load(name, COMMANDS[name]).help
    assert COMMANDS[name].help == " ".join(said.split("\n\n")[0].split())


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_explains_itself(words, lpwd):
    done = lpwd(*words, "--help")
    assert done.status == 0
    assert f"lpwd {' '.join(words)}" in done.out
    for parameter in LEAVES[words].params:
        assert parameter.help, parameter.name


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_gives_an_example(words):
    _, _, example = LEAVES[words].help.rpartition("\n\n")
    assert example.startswith("Example: ")
    assert f"lpwd {words[0]}" in example or f"lpwd {words[-1]}" in example


WITHOUT_JSON = {"delete", "export", "request", "archive", "report", "manifest"}
"""Commands that write files, or JSON anyway, or nothing."""
TALKING = [words for words, one in LEAVES.items() if "server" in {p.name for p in one.params}]


@pytest.mark.parametrize("words", TALKING, ids=" ".join)
def test_every_command_that_talks_to_a_service_can_answer_in_json(words):
    command = LEAVES[words]
    names = {parameter.name for parameter in command.params}
    assert "api_key_file" in names
    assert "as_json" in names or words[-1] in WITHOUT_JSON


def test_the_version_is_that_of_the_package(lpwd):
    assert lpwd("--version").out == f"lpwd {version('lpwd')}\n"


def test_a_command_that_there_is_not_is_told_with_the_nearest(lpwd):
    done = lpwd("studdy")
    assert done.status == 2
    assert "Did you mean 'study'?" in done.err


def test_help_is_quick_since_it_brings_nothing_heavy():
    code = f"""
import sys
from service.cli import main
sys.argv = ["lpwd", "--help"]
try:
    main()
except SystemExit:
    print([m for m in {HEAVY!r} if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", ["study", "watch", "tasks"])
def test_what_talks_to_a_service_loads_nothing_of_what_that_runs_on(name):
    code = f"""
import sys
from service.cli import COMMANDS
from service.cli.lazy import load
load({name!r}, COMMANDS[{name!r}])
print([m for m in ("torch", "ray", "sqlalchemy", "fastapi", "uvicorn") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
