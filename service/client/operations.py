"""The queue, and who works through it."""

from service.client.transport import Transport
from service.runners.schemas import PlacedDeviceAnswer, QueueAnswer, RunnerAnswer


class Operations(Transport):
    """Asking what is trained, and what comes next."""

    def queue(self, *, limit: int | None = None) -> QueueAnswer:
        """Return the studies in training, and those that wait, in their order and why.

        Args:
            limit: Waiting studies to return, at most.
        """
        return self._read(QueueAnswer, "GET /queue", query={"limit": limit})

    def runners(self) -> list[RunnerAnswer]:
        """Return the runners, those that have just fallen silent included."""
        return self._list(RunnerAnswer, "GET /runners")

    def devices(self) -> list[PlacedDeviceAnswer]:
        """Return the devices of all runners that are up, and what each trains now."""
        return self._list(PlacedDeviceAnswer, "GET /devices")
