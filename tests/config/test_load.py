"""Precedence, and every mistake at once."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fluxlit.config.checks import cross_check
from fluxlit.config.kinds import to_toml
from fluxlit.config.load import Loaded, load
from fluxlit.config.settings import About, Kind, Settings
from fluxlit.config.sources import Origin, Source
from fluxlit.config.table import TABLE, build, value_of
from fluxlit.errors import ConfigError

LAYERS = (Source.FLAG, Source.ENV, Source.DOTENV, Source.FILE)


def load_layers(directory: Path, key: str, texts: dict[Source, str]) -> Loaded:
    """Load with ``key`` set to a text in each of the given sources."""
    row = TABLE[key]
    for name in ("fluxlit.toml", ".env"):
        (directory / name).unlink(missing_ok=True)
    if Source.FILE in texts:
        (directory / "fluxlit.toml").write_text(f'{key} = "{texts[Source.FILE]}"\n')
    if Source.DOTENV in texts:
        (directory / ".env").write_text(f"{row.regular}={texts[Source.DOTENV]}\n")
    environ = {row.regular: texts[Source.ENV]} if Source.ENV in texts else {}
    flags = {key: texts[Source.FLAG]} if Source.FLAG in texts else {}
    return load(flags, environ, directory, None)


@pytest.mark.parametrize(
    "key", ["gateway.host", "target", "sidecar.on_give_up", "gateway.root_path"]
)
def test_precedence(tmp_path: Path, key: str) -> None:
    """Whatever sources speak, the highest of them holds: flag > env > .env > file > default."""
    row = TABLE[key]
    for count in range(len(LAYERS) + 1):
        for speaking in combinations(LAYERS, count):
            texts = {source: _sample(row.about, source) for source in speaking}
            loaded = load_layers(tmp_path, key, texts)
            winner = speaking[0] if speaking else Source.DEFAULT
            assert loaded.origins[key].source is winner
            assert value_of(loaded.settings, row) == texts.get(winner, row.default)


def _sample(about: About, source: Source) -> str:
    """A valid text for the setting, another one for each source where it has enough of them."""
    place = LAYERS.index(source)
    if about.choices:
        return about.choices[place % len(about.choices)]
    return f"/x{place}" if about.kind is Kind.PREFIX else f"x{place}"


def test_defaults(tmp_path: Path) -> None:
    """Without any source all is default."""
    loaded = load({}, {}, tmp_path, None)
    assert loaded == Loaded(Settings(), {key: Origin(Source.DEFAULT) for key in TABLE}, ())


def test_port_opens_the_host(tmp_path: Path) -> None:
    """A port from the platform with a host that nobody chose listens on every address."""
    loaded = load({}, {"PORT": "9000"}, tmp_path, None)
    assert (loaded.settings.gateway.host, loaded.settings.gateway.port) == ("0.0.0.0", 9000)
    assert str(loaded.origins["gateway.host"]) == "platform: because the port comes from PORT"


def test_port_in_dotenv_opens_the_host(tmp_path: Path) -> None:
    """.env is environment."""
    (tmp_path / ".env").write_text("PORT=9000\n")
    assert load({}, {}, tmp_path, None).settings.gateway.host == "0.0.0.0"


@pytest.mark.parametrize(
    ("flags", "environ", "host", "port"),
    [
        ({"gateway.host": "::1"}, {"PORT": "1"}, "::1", 1),
        ({}, {"PORT": "1", "FLUXLIT_GATEWAY_HOST": "127.0.0.1"}, "127.0.0.1", 1),
        ({}, {"PORT": "1", "FLUXLIT_GATEWAY_PORT": "2"}, "127.0.0.1", 2),
        ({"gateway.port": "3"}, {"PORT": "1"}, "127.0.0.1", 3),
        ({}, {"PORT": ""}, "127.0.0.1", 8000),
    ],
)
def test_port_does_not_open_a_chosen_host(
    tmp_path: Path, flags: dict[str, str], environ: dict[str, str], host: str, port: int
) -> None:
    """Whoever sets host or port is obeyed."""
    gateway = load(flags, environ, tmp_path, None).settings.gateway
    assert (gateway.host, gateway.port) == (host, port)


def test_port_beats_the_file(tmp_path: Path) -> None:
    """PORT is environment, so a port in the file does not hide the app from its platform."""
    (tmp_path / "fluxlit.toml").write_text("gateway_port = 8000")
    assert load({}, {"PORT": "1"}, tmp_path, None).settings.gateway.port == 1


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Mistakes in every source, of every sort, come in one error, each with its place."""
    (tmp_path / "fluxlit.toml").write_text('[gateway]\nprot = 1\nport = "x"\n[log]\nlevel = 3\n')
    (tmp_path / ".env").write_text("\nFLUXLIT_DEBUG=perhaps\n")
    environ = {"FLUXLIT_TRUST_PROXY": "yes", "FLUXLIT_RELAY_KEEP_ALIVE": "9"}
    with pytest.raises(ConfigError) as caught:
        load({"gateway.root_path": "//x"}, environ, tmp_path, None)
    assert [problem.place for problem in caught.value.problems] == [
        "fluxlit.toml:2 gateway.prot",
        "--root-path",
        "FLUXLIT_RELAY_KEEP_ALIVE",
        ".env:2 FLUXLIT_DEBUG",
        "fluxlit.toml:3 gateway.port",
        "fluxlit.toml:5 log.level",
        "FLUXLIT_TRUST_PROXY",
    ]


def test_a_covered_mistake_is_a_mistake(tmp_path: Path) -> None:
    """A wrong value in the file is told although a flag covers it."""
    (tmp_path / "fluxlit.toml").write_text("gateway_port = -1")
    with pytest.raises(ConfigError, match=r"fluxlit.toml:1 gateway_port"):
        load({"gateway.port": "1"}, {}, tmp_path, None)


def test_warnings_of_all_sources(tmp_path: Path) -> None:
    """Remarks stop nothing and are handed on."""
    (tmp_path / ".env").write_text("FLUXLIT_X=1")
    loaded = load({}, {"FLUXLIT_Y": "1", "FLUXLIT_FORWARDED_ALLOW_IPS": "::1"}, tmp_path, None)
    assert [warning.split(":")[0] for warning in loaded.warnings] == [
        "FLUXLIT_Y",
        ".env",
        "gateway.forwarded_allow_ips has no effect while gateway.trust_proxy is off",
    ]


_TEXT = st.text(st.characters(codec="utf-8"), max_size=12).filter(str.isprintable)
_NAME = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
_ADDRESS = st.ip_addresses().map(str)


def _whole(about: About) -> st.SearchStrategy[int]:
    return st.integers(int(about.least or 0), int(about.most or 10**12))


def _seconds(about: About) -> st.SearchStrategy[float]:
    return st.floats(about.least or 0, about.most or 1e9)


def valid(about: About) -> st.SearchStrategy[Any]:
    """Every value that a setting may hold."""
    origins = st.builds("https://{}.example:{}".format, _NAME, st.integers(1, 442))
    strategies: dict[Kind, st.SearchStrategy[Any]] = {
        Kind.TEXT: _TEXT,
        Kind.FLAG: st.booleans(),
        Kind.COUNT: _whole(about),
        Kind.SECONDS: _seconds(about),
        Kind.BYTES: _whole(about),
        Kind.PORT: st.integers(0, 65535),
        Kind.TEXTS: st.lists(_TEXT, max_size=3).map(tuple),
        Kind.NETWORKS: st.lists(_ADDRESS | st.just("*"), max_size=3).map(tuple),
        Kind.ORIGINS: st.lists(origins, max_size=3).map(tuple),
        Kind.PREFIX: st.lists(_NAME, max_size=3).map(lambda parts: "".join(f"/{p}" for p in parts)),
        Kind.URL: st.just("") | origins,
        Kind.TOTAL: st.none() | _seconds(about),
        Kind.NUMBER: st.none() | _whole(about),
        Kind.CHOICE: st.sampled_from(about.choices or ("",)),
    }
    return strategies[about.kind]


@st.composite
def some_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Valid values for some of the keys."""
    keys = draw(st.lists(st.sampled_from(sorted(TABLE)), unique=True, max_size=8))
    return {key: draw(valid(TABLE[key].about)) for key in keys}


@given(some_settings())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_valid_file_loads_as_written(tmp_path: Path, values: dict[str, Any]) -> None:
    """What TOML can say of valid settings comes back equal, each from the file."""
    expected = build(Settings, values)
    origins = {key: Origin(Source.DEFAULT) for key in TABLE}
    assume(not list(cross_check(expected, origins, ())))
    nested: dict[str, Any] = {}
    for key, value in values.items():
        row = TABLE[key]
        holder = nested.setdefault(row.group, {}) if row.group else nested
        holder[row.field] = to_toml(value)
    (tmp_path / "fluxlit.toml").write_text(tomli_w.dumps(nested))
    loaded = load({}, {}, tmp_path, None)
    assert loaded.settings == expected
    assert {k for k, o in loaded.origins.items() if o.source is Source.FILE} == set(values)
