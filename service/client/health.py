"""How the service itself is doing."""

from service.client.errors import ClientError
from service.client.transport import Transport


class Health(Transport):
    """Asking after the service."""

    def healthy(self) -> bool:
        """Whether the service answers at all."""
        return self._succeeds("GET /healthz")

    def ready(self) -> bool:
        """Whether the service answers and can serve: its database is there and up to date."""
        return self._succeeds("GET /readyz")

    def metrics(self) -> str:
        """Return the service's metrics, in Prometheus' text format."""
        return self._ask("GET /metrics").text

    def _succeeds(self, operation: str) -> bool:
        try:
            self._ask(operation, once=True)
        except ClientError:
            return False
        return True
