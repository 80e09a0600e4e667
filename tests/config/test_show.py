"""How settings are shown."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fluxlit.config.load import Loaded, load
from fluxlit.config.settings import About, Kind, Settings
from fluxlit.config.show import HIDDEN, as_json, as_text, as_toml
from fluxlit.config.sources import Origin, Source
from fluxlit.config.table import TABLE, Row

FORMS = (as_text, as_json, as_toml)


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """Settings from several sources."""
    (tmp_path / "fluxlit.toml").write_text("[shutdown]\ntotal = '30s'\n")
    environ = {"PORT": "1", "FLUXLIT_TRUST_PROXY": "1", "FLUXLIT_FORWARDED_ALLOW_IPS": "::1"}
    return load({"title": 'a "b" ü'}, environ, tmp_path, None)


def test_toml_loads_back(loaded: Loaded, tmp_path: Path) -> None:
    """What --toml writes is a file that says the same, with and without origins."""
    for origins in (False, True):
        (tmp_path / "again.toml").write_text(as_toml(loaded, origins=origins))
        again = load({}, {}, tmp_path, Path("again.toml"))
        assert again.settings == loaded.settings


def test_json_is_the_same_as_toml(loaded: Loaded) -> None:
    """Both forms say the same."""
    assert json.loads(as_json(loaded, origins=False)) == tomllib.loads(
        as_toml(loaded, origins=False)
    )


def test_json_with_origins(loaded: Loaded) -> None:
    """Each setting has its value and where it comes from."""
    shown = json.loads(as_json(loaded, origins=True))
    assert list(shown) == list(TABLE)
    assert shown["gateway.port"] == {"value": 1, "source": "env", "place": "PORT"}
    assert shown["shutdown.total"] == {
        "value": 30.0,
        "source": "file",
        "place": "fluxlit.toml:2 shutdown.total",
    }


def test_text(loaded: Loaded) -> None:
    """One line a setting, in columns; origins only if asked for."""
    plain = as_text(loaded, origins=False).splitlines()
    full = as_text(loaded, origins=True).splitlines()
    assert [line.split()[0] for line in plain] == list(TABLE)
    assert "fluxlit.toml" not in "".join(plain)
    (total,) = (line for line in full if line.startswith("shutdown.total"))
    assert total.split("  ")[-1] == "file: fluxlit.toml:2 shutdown.total"


def test_toml_with_origins(loaded: Loaded) -> None:
    """Origins are comments on top of the TOML."""
    lines = as_toml(loaded, origins=True).splitlines()
    assert "# gateway.host: platform: because the port comes from PORT" in lines


@pytest.mark.parametrize("origins", [True, False])
@pytest.mark.parametrize("value", ["s3cret", ""])
def test_secrets_never_print(*, origins: bool, value: str) -> None:
    """A secret is shown as *** in every form; one that is not set is shown as empty."""
    row = Row("auth", "key", "", About(Kind.TEXT, "A key", secret=True))
    settings: Any = SimpleNamespace(auth=SimpleNamespace(key=value))
    secret = Loaded(cast("Settings", settings), {"auth.key": Origin(Source.ENV, "AUTH_KEY")})
    for form in FORMS:
        text = form(secret, origins=origins, table={row.key: row})
        assert "s3cret" not in text
        assert (HIDDEN in text) == bool(value)
