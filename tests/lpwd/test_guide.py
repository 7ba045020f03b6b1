"""Every Python snippet of the guide runs as it stands, after its setup."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "training-loop.md"
TEXT = GUIDE.read_text()
SETUP, *SNIPPETS = re.findall(r"```python(?: setup)?\n(.*?)```", TEXT, re.DOTALL)
OTHERS = ("pytorch_lightning", "transformers", "torch.compile")


def heading(snippet: str) -> str:
    before = TEXT[: TEXT.index(snippet)]
    return str(re.findall(r"^#+ (.*)$", before, re.MULTILINE)[-1])


def whole(param: torch.Tensor) -> torch.Tensor:
    """Return a parameter as one tensor, also where FSDP2 has sharded it."""
    return param.full_tensor() if hasattr(param, "full_tensor") else param


@pytest.mark.parametrize("snippet", SNIPPETS, ids=heading)
def test_it_runs(
    snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    torch._dynamo.reset()
    namespace: dict[str, Any] = {"__name__": "guide"}
    with warnings.catch_warnings():
        if any(name in snippet for name in OTHERS):
            warnings.simplefilter("ignore")  # theirs, and not ours to mend
        exec(SETUP, namespace)
        before = [p.detach().clone() for p in namespace["model"].parameters()]
        exec(snippet, namespace)
    if ".step()" in snippet and "model = " not in snippet:
        after = [whole(p) for p in namespace["model"].parameters()]
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_printed_table_is_the_real_one() -> None:
    namespace: dict[str, Any] = {}
    exec(SETUP, namespace)
    table = namespace["layer_table"](namespace["model"], namespace["loader"][0][0])
    printed = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)[0]
    assert printed.split() == str(table).split()


def test_all_kinds_of_loops_are_there() -> None:
    assert len(SNIPPETS) >= 13
    assert all(name in TEXT for name in ("Lightning", "Hugging Face", "accumulation", "FSDP2"))
