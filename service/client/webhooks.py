"""Webhooks: addresses that are told of what happens."""

from collections.abc import Sequence
from typing import Any

from service.client.transport import Transport
from service.webhooks.model import DeliveryState, WebhookEvent
from service.webhooks.schemas import DeliveryAnswer, WebhookAnswer, WebhookCreated


class Webhooks(Transport):
    """Having addresses told of what happens."""

    def create_webhook(
        self,
        url: str,
        *,
        events: Sequence[WebhookEvent | str] | None = None,
        own_only: bool = False,
    ) -> WebhookCreated:
        """Have an address told of what happens; its `secret` is shown here and never again.

        Args:
            url: Where to send it.
            events: What to tell of; everything by default.
            own_only: Only of studies that were sent with this client's key.
        """
        body: dict[str, Any] = {"url": url, "own_only": own_only}
        if events is not None:
            body["events"] = list(events)
        return self._read(WebhookCreated, "POST /webhooks", json=body)

    def webhooks(self) -> list[WebhookAnswer]:
        """Return one's own webhooks, oldest first; for admins all."""
        return self._list(WebhookAnswer, "GET /webhooks")

    def webhook(self, webhook_id: str) -> WebhookAnswer:
        """Return a webhook."""
        return self._read(WebhookAnswer, "GET /webhooks/{webhook_id}", webhook_id=webhook_id)

    def change_webhook(self, webhook_id: str, **changes: Any) -> WebhookAnswer:
        """Change a webhook: `url`, `events`, `own_only` or `enabled`; the rest stays."""
        return self._read(
            WebhookAnswer, "PATCH /webhooks/{webhook_id}", webhook_id=webhook_id, json=changes
        )

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook and the record of its deliveries."""
        self._ask("DELETE /webhooks/{webhook_id}", webhook_id=webhook_id, deletes=True)

    def rotate_webhook(self, webhook_id: str) -> WebhookCreated:
        """Give a webhook a new secret, shown here and never again."""
        return self._read(
            WebhookCreated, "POST /webhooks/{webhook_id}/rotate", webhook_id=webhook_id
        )

    def test_webhook(self, webhook_id: str) -> DeliveryAnswer:
        """Send a webhook a test; `deliveries` tells what came of it."""
        return self._read(DeliveryAnswer, "POST /webhooks/{webhook_id}/test", webhook_id=webhook_id)

    def deliveries(
        self,
        webhook_id: str,
        *,
        state: DeliveryState | str | None = None,
        limit: int | None = None,
    ) -> list[DeliveryAnswer]:
        """Return what a webhook was told last, newest first."""
        return self._list(
            DeliveryAnswer,
            "GET /webhooks/{webhook_id}/deliveries",
            query={"state": state, "limit": limit},
            webhook_id=webhook_id,
        )

    def redeliver(self, webhook_id: str, delivery_id: str) -> DeliveryAnswer:
        """Send something again that was delivered or given up."""
        return self._read(
            DeliveryAnswer,
            "POST /webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
            webhook_id=webhook_id,
            delivery_id=delivery_id,
        )
