"""`lpwd webhook`: addresses that are told of what happens."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from service.cli import completion
from service.cli.connection import connected
from service.cli.options import LimitOption, YesOption, changes, confirm
from service.cli.output import (
    JsonOption,
    ago,
    cells,
    console,
    facts,
    moment,
    say,
    show_json,
    show_list,
    table,
)
from service.client import Client
from service.webhooks.schemas import DeliveryAnswer, WebhookAnswer, WebhookCreated

app = typer.Typer(help="Webhooks: addresses that are told of what happens.", no_args_is_help=True)

WebhookArgument = Annotated[
    str,
    typer.Argument(
        metavar="WEBHOOK",
        help="The webhook's id, as `lpwd webhook list` shows it.",
        autocompletion=completion.webhooks,
    ),
]
EventOption = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        help="Tell of this alone: study.ended or regression; may be repeated.",
        autocompletion=lambda: ["study.ended", "regression"],
    ),
]


@app.command(name="list")
@connected
def listing(client: Client, as_json: JsonOption = False) -> None:
    """List your webhooks; an admin's lists all.

    Example: lpwd webhook list
    """
    nothing = "no webhooks; lpwd webhook create makes one"
    show_list(client.webhooks(), _webhooks, as_json=as_json, nothing=nothing)


@app.command()
@connected
def show(client: Client, webhook: WebhookArgument, as_json: JsonOption = False) -> None:
    """Show a webhook, and what it was told last.

    Example: lpwd webhook show 5b1c09d2e7f3
    """
    found = client.webhook(webhook)
    told = client.deliveries(webhook, limit=10)
    if as_json:
        show_json({**found.model_dump(mode="json"), "deliveries": told})
        return
    _tell(found)
    if told:
        console().print(_deliveries(told))


@app.command()
@connected
def create(
    client: Client,
    url: Annotated[str, typer.Argument(help="Where to send it: an https address.")],
    event: EventOption = None,
    own_only: Annotated[
        bool, typer.Option("--own-only", help="Only of studies sent with your key.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have an address told of what happens. The secret that signs it is shown once.

    Example: lpwd webhook create https://example.org/lpwd --event study.ended
    """
    _secret(client.create_webhook(url, events=event or None, own_only=own_only), as_json)


@app.command()
@connected
def change(
    client: Client,
    webhook: WebhookArgument,
    url: Annotated[str | None, typer.Option(help="Where to send it.")] = None,
    event: EventOption = None,
    own_only: Annotated[
        bool | None,
        typer.Option(
            "--own-only/--all", help="Of studies sent with your key, or of all.", show_default=False
        ),
    ] = None,
    enabled: Annotated[
        bool | None, typer.Option("--on/--off", help="Whether it is told.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a webhook, or turn it on or off; what is not named stays.

    Example: lpwd webhook change 5b1c09d2e7f3 --off
    """
    asked = changes(url=url, events=event or None, own_only=own_only, enabled=enabled)
    changed = client.change_webhook(webhook, **asked)
    show_json(changed) if as_json else _tell(changed)


@app.command()
@connected
def rotate(client: Client, webhook: WebhookArgument, as_json: JsonOption = False) -> None:
    """Give a webhook a new secret, shown once; the old one signs nothing more.

    Example: lpwd webhook rotate 5b1c09d2e7f3
    """
    _secret(client.rotate_webhook(webhook), as_json)


@app.command(name="test")
@connected
def try_out(client: Client, webhook: WebhookArgument, as_json: JsonOption = False) -> None:
    """Send a webhook a test; `lpwd webhook show` tells what came of it.

    Example: lpwd webhook test 5b1c09d2e7f3
    """
    sent = client.test_webhook(webhook)
    show_json(sent) if as_json else say(f"delivery {sent.id} is on its way")


@app.command()
@connected
def deliveries(
    client: Client,
    webhook: WebhookArgument,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List what a webhook was told, newest first.

    Example: lpwd webhook deliveries 5b1c09d2e7f3
    """
    found = client.deliveries(webhook, limit=limit)
    nothing = "it was told nothing yet; lpwd webhook test sends it something"
    show_list(found, _deliveries, as_json=as_json, nothing=nothing)


@app.command()
@connected
def redeliver(
    client: Client,
    webhook: WebhookArgument,
    delivery: Annotated[str, typer.Argument(help="As `lpwd webhook deliveries` lists it.")],
    as_json: JsonOption = False,
) -> None:
    """Send something again that was delivered or given up.

    Example: lpwd webhook redeliver 5b1c09d2e7f3 0a9b8c7d6e5f
    """
    sent = client.redeliver(webhook, delivery)
    show_json(sent) if as_json else say(f"delivery {sent.id} is on its way")


@app.command()
@connected
def delete(client: Client, webhook: WebhookArgument, yes: YesOption = False) -> None:
    """Delete a webhook and the record of its deliveries.

    Example: lpwd webhook delete 5b1c09d2e7f3
    """
    found = client.webhook(webhook)
    confirm(f"Delete webhook {found.id}, {found.url}?", yes)
    client.delete_webhook(found.id)
    say(f"webhook {found.id} is deleted")


def _secret(made: WebhookCreated, as_json: bool) -> None:
    """Show a webhook with its secret: the secret alone on standard output, to be kept."""
    if as_json:
        show_json(made)
        return
    typer.echo(f"webhook {made.id}; its secret is not shown again:", err=True)
    typer.echo(made.secret)


def _tell(one: WebhookAnswer) -> None:
    console().print(
        facts(
            [
                ("webhook", one.id),
                ("address", one.url),
                ("tells of", ", ".join(one.events)),
                ("of", "studies sent with your key" if one.own_only else "all studies"),
                ("state", "on" if one.enabled else f"off: {one.reason}"),
                ("given up", one.failures or None),
                ("made", moment(one.created_at)),
            ]
        )
    )


def _webhooks(found: Sequence[WebhookAnswer]) -> Table:
    shown = table("webhook", "state", "tells of", "address", wrapped=["address"])
    for one in found:
        state = "on" if one.enabled else "off"
        shown.add_row(*cells(one.id, state, ", ".join(one.events), one.url))
    return shown


def _deliveries(found: Sequence[DeliveryAnswer]) -> Table:
    shown = table(
        "delivery", "event", "state", "tries", "status", "when", "why not",
        right=["tries"], wrapped=["why not"],
    )  # fmt: skip
    for one in found:
        shown.add_row(
            *cells(
                one.id, one.event, one.state, one.attempts, one.status, ago(one.created_at),
                one.error or "",
            )
        )  # fmt: skip
    return shown
