"""Variables of the process and of .env."""

from pathlib import Path

import pytest

from fluxlit.config.environment import read_dotenv, read_environment
from fluxlit.config.known import OWN, PUBLISHED
from fluxlit.config.settings import About, Kind
from fluxlit.config.sources import Findings
from fluxlit.config.table import TABLE, Row

SECRET = Row("auth", "key", "", About(Kind.TEXT, "A key", env=("AUTH_KEY",), secret=True))
SECRETS = {SECRET.key: SECRET}


def texts(findings: Findings) -> dict[str, object]:
    """What is offered, by key."""
    return {key: offer.raw for key, offer in findings.offers.items()}


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.key)
def test_every_variable_sets_its_setting(row: Row) -> None:
    """Each name of each row, the regular one and the aliases, is read."""
    for name in row.variables:
        findings = read_environment({name: "x"}, TABLE)
        assert texts(findings) == {row.key: "x"}
        assert findings.offers[row.key].origin.place == name
        assert findings.warnings == []


def test_the_first_name_wins() -> None:
    """Of two names for one setting the first of the row counts, and the other is warned of."""
    environ = {"STREAMLIT_PUBLIC_PATH": "/b", "FLUXLIT_ROOT_PATH": "/a"}
    findings = read_environment(environ, TABLE)
    assert texts(findings) == {"gateway.root_path": "/a"}
    assert findings.warnings == [
        "STREAMLIT_PUBLIC_PATH: ignored, because FLUXLIT_ROOT_PATH is set to something else"
    ]


def test_port_is_below_our_own_name() -> None:
    """PORT gives way to FLUXLIT_GATEWAY_PORT without a word: platforms always set it."""
    findings = read_environment({"PORT": "1", "FLUXLIT_GATEWAY_PORT": "2"}, TABLE)
    assert (texts(findings), findings.warnings) == ({"gateway.port": "2"}, [])


def test_an_empty_port_is_none() -> None:
    """`PORT=` in a compose file means that nothing is given."""
    assert texts(read_environment({"PORT": " "}, TABLE)) == {}


def test_unknown_names() -> None:
    """A FLUXLIT_ name that sets nothing is warned of, with the nearest one that does."""
    findings = read_environment({"FLUXLIT_GATEWAY_PROT": "1", "HOME": "/", "FLUXLIT_QQ": ""}, TABLE)
    assert findings.warnings == [
        "FLUXLIT_GATEWAY_PROT: unknown, it has no effect; did you mean FLUXLIT_GATEWAY_PORT?",
        "FLUXLIT_QQ: unknown, it has no effect",
    ]


@pytest.mark.parametrize("name", sorted(OWN))
def test_names_of_our_own(name: str) -> None:
    """What the daemon itself sets for its children is no mistake."""
    assert read_environment({name: "1"}, TABLE).warnings == []


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_names_of_fluxlit_013(name: str) -> None:
    """A setting of 0.13 that is not there says so, instead of seeming to work."""
    (warning,) = read_environment({name: "1"}, TABLE).warnings
    assert warning == f"{name}: not a setting of this version, it has no effect"


def test_known_names_are_no_settings() -> None:
    """A name leaves these lists when it becomes a setting."""
    assert (OWN | PUBLISHED).isdisjoint(name for row in TABLE.values() for name in row.variables)
    assert OWN.isdisjoint(PUBLISHED)


def test_secrets_from_files(tmp_path: Path) -> None:
    """<VAR>_FILE names a file with the secret; its last newline is not part of it."""
    (tmp_path / "key").write_text("s3cret\n\n")
    environ = {"FLUXLIT_AUTH_KEY_FILE": str(tmp_path / "key")}
    findings = read_environment(environ, SECRETS)
    assert texts(findings) == {"auth.key": "s3cret\n"}
    assert findings.offers["auth.key"].origin.place == "FLUXLIT_AUTH_KEY_FILE"
    assert findings.warnings == []


def test_a_secret_beats_its_file(tmp_path: Path) -> None:
    """The variable itself comes before the file, and no warning tells the value."""
    (tmp_path / "key").write_text("from file")
    environ = {"AUTH_KEY_FILE": str(tmp_path / "key"), "FLUXLIT_AUTH_KEY": "direct"}
    findings = read_environment(environ, SECRETS)
    assert texts(findings) == {"auth.key": "direct"}
    assert "from file" not in str(findings.warnings)


def test_a_missing_secret_file(tmp_path: Path) -> None:
    """A secret that cannot be read is a problem, not an empty secret."""
    missing = str(tmp_path / "none")
    (problem,) = read_environment({"AUTH_KEY_FILE": missing}, SECRETS).problems
    assert (problem.place, problem.found) == ("AUTH_KEY_FILE", missing)


def test_other_settings_have_no_file_form() -> None:
    """Only secrets are read from files; elsewhere _FILE is an unknown name."""
    (warning,) = read_environment({"FLUXLIT_TITLE_FILE": "x"}, TABLE).warnings
    assert "unknown" in warning


def test_dotenv(tmp_path: Path) -> None:
    """.env is read like the environment, and its places have lines."""
    (tmp_path / ".env").write_text("# x\nFLUXLIT_TITLE='a b'\nFLUXLIT_TITEL=1\n")
    findings = read_dotenv(tmp_path, TABLE)
    assert texts(findings) == {"title": "a b"}
    assert findings.offers["title"].origin.place == ".env:2 FLUXLIT_TITLE"
    assert findings.warnings == [
        ".env:3 FLUXLIT_TITEL: unknown, it has no effect; did you mean FLUXLIT_TITLE?"
    ]


def test_no_dotenv(tmp_path: Path) -> None:
    """No .env, or a folder of that name, is nothing special."""
    assert read_dotenv(tmp_path, TABLE) == Findings()
    (tmp_path / ".env").mkdir()
    assert read_dotenv(tmp_path, TABLE) == Findings()


def test_unreadable_dotenv(tmp_path: Path) -> None:
    """A .env that is no text is a problem."""
    (tmp_path / ".env").write_bytes(b"A=\xff")
    (problem,) = read_dotenv(tmp_path, TABLE).problems
    assert problem.place == ".env"
