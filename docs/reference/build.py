"""Write the API reference from the docstrings: `python docs/reference/build.py`.

A test compares what this writes with what is committed, so the pages cannot go stale.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from lpwd import catalogue
from service.cli import COMMANDS, app
from service.cli.lazy import load
from service.settings_list import as_table

HERE = Path(__file__).parent
PAGES = {
    "optimizers": ["lpwd.optimizers", "lpwd.optimizer", "lpwd.family", "lpwd.construct"],
    "rules": [
        "lpwd.rules.base",
        "lpwd.rules.l2",
        "lpwd.rules.decoupled",
        "lpwd.rules.realtime",
        "lpwd.rules.pre",
        "lpwd.rules.scheduled",
        "lpwd.rules.cautious",
        "lpwd.rules.corrected",
        "lpwd.rules.huber",
        "lpwd.rules.norm_control",
    ],
    "layers": ["lpwd.layers.table", "lpwd.layers.schedules"],
    "diagnostics": ["lpwd.diagnostics.steps", "lpwd.diagnostics.effect"],
    "catalogue": [
        "lpwd.catalogue",
        "lpwd.entry",
        "lpwd.hyperparameters",
        "lpwd.plugins",
        "lpwd.external",
        "lpwd.adopt",
        "lpwd.errors",
    ],
    "client": [
        "service.client.client",
        "service.client.studies",
        "service.client.watching",
        "service.client.stream",
        "service.client.results",
        "service.client.searches",
        "service.client.archives",
        "service.client.schedules",
        "service.client.catalogue",
        "service.client.operations",
        "service.client.keys",
        "service.client.webhooks",
        "service.client.health",
        "service.client.transport",
        "service.client.retries",
        "service.client.errors",
    ],
}


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    texts = {
        f"{name}.md": f"# {name.capitalize()}\n\n" + "\n".join(map(module_text, modules))
        for name, modules in PAGES.items()
    }
    texts["catalogue.md"] += "\n" + entries_text()
    texts["settings.md"] = settings_text()
    texts["cli.md"] = commands_text()
    texts["README.md"] = index_text()
    return texts


def index_text() -> str:
    """Return the page that leads to the others, with the first line of each module."""
    lines = ["# API reference", "", "Written by `build.py` from the docstrings; edit those.", ""]
    for name, modules in PAGES.items():
        lines += [f"- [{name.capitalize()}]({name}.md)"]
        lines += [f"  - `{module}`: {first_line(module)}" for module in modules]
    lines += ["- [Settings](settings.md) of the service"]
    return "\n".join(lines) + "\n"


def settings_text() -> str:
    """Return the page of all settings, from the model that reads them."""
    head = """# Settings

Written by `build.py` from `service/settings.py`; edit that.

A setting is, in this order: an option of the command line, an environment variable, a line of
`.env`, a line of a TOML file (`LPWD_CONFIG`, else `lpwd.toml` here or in `/etc`), its default.
Names that are none are refused. `lpwd config show` tells what is in force and where it comes from;
`lpwd config init` writes a file to edit. Sizes are such as `4GB`.

"""
    return head + as_table()


def first_line(name: str) -> str:
    """Return the first line of a module's docstring."""
    return str(ast.get_docstring(parsed(name))).splitlines()[0]


def module_text(name: str) -> str:
    """Return the section of one module: its docstring, then its public names in source order."""
    tree = parsed(name)
    parts = [f"## `{name}`\n\n{ast.get_docstring(tree)}\n"]
    parts += [member_text(node) for node in public(tree)]
    return "\n".join(parts)


def parsed(name: str) -> ast.Module:
    """Return the syntax tree of a module of this repository."""
    path = HERE.parents[1] / Path(*name.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(source.read_text())


def public(tree: ast.Module | ast.ClassDef) -> list[ast.ClassDef | ast.FunctionDef]:
    """Return the public classes and functions of a module, or methods of a class."""
    return [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and not any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)
    ]


def member_text(node: ast.ClassDef | ast.FunctionDef, owner: str = "") -> str:
    """Return the section of one class or function, with the class's public methods."""
    title = f"{owner}.{node.name}" if owner else node.name
    parts = [f"{'####' if owner else '###'} `{title}`\n"]
    if isinstance(node, ast.FunctionDef):
        parts.append(signature_text(node.name, arguments(node)))
    elif not any(ast.unparse(base).endswith("Error") for base in node.bases):
        parts.append(signature_text(node.name, fields_or_arguments(node)))
    parts.append(block(ast.get_docstring(node)))
    if isinstance(node, ast.ClassDef):
        methods = [one for one in public(node) if isinstance(one, ast.FunctionDef)]
        parts += [member_text(method, node.name) for method in methods]
    return "\n".join(parts)


def fields_or_arguments(node: ast.ClassDef) -> list[str]:
    """Return the arguments of a class's constructor: its own, or a dataclass's fields."""
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            return arguments(one)
    if not any("dataclass" in ast.unparse(one) for one in node.decorator_list):
        return []
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
    texts = [ast.unparse(one) for one in fields]
    return [text for text in texts if not text.startswith("_") and "ClassVar" not in text]


def arguments(node: ast.FunctionDef) -> list[str]:
    """Return each argument of a function as it is written, without `self`."""
    given = node.args
    defaults: list[ast.expr | None] = [None] * (len(given.args) - len(given.defaults))
    pairs = list(zip(given.args, [*defaults, *given.defaults], strict=True))
    texts = [argument(one, default) for one, default in pairs if one.arg != "self"]
    if given.vararg:
        texts.append("*" + argument(given.vararg, None))
    elif given.kwonlyargs:
        texts.append("*")
    keywords = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    texts += [argument(one, default) for one, default in keywords]
    return [*texts, "**" + argument(given.kwarg, None)] if given.kwarg else texts


def argument(one: ast.arg, default: ast.expr | None) -> str:
    """Return one argument with its annotation and default."""
    text = one.arg + (f": {ast.unparse(one.annotation)}" if one.annotation else "")
    return text if default is None else f"{text} = {ast.unparse(default)}"


def signature_text(name: str, names: list[str]) -> str:
    """Return a call as code, one argument a line where it is long."""
    line = f"{name}({', '.join(names)})"
    if len(line) > 90:
        line = f"{name}(\n" + "".join(f"    {one},\n" for one in names) + ")"
    return f"```python\n{line}\n```\n"


def block(text: str | None) -> str:
    """Return a docstring as it is written, so that its lists and formulas keep their shape."""
    return f"```text\n{text}\n```\n"


def entries_text() -> str:
    """Return the table of all built-in entries."""
    lines = [
        "## The built-in entries",
        "",
        "| name | title | what it does | role | source |",
        "| --- | --- | --- | --- | --- |",
    ]
    for entry in catalogue.entries():
        if entry.distribution == "lpwd":
            cells = (f"`{entry.name}`", entry.title, entry.summary, entry.role, entry.source)
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def commands_text() -> str:
    """Return the page of the command line: every command with its arguments and options."""
    root = get_command(app)
    parts = [f"# Command line\n\n{root.help}\n\n{root.epilog}\n"]
    for name, entry in COMMANDS.items():
        parts.append(f"## `lpwd {name}`\n")
        parts += command_texts(f"lpwd {name}", load(name, entry))
    return "\n".join(parts)


def command_texts(words: str, command: Any) -> Iterator[str]:
    """Yield the sections of a command and of those within it."""
    inner = getattr(command, "commands", {})
    yield f"{command.help}\n"
    usage = " ".join([words, *map(parameter_usage, arguments_of(command))])
    if not inner or command.invoke_without_command:
        yield f"```text\n{usage} [OPTIONS]\n```\n"
        yield parameters_text(command)
    for name, one in inner.items():
        yield f"### `{words} {name}`\n"
        yield from command_texts(f"{words} {name}", one)


def arguments_of(command: Any) -> list[Any]:
    """Return the arguments of a command, without its options."""
    return [one for one in command.params if one.param_type_name == "argument"]


def parameter_usage(argument: Any) -> str:
    """Return an argument as usage shows it."""
    name = (argument.metavar or argument.name or "").upper()
    shown = f"{name}…" if argument.nargs == -1 else name
    return shown if argument.required else f"[{shown}]"


def parameters_text(command: Any) -> str:
    """Return the table of a command's arguments and options."""
    rows = []
    for one in command.params:
        option = one.param_type_name == "option"
        name = ", ".join([*one.opts, *one.secondary_opts]) if option else parameter_usage(one)
        default = one.default
        telling = option and default not in (None, False, True, [], ()) and one.show_default
        help_text = " ".join((one.help or "").split()).replace("|", "\\|")
        rows.append(f"| `{name}` | {help_text}{f' Default: {default}.' if telling else ''} |")
    return "\n".join(["| | |", "| --- | --- |", *rows]) + "\n" if rows else ""


if __name__ == "__main__":
    for file, text in pages().items():
        (HERE / file).write_text(text)
