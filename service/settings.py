"""Settings, from the environment (`LPWD_…`) or a `.env` file."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ByteSize,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers import data


class Settings(BaseSettings):
    """What an installation can choose. Every field is `LPWD_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="LPWD_", env_file=".env", extra="ignore")

    database_url: str = ""
    """Any SQLAlchemy URL; empty: a SQLite file in `data_dir`."""
    data_dir: Path = Path("data")
    """Where the SQLite file and the checkpoints of running packs lie."""
    datasets_dir: Annotated[Path, AfterValidator(data.absolute)] = Field(
        default_factory=data.folder
    )
    """Where data sets that tasks need lie; the same for API, runner and workers."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    allow_remote: bool = False
    """Listen on other addresses than loopback. There is no access control yet: only behind a
    proxy that has it, or in a container whose port is published on loopback."""

    ray_address: str = "local"
    """`local` starts Ray here; else the address of a cluster (`ray://…`, `host:port`, `auto`)."""
    worker_device: str = Field(default="auto", pattern="^(auto|cpu|gpu)$")
    workers_per_gpu: PositiveInt | Literal["auto"] = "auto"
    """Packs that share a GPU; `auto` has as many as keep it computing."""
    pack_size: PositiveInt | None = None
    """Trials trained together, at most; as many as are quickest by default."""
    memory_share: PositiveFloat = 0.8
    """Share of a worker's free memory that a pack is planned to take."""
    worker_memory: ByteSize | None = None
    """Memory that a worker on a CPU may take for its packs, such as `4GB`; all by default."""
    checkpoint_seconds: PositiveFloat = 60.0
    """Time between two checkpoints of a running pack: what a lost worker or runner costs."""
    checkpoint_bytes: ByteSize = ByteSize(10 * 10**9)
    """Room for all checkpoints together, such as `10GB`."""

    lease_seconds: PositiveFloat = 15.0
    """How long a runner may be silent before another takes its study."""
    trial_attempts: PositiveInt = 3
    """Workers a trial may lose before it is given up, or processes a search in a row."""

    max_trials: PositiveInt = 100_000
    """Trials a study may hold."""
    max_body_bytes: PositiveInt = 1_048_576

    @property
    def url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'lpwd.db').resolve()}"


class SettingsError(Exception):
    """A setting has a value it cannot have."""


@cache
def settings() -> Settings:
    """Return this process's settings, read once. Raises `SettingsError`."""
    return _checked({})


def with_options(**options: object) -> Settings:
    """Return the settings with options of a command line, where given, in their place.

    Raises:
        SettingsError: A value is out of range.
    """
    chosen = {name: value for name, value in options.items() if value is not None}
    return _checked({**settings().model_dump(), **chosen})


def _checked(values: dict[str, Any]) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        said = [f"{_name(one['loc'])} is {one['input']!r}: {one['msg']}" for one in error.errors()]
        raise SettingsError("; ".join(said)) from error


def _name(location: tuple[int | str, ...]) -> str:
    """Name a setting as the environment does, however it was given."""
    return "LPWD_" + str(location[0]).upper().removeprefix("LPWD_")
