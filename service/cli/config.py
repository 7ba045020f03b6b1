"""`lpwd config`: the settings."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from service.settings import SettingsError, settings
from service.settings_list import as_toml, listed

app = typer.Typer(
    help="Settings: options, then the environment, .env, a TOML file, defaults.",
    no_args_is_help=True,
)
console = Console()


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show every setting: its value, where that comes from, and what it is for.

    Passwords are hidden. The file is what LPWD_CONFIG names, else lpwd.toml here or in /etc.

    Example: lpwd config show
    """
    found = listed(settings())
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
        return
    width = max(len(one.variable) for one in found)
    for one in found:
        value = "" if one.value is None else str(one.value)
        value = value.lower() if isinstance(one.value, bool) else value
        changed = one.source != "default"
        said = Text(f"{one.variable:{width}}  ", style="bold" if changed else "")
        said.append(value, style="bold" if changed else "")
        said.append(f"  ({one.source})", style="green" if changed else "dim")
        console.print(said, soft_wrap=True)
        console.print(Padding(Text(one.help, style="dim"), (0, 0, 0, width + 2)))


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="Where to write.")] = Path("lpwd.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a settings file that changes nothing yet: every default, as a comment.

    Example: lpwd config init /etc/lpwd.toml
    """
    if file.exists() and not force:
        raise SettingsError(f"{file} is there already; --force replaces it")
    try:
        file.write_text(as_toml())
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}") from error
    typer.echo(f"wrote {file}; lpwd config show tells what is in force")
