"""The file: found or given, read with lines."""

from pathlib import Path

import pytest

from fluxlit.config.file import read_file
from fluxlit.config.sources import Findings
from fluxlit.config.table import FILE_ALIASES, TABLE


def read(directory: Path, config_file: Path | None = None) -> Findings:
    """Read with the real table."""
    return read_file(directory, config_file, TABLE)


def problems(directory: Path, text: str) -> list[str]:
    """The problems of a fluxlit.toml."""
    (directory / "fluxlit.toml").write_text(text)
    return [str(problem) for problem in read(directory).problems]


def places(findings: Findings) -> dict[str, str]:
    """Where each offer was found."""
    return {key: offer.origin.place for key, offer in findings.offers.items()}


def test_no_file(tmp_path: Path) -> None:
    """Without a file there is nothing to say."""
    assert read(tmp_path) == Findings()


def test_fluxlit_toml(tmp_path: Path) -> None:
    """Keys are found at the top and in groups, each with its line."""
    (tmp_path / "fluxlit.toml").write_text('title = "x"\n\n[gateway]\nport = 1\n')
    assert places(read(tmp_path)) == {
        "title": "fluxlit.toml:1 title",
        "gateway.port": "fluxlit.toml:4 gateway.port",
    }


def test_pyproject(tmp_path: Path) -> None:
    """[tool.fluxlit] of pyproject.toml is read where there is no fluxlit.toml."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[tool.fluxlit.log]\nlevel = "x"\n'
    )
    assert places(read(tmp_path)) == {"log.level": "pyproject.toml:4 log.level"}
    (tmp_path / "fluxlit.toml").write_text("debug = true")
    assert places(read(tmp_path)) == {"debug": "fluxlit.toml:1 debug"}


@pytest.mark.parametrize("text", ["", "[tool.other]\nfluxlit = 1", "tool = 1", "[broken"])
def test_pyproject_of_others(tmp_path: Path, text: str) -> None:
    """A pyproject.toml that does not speak of us is not ours to judge."""
    (tmp_path / "pyproject.toml").write_text(text)
    assert read(tmp_path) == Findings()


def test_broken_pyproject(tmp_path: Path) -> None:
    """One that does speak of us is."""
    (tmp_path / "pyproject.toml").write_text("[tool.fluxlit]\nx =\n")
    assert [problem.place for problem in read(tmp_path).problems] == ["pyproject.toml:2"]


def test_given_file(tmp_path: Path) -> None:
    """A given file is read instead of any found one, relative to the working directory."""
    (tmp_path / "fluxlit.toml").write_text("[broken")
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/prod.toml").write_text("debug = true")
    findings = read(tmp_path, Path("deploy/prod.toml"))
    assert places(findings) == {"debug": "deploy/prod.toml:1 debug"}
    assert findings.problems == []


def test_given_pyproject(tmp_path: Path) -> None:
    """A given pyproject.toml must speak of us."""
    given = tmp_path / "pyproject.toml"
    given.write_text("[tool.fluxlit]\ndebug = true")
    assert list(read(tmp_path, given).offers) == ["debug"]
    given.write_text("[tool.other]\n")
    (problem,) = read(tmp_path, given).problems
    assert (problem.place, problem.expected) == (f"--config {given}", "[tool.fluxlit]")


def test_a_missing_given_file(tmp_path: Path) -> None:
    """--config of a file that is not there is a problem."""
    (problem,) = read(tmp_path, Path("none.toml")).problems
    assert str(problem) == (
        "--config none.toml: found no such file or directory, expected a readable file"
    )


def test_a_folder_as_file(tmp_path: Path) -> None:
    """A folder is no file, given or found."""
    (tmp_path / "fluxlit.toml").mkdir()
    assert [problem.place for problem in read(tmp_path).problems] == ["fluxlit.toml"]


def test_not_utf8(tmp_path: Path) -> None:
    """TOML is UTF-8; another encoding is named."""
    (tmp_path / "fluxlit.toml").write_bytes(b'title = "\xe4"')
    (problem,) = read(tmp_path).problems
    assert problem.found == "byte 9 is not UTF-8"


def test_broken_toml(tmp_path: Path) -> None:
    """Broken TOML is shown with its line and what stands there."""
    (text,) = problems(tmp_path, 'title = "x"\nport = = 1\n')
    assert text.startswith("fluxlit.toml:2: found 'port = = 1', expected TOML (Invalid value")


def test_unknown_keys(tmp_path: Path) -> None:
    """Unknown keys are problems, with the setting that was meant: near in letters or elsewhere."""
    assert problems(
        tmp_path, "prot = 1\nport = 2\nqqqqqq = 3\n[gatewy]\nx = 1\n[gateway]\nprot = 1\n"
    ) == [
        "fluxlit.toml:1 prot: found an unknown key, expected the name of a setting",
        "fluxlit.toml:2 port: found an unknown key, expected the name of a setting (did you mean gateway.port?)",
        "fluxlit.toml:3 qqqqqq: found an unknown key, expected the name of a setting",
        "fluxlit.toml:4 gatewy: found an unknown table, expected the name of a setting (did you mean gateway?)",
        (
            "fluxlit.toml:7 gateway.prot: found an unknown key, expected the name of a setting"
            " (did you mean gateway.port?)"
        ),
    ]


def test_a_group_must_be_a_table(tmp_path: Path) -> None:
    """A group that is a value says how it is written."""
    assert problems(tmp_path, "gateway = 1") == [
        "fluxlit.toml:1 gateway: found 1, expected a table: [gateway]"
    ]


@pytest.mark.parametrize("alias", FILE_ALIASES)
def test_aliases(tmp_path: Path, alias: str) -> None:
    """Keys of fluxlit 0.13 set their settings and keep their spelling in messages."""
    (tmp_path / "fluxlit.toml").write_text(f'{alias} = "x"')
    assert places(read(tmp_path)) == {FILE_ALIASES[alias]: f"fluxlit.toml:1 {alias}"}


def test_one_setting_twice(tmp_path: Path) -> None:
    """A setting under both its names would have two values."""
    assert problems(tmp_path, "gateway_port = 1\n[gateway]\nport = 2") == [
        "fluxlit.toml:3 gateway.port: found 2, expected one value (also set at fluxlit.toml:1 gateway_port)"
    ]


def test_odd_keys_are_quoted(tmp_path: Path) -> None:
    """A key with spaces or dots is shown in the file's spelling."""
    (text,) = problems(tmp_path, '"gateway.port" = 1')
    assert text.startswith('fluxlit.toml:1 "gateway.port": ')
