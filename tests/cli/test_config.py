"""`fluxlit config`."""

import json
import tomllib
from pathlib import Path

from fluxlit.config.schema import schema
from fluxlit.config.table import TABLE
from tests.cli.commands import fluxlit


def test_show(tmp_path: Path) -> None:
    """Every setting is a line; warnings go to standard error."""
    result = fluxlit(
        tmp_path, "config", "show", "--origins", variables={"FLUXLIT_X": "", "PORT": "1"}
    )
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == len(TABLE)
    assert "env: PORT" in result.stdout
    assert result.stderr.startswith("fluxlit: warning: FLUXLIT_X: unknown")


def test_show_json_and_toml(tmp_path: Path) -> None:
    """Both forms are what they say, and say the same."""
    (tmp_path / "x.toml").write_text("title = 'x'")
    as_json = fluxlit(tmp_path, "config", "show", "--json", "--config", "x.toml")
    as_toml = fluxlit(tmp_path, "config", "show", "--toml", "--config", "x.toml")
    assert json.loads(as_json.stdout) == tomllib.loads(as_toml.stdout)
    assert json.loads(as_json.stdout)["title"] == "x"


def test_one_form_at_a_time(tmp_path: Path) -> None:
    """--json with --toml is a usage error."""
    assert fluxlit(tmp_path, "config", "show", "--json", "--toml").returncode == 2


def test_f43_show_names_bad_paths(tmp_path: Path) -> None:
    """F43: config does not pass over what run refuses."""
    result = fluxlit(tmp_path, "config", "show", variables={"FLUXLIT_ROOT_PATH": "//evil.com"})
    assert result.returncode == 78
    assert result.stderr.startswith("fluxlit: FLUXLIT_ROOT_PATH: found '//evil.com'")


def test_schema(tmp_path: Path) -> None:
    """The schema is printed as JSON."""
    assert json.loads(fluxlit(tmp_path, "config", "schema").stdout) == schema()
