"""Settings, from options, the environment (`LPWD_…`), a `.env` file or a TOML file."""

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import limits
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    ByteSize,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from workers import data

PREFIX = "LPWD_"
CONFIG = "LPWD_CONFIG"
"""Names the TOML file; without it, the first of `FILES` that is there."""
FILES = (Path("lpwd.toml"), Path("/etc/lpwd.toml"))
OFF = "off"
"""A rate that limits nothing."""
NO_SETTINGS = frozenset({CONFIG, "LPWD_SERVER", "LPWD_API_KEY", "LPWD_STOP_WITH_STDIN"})
"""Variables that look like settings and are read elsewhere."""


def _rate(value: str) -> str:
    """Refuse what is no rate."""
    if value != OFF:
        try:
            limits.parse(value)
        except ValueError as error:
            raise ValueError("write 600/minute, 10/second or off") from error
    return value


def _networks(value: str) -> str:
    """Refuse what names no addresses."""
    for one in split_names(value):
        try:
            ipaddress.ip_network(one)
        except ValueError as error:
            raise ValueError(
                f"{one!r} is neither an address nor a network; write 127.0.0.1 or 10.0.0.0/8"
            ) from error
    return value


def split_names(value: str) -> tuple[str, ...]:
    """Return the parts of a list with commas or blanks in between."""
    return tuple(value.replace(",", " ").split())


Rate = Annotated[str, AfterValidator(_rate)]


class Settings(BaseSettings):
    """What an installation can choose. Every field is `LPWD_` + its name in capitals.

    A field's docstring is its help. To be hidden where settings are shown, a field's type is
    pydantic's `SecretStr`; passwords in URLs are hidden anyhow.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=False,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    database_url: str = ""
    """Of a SQLite file or a PostgreSQL database; empty: a SQLite file in `data_dir`."""
    data_dir: Path = Path("data")
    """Where the SQLite file and the checkpoints of running packs lie."""
    datasets_dir: Annotated[Path, AfterValidator(data.absolute)] = Field(
        default_factory=data.folder, json_schema_extra={"default_is": "~/.cache/lpwd/datasets"}
    )
    """Where data sets that tasks need lie; the same for API, runner and workers."""

    host: str = "127.0.0.1"
    """Address on which the API listens."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port on which the API listens."""
    access: Literal["auto", "open", "read-open", "keys"] = "auto"
    """Who needs a key: `keys` everybody, `read-open` whoever changes something, `open` nobody;
    `auto` is `open` on loopback and `keys` elsewhere."""
    allow_remote: bool = False
    """Let `open` stand on other addresses than loopback: only behind a proxy that has access
    control of its own."""
    allowed_hosts: str = ""
    """Names by which the service is asked for besides those of loopback, such as
    `lpwd.example.org`, separated by commas. Where everybody needs a key: empty for any."""
    https: bool = False
    """The service is reached by https, at a proxy: browsers are told to use nothing else."""
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = ""
    """Addresses or networks of proxies, such as `127.0.0.1`, separated by commas: what they say in
    `X-Forwarded-For` is taken for the sender's address, which rates count by."""
    rate_reads: Rate = "6000/minute"
    """Requests that read which a key may make, or an address without one; `off` for any number.
    Where nobody needs a key, only requests that come with one are counted."""
    rate_writes: Rate = "600/minute"
    """Likewise, requests that change something."""
    rate_logins: Rate = "10/minute"
    """Likewise, attempts to sign in from an address."""
    webhooks_allow_http: bool = False
    """Let webhooks be sent by http, which can be read on its way."""
    webhooks_allow_private: bool = False
    """Let webhooks be sent to addresses that are not of the internet: this machine, its network."""
    webhook_attempts: PositiveInt = 8
    """Tries that a delivery to a webhook gets, within half a day."""
    webhook_failures: PositiveInt = 10
    """Deliveries in a row that may be given up before a webhook is disabled."""
    max_studies_per_key: PositiveInt | None = 100
    """Unfinished studies that a key may have at once."""

    ray_address: str = "local"
    """`local` starts Ray here; else the address of a cluster (`ray://…`, `host:port`, `auto`)."""
    ray_without_token: bool = False
    """Join a cluster though this process has no token for it (`RAY_AUTH_MODE=token`): only where
    nobody else reaches Ray's ports."""
    worker_device: str = Field(default="auto", pattern="^(auto|cpu|gpu)$")
    """`cpu`, `gpu`, or GPUs if there are any."""
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

    runner_nice: Annotated[int, Field(ge=0, le=19)] = 5
    """How far runner and training stand back for others on the machine, the API above all; as
    `nice` counts it."""
    lease_seconds: PositiveFloat = 15.0
    """How long a runner may be silent before another takes its study."""
    drain_seconds: NonNegativeFloat = 20.0
    """How long a runner that was told to stop may take to end or save what its workers train."""
    turn_seconds: PositiveFloat = 600.0
    """How long a study trains before it makes way for another owner's of the same priority."""
    study_losses: PositiveInt = 3
    """Runners in a row that may be lost with a study, nothing done, before it is given up."""
    trial_attempts: PositiveInt = 3
    """Workers a trial may lose before it is given up, or processes a search in a row."""

    max_trials: PositiveInt = 100_000
    """Trials a study may hold."""
    max_body_bytes: PositiveInt = 1_048_576
    """Size of a request."""
    max_import_bytes: ByteSize = ByteSize(200 * 10**6)
    """Size of a study that is imported as one file, such as `200MB`."""

    keep_events_days: PositiveFloat | None = 30.0
    """How long events of studies that have ended are kept; their last one always is."""
    keep_idempotency_days: PositiveFloat | None = 30.0
    """How long a repeated `Idempotency-Key` finds the study that it made."""
    keep_deliveries_days: PositiveFloat | None = 30.0
    """How long it is kept what webhooks were told."""
    keep_unused_trials_days: PositiveFloat | None = None
    """How long trials are kept that no study has any more; for ever by default, since a study that
    asks for one again need not train it."""
    keep_curves_days: PositiveFloat | None = None
    """How long curves of trials are kept; for ever by default. Scores are kept in any case."""

    log_format: Literal["text", "json"] = "text"
    """`text` for people, coloured on a terminal; `json` for machines, one object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less important than this is not logged."""

    @property
    def url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'lpwd.db').resolve()}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from; what comes first counts."""
        return init_settings, env_settings, dotenv_settings, _File(settings_cls)


class _File(PydanticBaseSettingsSource):
    """The TOML file, for pydantic."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not asked: the whole file is read at once."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        return dict(from_file())


class SettingsError(Exception):
    """A setting has a value it cannot have, or there is no such setting."""


@cache
def settings() -> Settings:
    """Return this process's settings, read once. Raises `SettingsError`."""
    return with_options()


def with_options(**options: object) -> Settings:
    """Return the settings with options of a command line, where given, in their place.

    Raises:
        SettingsError: A value is out of range, or a name is none.
    """
    chosen: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    check_names()
    try:
        return Settings(**chosen)
    except ValidationError as error:
        said = [f"{_name(one['loc'])} is {one['input']!r}: {one['msg']}" for one in error.errors()]
        raise SettingsError("; ".join(said)) from error


def config_file() -> Path | None:
    """Return the settings file: the one that `LPWD_CONFIG` names, or the first that is there.

    Raises:
        SettingsError: `LPWD_CONFIG` names a file that is not there.
    """
    named = os.environ.get(CONFIG)
    if named:
        if not Path(named).is_file():
            raise SettingsError(
                f"{CONFIG} is {named!r}, and there is no such file; `lpwd config init {named}` "
                "writes one"
            )
        return Path(named)
    return next((file for file in FILES if file.is_file()), None)


def from_file() -> Mapping[str, Any]:
    """Return what the settings file says, by name.

    Raises:
        SettingsError: It cannot be read, is no TOML, or names what is no setting.
    """
    file = config_file()
    if file is None:
        return {}
    try:
        found = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file} cannot be read as TOML: {error}") from error
    for name in found:
        if name not in Settings.model_fields:
            raise SettingsError(
                f"{file}: there is no setting {name!r}{_meant(name, Settings.model_fields)}"
            )
    return found


def from_environment() -> dict[str, str]:
    """Return the environment variables that look like settings, by their names in capitals."""
    return {
        name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)
    }


def from_dotenv() -> dict[str, str | None]:
    """Return what the `.env` file says of settings, by their names in capitals."""
    found = dotenv_values(".env") if Path(".env").is_file() else {}
    return {name.upper(): value for name, value in found.items() if name.upper().startswith(PREFIX)}


def check_names() -> None:
    """Refuse variables that look like settings and are none: a typing error would be ignored.

    Raises:
        SettingsError: There is one.
    """
    known = {variable(name) for name in Settings.model_fields} | NO_SETTINGS
    for where, found in (("", from_environment()), (" (in .env)", from_dotenv())):
        for name in found:
            if name not in known:
                raise SettingsError(f"there is no setting {name}{where}{_meant(name, known)}")


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "; `lpwd config show` lists them"


def _name(location: tuple[int | str, ...]) -> str:
    """Name a setting as the environment does, however it was given."""
    return variable(str(location[0]).lower().removeprefix(PREFIX.lower()))
