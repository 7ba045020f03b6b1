"""What is written beside a data set once all of it is fetched, checked and unpacked.

Checksums of hundreds of megabytes are computed when a data set is fetched, not every time it is
read; from then on this file says what was accepted, and names and sizes tell whether it is still
there (docs/decisions/0010-data-sets-are-checked-when-fetched.md).
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

NAME = "fetched.json"


def write(root: Path, files: Iterable[Path], checksums: Mapping[str, str]) -> None:
    """State that a data set is complete.

    Args:
        root: Its folder.
        files: All its files, below `root`.
        checksums: Of what was fetched, by name.
    """
    sizes = {str(file.relative_to(root)): file.stat().st_size for file in files}
    text = json.dumps({"files": sizes, "checksums": dict(checksums)}, indent=1, sort_keys=True)
    new = root / f"{NAME}.new"
    new.write_text(text + "\n")
    os.replace(new, root / NAME)


def holds(root: Path) -> bool:
    """Tell whether a folder has the files its receipt lists, with the sizes it lists."""
    try:
        sizes = json.loads((root / NAME).read_text())["files"]
        return all((root / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # no receipt, or one that says nothing: not here


def checksums(root: Path) -> dict[str, str]:
    """Return the checksums of what was fetched into a folder, by name; none without a receipt."""
    try:
        found = json.loads((root / NAME).read_text())["checksums"]
        return {str(name): str(checksum) for name, checksum in sorted(found.items())}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
