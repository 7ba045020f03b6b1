"""The actor on a device: measures and trains packs. torch is imported here and not before, so that
the runner need not have it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from workers.contracts import Device, EpochReport, Measurement, Pack
from workers.errors import PackTooLargeError


@dataclass(frozen=True)
class TrainerSettings:
    """How an actor uses its device."""

    gpu: bool = False
    """Whether Ray lends it a GPU, or a share of one."""
    sharing: int = 1
    """Workers that share the memory of its device."""
    memory: int | None = None
    """Bytes that it may take for packs on a CPU; all there is by default."""


class Trainer:
    """Lives as long as its device; a pack leaves nothing behind but what makes the next quicker.

    Its methods may run in other threads than its construction: one trains or measures, another,
    the control group's, asks it for a checkpoint meanwhile.
    """

    def __init__(self, settings: TrainerSettings) -> None:
        from workers import device, memory
        from workers.training import train  # noqa: F401 - its imports take a while

        self._settings = settings
        self._torch_device = device.prepare(gpu=settings.gpu)
        self._device = device.describe(self._torch_device, settings.memory)
        self._wanted = threading.Event()
        if settings.memory is not None and not settings.gpu:
            memory.limit(settings.memory)

    def device(self) -> Device:
        """Describe where this actor trains."""
        return self._device

    def want_checkpoint(self) -> None:
        """Have the pack in training write a checkpoint after the epoch it is in."""
        self._wanted.set()

    def measure(self, pack: Pack, epochs: int) -> Measurement:
        """Measure what trials like these cost.

        Args:
            pack: As many of them as might train together.
            epochs: Epochs that this actor may have to train, those of all trials together.

        Raises:
            PackTooLargeError: Not even one of them fits into memory.
        """
        from workers import device
        from workers.training.measure import measure

        device.prepare(gpu=self._settings.gpu)  # of this thread, too
        try:
            return measure(
                pack.trials, self._torch_device, sharing=self._settings.sharing, epochs=epochs
            )
        except Exception as error:
            raise self._named(error) from None

    def train(
        self, pack: Pack, checkpoint: bytes | None, checkpoint_seconds: float
    ) -> Iterator[EpochReport]:
        """Train a pack, one report an epoch; from a checkpoint, if there is one.

        Raises:
            PackTooLargeError: Memory ran out.
        """
        from workers import device
        from workers.training import train

        device.prepare(gpu=self._settings.gpu)  # of this thread, too
        self._wanted.clear()
        try:
            yield from train(
                pack,
                self._torch_device,
                checkpoint=checkpoint,
                checkpoint_seconds=checkpoint_seconds,
                wanted=self._asked,
            )
        except Exception as error:
            raise self._named(error) from None

    def _asked(self) -> bool:
        """Tell whether a checkpoint is wanted, once for each time it was asked for."""
        asked = self._wanted.is_set()
        self._wanted.clear()
        return asked

    def _named(self, error: Exception) -> Exception:
        """Call a lack of memory by its name, and give back what the failed pack had taken."""
        from workers import memory

        if not memory.is_exhausted(error):
            return error
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        # The frames of the traceback hold the tensors.
        error.__traceback__ = None
        memory.release(self._torch_device)
        return PackTooLargeError(f"memory ran out: {said}")
