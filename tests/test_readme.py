"""What the README shows is run as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from service.cli import COMMANDS
from service.search.planning import DEFAULT_POINTS, resolve_any
from service.search.schemas import ANY_STUDY
from service.settings import Settings
from service.study_file import parse
from tests.live import serving

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)


def python_block(containing):
    (found,) = (block for block in blocks("python") if containing in block)
    return found


def test_the_make_targets_exist():
    named = set(re.findall(r"make (\w+)", README))
    assert named >= {"demo", "test", "serve"}
    for target in named:
        assert re.search(rf"^{target}:", MAKEFILE, flags=re.M), target


def test_the_curl_commands_are_answered(tmp_path):
    commands = [block for block in blocks("sh") if "curl" in block]
    assert len(commands) == 2
    with serving(tmp_path) as live:
        for command in commands:
            here = command.replace("http://127.0.0.1:8000", live.url).replace("curl", "curl -sf")
            done = subprocess.run(["bash", "-c", here], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert '"id":' in done.stdout


def test_the_study_files_are_studies():
    grid, search = (
        resolve_any(ANY_STUDY.validate_python(parse(text, origin="README")), max_trials=10**6)
        for text in blocks("yaml")
    )
    assert grid.trial_count == 2 * 3 * 4 * 6
    assert search.points == 2 * 30


def test_the_guide_to_searching_shows_a_search_and_its_limits():
    guide = (ROOT / "docs/guides/search.md").read_text()
    (text,) = re.findall(r"^```yaml\n(.*?)^```", guide, flags=re.M | re.S)
    spec = resolve_any(ANY_STUDY.validate_python(parse(text, origin="guide")), max_trials=10**6)
    assert spec.points == 2 * 30
    lpwd = spec.search.optimizers[1]
    assert [one.name for one in lpwd.space[2:]] == ["amsgrad", "beta1"]
    assert f"{DEFAULT_POINTS} unless `seconds`" in guide


def test_three_lines_put_lpwd_into_a_loop():
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    example_input = torch.randn(16, 4)
    scope = {"model": model, "example_input": example_input}
    exec(python_block("layer_groups"), scope)
    optimizer = scope["optimizer"]
    losses = []
    for _ in range(50):
        loss = (model(example_input) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_the_task_trains(tmp_path):
    (tmp_path / "my_task.py").write_text(python_block("# my_task.py"))
    code = """
import my_task
from workers import tasks
from workers.contracts import Budget, Pack, TrialSpec
from workers.training import train
task = tasks.get("digits-softmax")
trial = TrialSpec(task.name, task.version, "adamw", 1, 0.01, 0.0, 0, Budget(5, 64))
*_, last = train(Pack((trial,)))
assert last.values[0, 4] > 0.8, last.values
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_the_decay_rule_decays():
    model = torch.nn.Linear(3, 1)
    scope = {"model": model}
    exec(python_block("class Absolute"), scope)
    before = model.weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    scope["optimizer"].step()
    expected = before - 1e-3 * 1e-4 * before.sign()
    torch.testing.assert_close(model.weight.detach(), expected, rtol=0, atol=1e-9)


def test_the_settings_are_those_there_are():
    named = set(re.findall(r"`LPWD_(\w+)`", README))
    named -= {"SERVER", "API_KEY"}  # of the client, which talks to a service of other settings
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_docker_compose_runs_commands_and_settings_that_exist(service):
    described = COMPOSE["services"][service]
    words = " ".join(described.get("command", [])).split()
    if "lpwd" in words:
        assert words[words.index("lpwd") + 1] in COMMANDS
    for name in described["environment"]:
        if name.startswith("LPWD_"):
            assert name.removeprefix("LPWD_").lower() in Settings.model_fields
    for needed in described.get("depends_on", {}):
        assert needed in COMPOSE["services"]


def test_docker_compose_publishes_on_loopback_alone():
    published = [port for one in COMPOSE["services"].values() for port in one.get("ports", [])]
    assert published == ["127.0.0.1:8000:8000"]


def test_the_image_holds_every_package():
    recipe = COMPOSE["x-lpwd"]["build"]["dockerfile_inline"]
    for package in ("lpwd", "workers", "service", "dashboards"):
        assert f"COPY {package} {package}" in recipe


def test_the_image_holds_a_compiler_for_compiled_steps():
    assert re.search(r"apt-get install .*g\+\+", COMPOSE["x-lpwd"]["build"]["dockerfile_inline"])
