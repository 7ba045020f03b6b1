"""A package of someone's own, installed for real, adds to the catalogue; a broken one says so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).with_name("example_plugin")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example package into a folder of its own."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PLUGIN, folder / "source")  # a build leaves files in its source
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-index", "--no-build-isolation"]
    command += ["--target", str(folder / "site"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def python(program: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, [*folders, ROOT]))
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_its_optimizer_is_in_the_catalogue_and_trains(site: Path) -> None:
    program = """
import sys
from lpwd import catalogue
entry = catalogue.get("sign-sgd")
assert entry in catalogue.entries()
assert entry.distribution == "lpwd-example-plugin", entry.distribution
assert "torch" not in sys.modules
import torch, lpwd
for shape, rates in (((2, 3), 0.01), ((4, 2, 3), torch.tensor([0.0, 0.01, 0.01, 0.02]))):
    weight = torch.ones(shape)
    table = lpwd.layer_table(torch.nn.Linear(3, 2, bias=False))
    optimizer = lpwd.build("sign-sgd", table.groups({"weight": weight}), lr=rates, weight_decay=0.0)
    weight.grad = torch.ones(shape)
    optimizer.decay()
    optimizer.step()
    step = torch.as_tensor(rates).reshape(-1, *[1] * (len(shape) - 1))
    assert torch.allclose(weight, torch.ones(shape) - step), weight
print("trained")
"""
    done = python(program, site)
    assert done.stdout.strip() == "trained", done.stderr


def test_without_it_installed_the_name_is_unknown() -> None:
    done = python("from lpwd import catalogue; catalogue.get('sign-sgd')")
    assert "UnknownOptimizer: no optimizer 'sign-sgd'" in done.stderr


def offer(folder: Path, package: str, value: str, module: str = "") -> Path:
    """Lay out an installed package that offers `value` as its optimizers."""
    information = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[lpwd.optimizers]\nmine = {value}\n")
    if module:
        (folder / f"{value.partition(':')[0]}.py").write_text(module)
    return folder


@pytest.mark.parametrize(
    ("value", "module", "complaint"),
    [
        ("no_such_module:ENTRIES", "", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("bad_import:ENTRIES", "raise RuntimeError('half-baked')", "RuntimeError: half-baked"),
        ("bad_value:ENTRIES", "ENTRIES = ['adamw']", "'adamw' is no lpwd.entry.OptimizerEntry"),
    ],
)
def test_a_broken_plugin_is_named_with_its_package(
    tmp_path: Path, value: str, module: str, complaint: str
) -> None:
    folder = offer(tmp_path, "sour-grapes", value, module)
    done = python("from lpwd import catalogue; catalogue.entries()", folder)
    assert "BrokenPlugin: the package sour-grapes offers lpwd.optimizers as mine" in done.stderr
    assert complaint in done.stderr
    # The library's own names still answer: the broken package is none of theirs.
    assert python("from lpwd import catalogue; catalogue.get('adamw')", folder).returncode == 0


def test_a_plugin_cannot_take_a_name_that_is_taken(tmp_path: Path) -> None:
    module = "from lpwd.builtin import BUILTIN\nENTRIES = BUILTIN[0]\n"
    folder = offer(tmp_path, "usurper", "usurper_entries:ENTRIES", module)
    done = python(
        "from lpwd import catalogue\n"
        "for _ in range(2):\n"
        "    try: catalogue.entries()\n"
        "    except Exception as error: print(error)\n",
        folder,
    )
    complaint = "usurper registers an optimizer 'sgd-l2', which lpwd has registered already"
    assert done.stdout.count(complaint) == 2, done.stdout + done.stderr


def test_a_factory_that_is_not_there_is_named_with_its_package(tmp_path: Path) -> None:
    module = (
        "from lpwd.catalogue import OptimizerEntry\n"
        "ENTRIES = OptimizerEntry(name='ghost', title='', summary='', source='', version=1,"
        " base='', rule='', role='external', factory='bad_factory:nowhere')\n"
    )
    folder = offer(tmp_path, "haunted", "bad_factory:ENTRIES", module)
    done = python(
        "import torch, lpwd; lpwd.build('ghost', [torch.ones(1)], lr=1.0, weight_decay=0.0)", folder
    )
    assert "BrokenFactory: the factory 'bad_factory:nowhere' of 'ghost', from the" in done.stderr
    assert "haunted" in done.stderr


def test_its_task_trains_with_its_optimizer_beside_ours(site: Path) -> None:
    program = """
import sys
from lpwd import catalogue
from workers import tasks
task = tasks.get("two-moons")
assert task in tasks.tasks()
assert "torch" not in sys.modules
from workers.contracts import Budget, Pack, TrialSpec
from workers.training import train
trials = tuple(
    TrialSpec(
        task.name, task.version, name, 1, 0.01, 0.0, 0, Budget(30, 32),
        catalogue.get(name).resolve({}),
    )
    for name in ("sign-sgd", "adam-lpwd")
)
*_, last = train(Pack(trials))
print((last.values[:, 4] > 0.8).tolist())
"""
    done = python(program, site)
    assert done.stdout.strip() == "[True, True]", done.stderr
