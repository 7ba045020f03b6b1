"""Completion, by the protocol that the shells speak."""

import os
import shutil
import subprocess
import sys

import pytest

from service.cli import completion
from tests.live import PATIENCE, wait_until
from tests.service import work

SHELLS = ("bash", "zsh", "fish")
AWAY = "http://127.0.0.1:9"


def asking(line, shell):
    """What a shell puts into the environment for a line whose last word is being typed."""
    return {
        "_LPWD_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }


@pytest.fixture
def offered(lpwd, monkeypatch):
    """What is offered for a line."""

    monkeypatch.setattr(completion, "PATIENCE", PATIENCE)

    def ask(line, shell="bash"):
        for name, value in asking(line, shell).items():
            monkeypatch.setenv(name, value)
        done = lpwd()
        assert done.err == ""
        return done.out

    return ask


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_names_are_offered_in_every_shell(shell, offered):
    assert "submit" in offered("lpwd su", shell)
    assert "export" in offered("lpwd study ex", shell)
    assert "adam-lpwd-reversed" in offered("lpwd optimizers show adam-lpwd-r", shell)
    assert "digits-mlp" in offered("lpwd tasks show digits-m", shell)
    assert "nightly" in offered("lpwd submit --preset ni", shell)
    assert "running" in offered("lpwd study list --state r", shell)
    assert "dark" in offered("lpwd study export x --theme d", shell)


def test_studies_are_offered_by_the_service_that_the_line_names(
    address, database, study, offered, monkeypatch
):
    ids = [work.send(database, study(name=f"study {n}")) for n in range(2)]
    monkeypatch.setenv("LPWD_SERVER", address)
    for line in ("lpwd watch ", "lpwd study show ", "lpwd study export "):
        assert set(offered(line).split()) == set(ids)
    assert "study 0" in offered(f"lpwd watch {ids[0][:5]}", "zsh")
    monkeypatch.setenv("LPWD_SERVER", AWAY)
    assert offered(f"lpwd watch --server {address} {ids[0][:5]}").split() == [ids[0]]


@pytest.mark.parametrize("server", [AWAY, "nonsense"])
def test_nothing_is_offered_or_said_where_no_service_answers(server, offered, monkeypatch):
    monkeypatch.setenv("LPWD_SERVER", server)
    assert offered("lpwd watch ").strip() == ""


def test_offering_is_quick_since_it_brings_nothing_heavy():
    code = """
import sys
from service.cli import main
try:
    main()
except SystemExit:
    print([m for m in ("torch", "ray", "sqlalchemy", "fastapi", "httpx") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **asking("lpwd optimizers show adamw", "bash")},
        check=True,
    )
    assert "adamw-independent" in done.stdout.splitlines()
    # The client is there, since its commands were looked at; no service was asked.
    assert done.stdout.splitlines()[-1] == "['httpx']"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_for_a_shell_is_shown(shell):
    path = shutil.which(shell)
    done = subprocess.run(
        [sys.executable, "-m", "service", "--show-completion", shell],
        capture_output=True,
        text=True,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        check=True,
    )
    assert "_LPWD_COMPLETE" in done.stdout
    if path is not None:
        subprocess.run([path, "-n"], input=done.stdout, text=True, check=True)


def test_bash_completes_a_line_itself(address, database, study, tmp_path):
    study_id = work.send(database, study())
    command = tmp_path / "lpwd"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m service "$@"\n')
    command.chmod(0o755)
    script = """
source <(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 lpwd --show-completion bash)
COMP_WORDS=(lpwd study show ""); COMP_CWORD=3
$(complete -p lpwd | sed 's/.*-F \\([^ ]*\\).*/\\1/') lpwd
echo "${COMPREPLY[@]}"
"""

    def completed():
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "LPWD_SERVER": address,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            check=True,
        )
        return done.stdout.split()

    # A service that does not answer soon is not waited for.
    assert wait_until(completed) == [study_id]
