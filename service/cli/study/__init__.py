"""`lpwd study`: everything about studies."""

import typer

from service.cli.following import watch
from service.cli.sending import submit
from service.cli.study import changing, reading, results

app = typer.Typer(
    help="Studies: list, show, change, export and compare them.", no_args_is_help=True
)
app.command(name="list")(reading.listing)
for command in (
    reading.show,
    submit,
    watch,
    changing.cancel,
    changing.retry,
    changing.extend,
    changing.clone,
    changing.rename,
    changing.tag,
    changing.note,
    changing.priority,
    changing.limit,
    changing.delete,
    reading.trials,
    results.robustness,
    results.compare,
    results.export,
    results.report,
    results.manifest,
    results.archive,
    changing.request,
):
    app.command()(command)
app.command(name="import")(results.import_)
