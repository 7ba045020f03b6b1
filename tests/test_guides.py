"""What the guides to the REST API and the client show is run as it stands there."""

import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from service.app import create_app
from service.cli import COMMANDS
from service.cli.lazy import load
from service.client.results import EXPORTS
from service.errors import LeaseLostError, NotFoundError
from service.queue import claim
from service.settings import Settings
from service.studies import repository
from service.studies.planning import StudySpec
from tests.listening import listening
from tests.live import PATIENCE
from tests.service import work

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "docs" / "guides"
SERVER = "http://127.0.0.1:8000"


def blocks(guide, language):
    text = (GUIDES / guide).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


@pytest.fixture
def database_url(sqlite_url):
    """Use SQLite alone."""
    return sqlite_url


@pytest.fixture
def refusals():
    """Method, path and status of every request that was refused."""
    return []


@pytest.fixture
def address(settings, database, refusals):
    """Serve an installation on which grids are trained, with made-up numbers."""

    def noting(app):
        async def around(scope, receive, send):
            async def told(message):
                if message.get("status", 200) >= 400:
                    refusals.append((scope["method"], scope["path"], message["status"]))
                await send(message)

            await app(scope, receive, told)

        return around

    stop = threading.Event()
    trainer = threading.Thread(target=train_all, args=(database, stop))
    with listening(settings, noting) as address:
        trainer.start()
        try:
            yield address
        finally:
            stop.set()
            trainer.join()


LONGER = 8
"""Epochs of the studies that the guides cancel: nobody trains them before that."""


def train_all(database, stop):
    while not stop.wait(0.05):
        held = claim(database, seconds=1000, device="1 × cpu (test)")
        if held is not None:
            # The guides cancel and delete studies: a runner lets go of them.
            with suppress(LeaseLostError, NotFoundError):
                train(database, held)


def train(database, held):
    with database.read() as session:
        spec = repository.read_spec(repository.row(session, held.study_id))
    if isinstance(spec, StudySpec) and spec.budget.epochs != LONGER:
        keys = work.to_do(database, held.study_id)
        taken = work.take(database, held, keys)
        epochs = spec.budget.epochs
        done = [work.result(key, epochs=epochs) for key in keys if key in taken]
        if done:
            work.record(database, held, results=done)
        with database.write() as session:
            held.finish(session)


@pytest.mark.skipif(shutil.which("jq") is None, reason="the examples use jq, as people do")
def test_the_guide_to_rest_runs(address, tmp_path, refusals):
    script = "\n".join(blocks("rest.md", "sh")).replace(SERVER, address)
    done = subprocess.run(
        ["bash", "-ec", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    assert refusals.pop() == ("POST", "/api/v1/studies", 422)  # the last example
    for method, path, status in refusals:  # what the guide says may be refused
        last = path.rpartition("/")[2]
        assert (method, last, status) in [
            ("POST", "retry", 409),
            ("POST", "cancel", 409),
            ("GET", "0", 404),
            ("POST", "redeliver", 409),
        ]
    assert "204" in done.stdout
    assert "304" in done.stdout
    for file in ("heatmap.png", "heatmap.pdf", "difference.svg", "trials.parquet", "optuna.db"):
        assert (tmp_path / file).stat().st_size > 500, file


def test_the_guide_to_rest_shows_every_address(settings):
    shown = "\n".join(blocks("rest.md", "sh"))
    shown = re.sub(r"\{|\}", "", shown).replace("heatmap.$form", " ".join(forms("heatmap")))
    for what in ("difference", "report"):
        shown = shown.replace(f"{what}.$form", " ".join(forms(what)))
    shown = shown.replace("compare.$form", "compare.svg compare.png")
    for path in create_app(settings).openapi()["paths"]:
        wanted = re.escape(path.removeprefix("/api/v1"))
        wanted = re.sub(r"\\\{\w+\\\}", r"[\\w$().\\- ]+", wanted)
        last = path.rpartition("/")[2]
        assert re.search(wanted, shown) or re.search(rf"\b{re.escape(last)}\b", shown), path


def forms(what):
    return [f"{what}.{form}" for form in EXPORTS[what]]


def test_the_guide_to_the_client_runs(address, tmp_path):
    script = "\n".join(blocks("client.md", "python")).replace(SERVER, address)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "16 of 16 trials to train" in done.stdout
    assert "learning_rates a list is wanted (got 0.01)" in done.stdout
    for file in ("heatmap.png", "cells.csv", "difference.svg", "trials.parquet", "study.lpwd.zip"):
        assert (tmp_path / file).stat().st_size > 100, file


@pytest.mark.parametrize("guide", sorted(GUIDES.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(guide):
    text = re.sub(r"^```.*?^```", "", guide.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        linked = (guide.parent / path).resolve() if path else guide
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)", linked.read_text(), flags=re.M)
            slugs = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor in slugs, target


def test_the_guide_to_administration_names_commands_and_settings_that_exist():
    text = (GUIDES / "administration.md").read_text()
    for words in re.findall(r"\blpwd ((?:[a-z]+ ?)+)", "\n".join(commands_in(text))):
        first, *rest = words.split()
        assert first in COMMANDS, words
        inner = getattr(load(first, COMMANDS[first]), "commands", {})
        assert not inner or not rest or rest[0] in inner, words
    for name in re.findall(r"\bLPWD_(\w+)", text):
        known = {*Settings.model_fields, "server", "api_key"}
        assert name.lower() in known or name == "KEEP_", name
    for name in re.findall(r"`(lpwd_\w+?)(?:_total)?`", text):  # a counter's end is added
        sources = (ROOT / "service" / "metrics").glob("*.py")
        assert any(f'"{name}"' in source.read_text() for source in sources), name


def commands_in(text):
    """Lines of code blocks, and code in sentences."""
    yield from re.findall(r"`(lpwd [^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    for block in re.findall(r"^```console\n(.*?)^```", text, flags=re.M | re.S):
        yield from re.findall(r"(?:^|/bin/| )(lpwd .*)", block, flags=re.M)
