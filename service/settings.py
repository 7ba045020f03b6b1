"""Settings, from the environment (`LPWD_…`) or a `.env` file."""

from functools import cache
from pathlib import Path

from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.packing import PACK_SIZE


class Settings(BaseSettings):
    """What an installation can choose. Every field is `LPWD_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="LPWD_", env_file=".env", extra="ignore")

    database_url: str = ""
    """Any SQLAlchemy URL; empty: a SQLite file in `data_dir`."""
    data_dir: Path = Path("data")
    """Where the SQLite file lies."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    allow_remote: bool = False
    """Listen on other addresses than loopback. There is no access control yet: only behind a
    proxy that has it, or in a container whose port is published on loopback."""

    ray_address: str = "local"
    """`local` starts Ray here; else the address of a cluster (`ray://…`, `host:port`, `auto`)."""
    worker_device: str = Field(default="auto", pattern="^(auto|cpu|gpu)$")
    pack_size: PositiveInt = PACK_SIZE
    """Trials trained together, at most."""

    lease_seconds: PositiveFloat = 15.0
    """How long a runner may be silent before another takes its study."""
    trial_attempts: PositiveInt = 3
    """Workers a trial may lose before it is given up."""

    max_trials: PositiveInt = 100_000
    """Trials a study may hold."""
    max_body_bytes: PositiveInt = 1_048_576

    @property
    def url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'lpwd.db').resolve()}"


@cache
def settings() -> Settings:
    """Return this process's settings, read once."""
    return Settings()
