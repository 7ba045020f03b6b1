"""What is public is documented, typed for users, and the API reference is the docstrings'."""

import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import lpwd
from lpwd import LPWD
from lpwd.errors import LpwdError

ROOT = Path(__file__).parents[2]
MODULES = [
    info.name for info in pkgutil.walk_packages(lpwd.__path__, "lpwd.") if "._" not in info.name
]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_says_what_it_is(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for key, value in vars(module).items():
        own = getattr(value, "__module__", None) == name and not key.startswith("_")
        if not own or not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        assert value.__doc__, f"{name}.{key}"
        if inspect.isclass(value):
            for method, function in vars(value).items():
                if inspect.isfunction(function) and not method.startswith("_"):
                    assert inspect.getdoc(getattr(value, method)), f"{name}.{key}.{method}"


def test_every_name_of_the_package_can_be_had_and_is_listed() -> None:
    assert set(lpwd.__all__) <= set(dir(lpwd))
    for name in lpwd.__all__:
        assert getattr(lpwd, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'LPDW'"):
        _ = lpwd.LPDW  # type: ignore[attr-defined]


def test_the_catalogue_is_at_hand_without_an_import_of_its_own() -> None:
    program = "import lpwd, sys; lpwd.catalogue.get('adamw'); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_every_option_of_lpwd_is_in_its_help() -> None:
    text = inspect.getdoc(LPWD) or ""
    for name in inspect.signature(LPWD).parameters:
        assert f"\n    {name}: " in text, name
    for word in ("layer_groups", "attach", "decay()", "MissingDecay", "layer_table"):
        assert word in text


def test_every_error_has_the_one_root() -> None:
    module = importlib.import_module("lpwd.errors")
    errors = [value for value in vars(module).values() if inspect.isclass(value)]
    assert len(errors) > 5
    assert all(issubclass(error, LpwdError) for error in errors)


def test_the_api_reference_is_what_the_docstrings_say() -> None:
    path = ROOT / "docs" / "reference" / "build.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    for file, text in reference.pages().items():
        committed = (path.parent / file).read_text()
        assert committed == text, f"{file} is stale: run python docs/reference/build.py"


# PyTorch's types are large; `make lint` has read them already.
CACHE = f"--cache-dir={ROOT / '.mypy_cache'}"
USER = """
import torch
from torch import nn
from lpwd import LPWD, LayerTable, build, catalogue, layer_groups, layer_table

model = nn.Linear(2, 3)
table: LayerTable = layer_table(model, torch.zeros(1, 2))
optimizer = LPWD(layer_groups(model), lr=1e-3, weight_decay=torch.zeros(3))
optimizer.decay()
loss: float = optimizer.step(lambda: 1.0)
nothing: None = optimizer.step()
groups = table.groups(model.named_parameters())
other: torch.optim.Optimizer = build("adamw", groups, lr=1.0, weight_decay=0.0)
names: list[str] = [entry.name for entry in catalogue.entries()]
LPWD(layer_groups(model), lr="0.1")
"""


def test_a_users_code_is_type_checked_against_it(tmp_path: Path) -> None:
    """From another folder, strictly: all is typed, and only the planted mistake is found."""
    (tmp_path / "user.py").write_text(USER)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", CACHE, "user.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 2, done.stdout
    assert 'Argument "lr" to "LPWD" has incompatible type "str"' in lines[0]
