"""The catalogue: what studies may name."""

from service.catalogue.schemas import DataSetAnswer, OptimizerAnswer, PresetAnswer, TaskAnswer
from service.client.transport import Transport


class Catalogue(Transport):
    """Reading the catalogue."""

    def optimizers(self) -> list[OptimizerAnswer]:
        """Return the optimizers that studies may name."""
        return self._list(OptimizerAnswer, "GET /optimizers")

    def optimizer(self, name: str) -> OptimizerAnswer:
        """Return one optimizer, with the JSON Schema of its hyperparameters."""
        return self._read(OptimizerAnswer, "GET /optimizers/{name}", name=name)

    def tasks(self) -> list[TaskAnswer]:
        """Return the tasks that studies may name."""
        return self._list(TaskAnswer, "GET /tasks")

    def task(self, name: str) -> TaskAnswer:
        """Return one task, with its metric and default budget."""
        return self._read(TaskAnswer, "GET /tasks/{name}", name=name)

    def datasets(self) -> list[DataSetAnswer]:
        """Return the data sets that tasks need, and whether they are where the service runs."""
        return self._list(DataSetAnswer, "GET /datasets")

    def presets(self) -> list[PresetAnswer]:
        """Return the studies that ship with the service."""
        return self._list(PresetAnswer, "GET /presets")

    def preset(self, name: str) -> PresetAnswer:
        """Return one of them; its `study` is what `submit` takes."""
        return self._read(PresetAnswer, "GET /presets/{name}", name=name)
