"""The daemon's own command line."""

from pathlib import Path

import pytest

from fluxlit.config.arguments import as_flags, flag_rows, option_name, parse, parse_or_exit, parser
from fluxlit.config.settings import Kind
from fluxlit.config.sources import Source
from fluxlit.config.table import TABLE, Row
from fluxlit.errors import ConfigError


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, and no variable of ours."""
    monkeypatch.chdir(tmp_path)
    for row in TABLE.values():
        for name in row.variables:
            monkeypatch.delenv(name, raising=False)


def test_nothing() -> None:
    """Without arguments nothing comes from the command line."""
    assert {origin.source for origin in parse([]).origins.values()} == {Source.DEFAULT}


def test_everything() -> None:
    """Target, file, values and switches in one line."""
    Path("x.toml").write_text("title = 'x'")
    loaded = parse(["a:b", "--config", "x.toml", "--port=1", "--no-access-log", "--debug"])
    settings = loaded.settings
    assert (settings.target, settings.title, settings.gateway.port) == ("a:b", "x", 1)
    assert (settings.log.access, settings.debug) == (False, True)
    assert loaded.origins["log.access"].place == "--no-access-log"


@pytest.mark.parametrize("row", list(flag_rows()), ids=lambda row: row.key)
def test_every_flag_is_there(row: Row) -> None:
    """Each flag of the table is one of the command line, and sets its own setting alone."""
    for flag in row.flags:
        words = [flag] if row.about.kind is Kind.FLAG else [flag, "x"]
        assert list(as_flags(vars(parser().parse_args(words)))) == [row.key]


def test_option_names_are_unique() -> None:
    """Two groups may have a field of the same name."""
    names = [option_name(row) for row in TABLE.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("argv", [["--prot", "1"], ["--por", "1"], ["a", "b"], ["--port"]])
def test_usage_errors(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown, shortened or incomplete flags are usage errors: 2."""
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_wrong_settings() -> None:
    """A wrong value is a configuration error, as it is from any other source."""
    with pytest.raises(ConfigError, match="--port: found 'x'"):
        parse(["--port", "x"])


def test_wrong_settings_end_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    """parse_or_exit prints each problem on a line and exits with 78."""
    with pytest.raises(SystemExit) as caught:
        parse_or_exit(["--port", "x", "--backend", "y"])
    assert caught.value.code == 78
    assert capsys.readouterr().err.count("\nfluxlit: ") == 1


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--help fits on a screen."""
    with pytest.raises(SystemExit) as caught:
        parse(["--help"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) <= 60
