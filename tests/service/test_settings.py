"""Where settings come from, what is refused, and how they are shown."""

import json

import pytest
from typer.testing import CliRunner

from service.cli import app as commands
from service.settings import Settings, SettingsError, settings, with_options
from service.settings_list import as_toml, listed

SECRET = "hunter2hunter2"


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No file and no variable but those of the test."""
    monkeypatch.chdir(tmp_path)
    for name in ("LPWD_CONFIG", "LPWD_PORT", "LPWD_HOST", "LPWD_DATABASE_URL", "LPWD_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def lpwd(*arguments):
    done = CliRunner().invoke(commands, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_options_come_before_environment_before_dotenv_before_file(alone, monkeypatch):
    def sources():
        return {one.name: (one.value, one.source) for one in listed(with_options())}

    assert sources()["port"] == (8000, "default")
    (alone / "lpwd.toml").write_text("port = 1\nlog_level = 'error'\n")
    assert sources()["port"] == (1, "lpwd.toml")
    (alone / ".env").write_text("LPWD_PORT=2\nOTHER=x\n")
    assert sources()["port"] == (2, ".env")
    monkeypatch.setenv("LPWD_PORT", "3")
    assert sources()["port"] == (3, "environment")
    assert sources()["log_level"] == ("error", "lpwd.toml")
    assert with_options(port=4, host=None).port == 4


def test_the_file_may_be_elsewhere(alone, monkeypatch):
    (alone / "lpwd.toml").write_text("port = 1\n")
    (alone / "other.toml").write_text("port = 2\ncheckpoint_bytes = '2GB'\n")
    monkeypatch.setenv("LPWD_CONFIG", "other.toml")
    assert (settings().port, settings().checkpoint_bytes) == (2, 2 * 10**9)
    monkeypatch.setenv("LPWD_CONFIG", "missing.toml")
    with pytest.raises(SettingsError, match=r"missing\.toml.*no such file.*config init"):
        with_options()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", r"no setting 'prot'; did you mean port\?"),
        ("[api]\nport = 1", "no setting 'api'"),
        ("port = ", "cannot be read as TOML"),
        ("port = 99999", "LPWD_PORT is 99999"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused(alone, text, said):
    (alone / "lpwd.toml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        with_options()


def test_variables_that_are_no_settings_are_refused(alone, monkeypatch):
    monkeypatch.setenv("LPWD_PROT", "1")
    with pytest.raises(SettingsError, match=r"LPWD_PROT; did you mean LPWD_PORT\?"):
        with_options()
    monkeypatch.delenv("LPWD_PROT")
    (alone / ".env").write_text("LPWD_DATABASE=x\n")
    with pytest.raises(SettingsError, match=r"LPWD_DATABASE \(in \.env\); did you mean"):
        with_options()


def test_settings_are_shown_with_their_source_and_without_secrets(alone, monkeypatch):
    monkeypatch.setenv("LPWD_DATABASE_URL", f"postgresql://lpwd:{SECRET}@database/lpwd")
    found = {one["variable"]: one for one in json.loads(lpwd("config", "show", "--json"))}
    assert set(found) == {f"LPWD_{name.upper()}" for name in Settings.model_fields}
    assert found["LPWD_DATABASE_URL"]["source"] == "environment"
    assert found["LPWD_DATABASE_URL"]["value"] == "postgresql://lpwd:[hidden]@database/lpwd"
    for text in (json.dumps(found), lpwd("config", "show")):
        assert SECRET not in text
        assert "database/lpwd" in text
    assert all(one["help"] for one in found.values())


def test_a_file_of_defaults_changes_nothing(alone):
    before = settings()
    assert "wrote lpwd.toml" in lpwd("config", "init")
    text = (alone / "lpwd.toml").read_text()
    assert with_options() == before
    assert all(line.startswith("#") or not line for line in text.splitlines())
    with pytest.raises(SettingsError, match="--force"):
        lpwd("config", "init")
    # Without the #, it says the same as well.
    lines = [line[2:] for line in as_toml().splitlines() if line.startswith("# ")]
    given = [line for line in lines if line.split(" =")[0] in Settings.model_fields]
    assert len(given) == len(Settings.model_fields)
    (alone / "lpwd.toml").write_text("\n".join(one for one in given if not one.endswith("=")))
    assert with_options() == before
