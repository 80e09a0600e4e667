"""Settings that do not go together."""

from typing import Any

import pytest

from fluxlit.config.checks import CHECKS, RESERVED, cross_check, remarks
from fluxlit.config.settings import Settings
from fluxlit.config.sources import Origin, Source
from fluxlit.config.table import TABLE, build
from fluxlit.errors import Problem

DEFAULT = {key: Origin(Source.DEFAULT) for key in TABLE}


def check(wrong: tuple[str, ...] = (), /, **values: Any) -> list[Problem]:
    """Check settings given as ``group__field=value``."""
    given = {key.replace("__", "."): value for key, value in values.items()}
    origins = DEFAULT | {key: Origin(Source.FILE, f"f:1 {key}") for key in given}
    return list(cross_check(build(Settings, given), origins, wrong))


def places(problems: list[Problem]) -> list[str]:
    """Where the problems are."""
    return [problem.place for problem in problems]


def test_defaults_go_together() -> None:
    """Nobody has to set anything."""
    assert check() == []


def test_checks_name_settings() -> None:
    """Each check reads settings that there are."""
    assert {key for check in CHECKS for key in check.keys} <= set(TABLE)


def test_trust_needs_a_list() -> None:
    """Forwarding headers are believed of named peers only; the star must be written out."""
    (problem,) = check(gateway__trust_proxy=True)
    assert problem.place == "f:1 gateway.trust_proxy"
    assert "forwarded_allow_ips" in problem.hint
    assert check(gateway__trust_proxy=True, gateway__forwarded_allow_ips=("*",)) == []


def test_over_a_unix_socket_trust_needs_no_list() -> None:
    """Its peers have no address; its file says who may connect."""
    assert check(gateway__trust_proxy=True, gateway__uds="/run/app.sock") == []


def test_one_address_at_a_time() -> None:
    """An inherited socket and a Unix socket exclude each other."""
    (problem,) = check(gateway__fd=3, gateway__uds="/run/app.sock")
    assert problem.expected == "either gateway.fd or gateway.uds"


@pytest.mark.parametrize("reserved", RESERVED)
def test_the_api_keeps_off_reserved_paths(reserved: str) -> None:
    """An API at, below or around a path of Streamlit's would hide it."""
    for prefix in (reserved, f"{reserved}/x"):
        assert places(check(gateway__api_prefix=prefix)) == ["f:1 gateway.api_prefix"]
    assert check(gateway__api_prefix=f"{reserved}x") == []


def test_the_api_keeps_off_parents_of_reserved_paths() -> None:
    """/app as an API would hide the static files at /app/static."""
    assert places(check(gateway__api_prefix="/app")) == ["f:1 gateway.api_prefix"]


def test_the_api_needs_a_path() -> None:
    """At / there are the pages."""
    assert places(check(gateway__api_prefix="")) == ["f:1 gateway.api_prefix"]


@pytest.mark.parametrize(
    ("root", "api"),
    [
        ("/api", "/api"),
        ("/x/api", "/api"),
        ("/api/x", "/api"),
        ("/a", "/a/b"),
        ("/v1/api", "/v1/api"),
    ],
)
def test_root_path_and_api_prefix_clash(root: str, api: str) -> None:
    """With proxies that strip and such that do not, one path must not mean two things."""
    problems = check(gateway__root_path=root, gateway__api_prefix=api)
    assert places(problems) == ["f:1 gateway.root_path"]


@pytest.mark.parametrize("root", ["", "/apis", "/content/123", "/xapi", "/a/apis"])
def test_root_paths_beside_the_api(root: str) -> None:
    """Only whole segments clash."""
    assert check(gateway__root_path=root) == []


@pytest.mark.parametrize("host", ["", "http://a", "1.2.3.4:80", "[::1]", "a b", "a/b"])
def test_bad_hosts(host: str) -> None:
    """A host is a host: no port, scheme or brackets."""
    assert places(check(gateway__host=host)) == ["f:1 gateway.host"]


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", "::", "fe80::1%eth0"])
def test_good_hosts(host: str) -> None:
    """Names and addresses of both families are hosts."""
    assert check(gateway__host=host) == []


def test_an_empty_target() -> None:
    """There must be something to serve."""
    assert places(check(target=" ")) == ["f:1 target"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--server.port=1",),
        ("--server.port", "1"),
        ("--x", "--server.address=0.0.0.0"),
        ("--server.baseUrlPath", "x"),
        ("--server.headless=false",),
        ("--server.sslCertFile=x",),
        ("--server.enableXsrfProtection=false",),
        ("--server.enableXsrfProtection", "false"),
        ("--server.enableXsrfProtection",),
        ("--server.enableCORS=0",),
        ("--SERVER.ENABLECORS=0",),
    ],
)
def test_run_args_that_break_the_sidecar(arguments: tuple[str, ...]) -> None:
    """Address, port and protection of the sidecar are not for the user to set."""
    (problem,) = check(sidecar__run_args=arguments)
    assert problem.expected.startswith("arguments without --")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--server.enableXsrfProtection=true",),
        ("--server.enableCORS", "true"),
        ("--theme.base=dark", "--server.portal=1"),
        ("--server.maxUploadSize=5",),
    ],
)
def test_run_args_that_do_not(arguments: tuple[str, ...]) -> None:
    """Everything else is the user's."""
    assert check(sidecar__run_args=arguments) == []


def test_lame_duck_leaves_time() -> None:
    """The lame duck is shorter than the whole shutdown, automatic or given."""
    assert places(check(shutdown__lame_duck=25.0)) == ["f:1 shutdown.lame_duck"]
    assert places(check(shutdown__lame_duck=5.0, shutdown__total=5.0)) == ["f:1 shutdown.lame_duck"]
    assert check(shutdown__lame_duck=29.0, shutdown__total=30.0) == []


def test_the_start_limit_can_be_reached() -> None:
    """Delays that outlast the window would let a broken app restart for ever."""
    assert places(check(sidecar__start_limit=20)) == ["f:1 sidecar.start_limit"]
    assert check(sidecar__start_limit=20, sidecar__start_window=3600.0) == []
    assert check(
        sidecar__start_limit=10**6, sidecar__backoff_longest=0.01, sidecar__backoff_first=0.01
    )


def test_the_place_is_what_somebody_set() -> None:
    """If only the other one of two was set, the message says so."""
    assert places(check(sidecar__start_window=1.0)) == [
        "sidecar.start_limit (with f:1 sidecar.start_window)"
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sidecar__backoff_first", 31.0),
        ("sidecar__probe_interval", 60.0),
        ("relay__websocket_ping_interval", 61.0),
    ],
)
def test_pairs_in_order(key: str, value: float) -> None:
    """An interval that exceeds what it must fit into is refused."""
    assert places(check(**{key: value})) == [f"f:1 {key.replace('__', '.')}"]


def test_one_mistake_is_told_once() -> None:
    """A check that reads a setting which is wrong by itself is skipped."""
    assert check(("gateway.forwarded_allow_ips",), gateway__trust_proxy=True) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"gateway.public_base_url": "https://a/x"}, "root_path is /"),
        ({"gateway.forwarded_allow_ips": ("10.0.0.1",)}, "no effect"),
        ({"gateway.forwarded_allow_ips": ("*",), "gateway.trust_proxy": True}, "every client"),
    ],
)
def test_remarks(values: dict[str, Any], words: str) -> None:
    """What works and is probably not meant is a warning."""
    (warning,) = remarks(build(Settings, values))
    assert words in warning


def test_no_remarks() -> None:
    """Defaults and a sound proxy set-up are not remarked upon."""
    values = {
        "gateway.public_base_url": "https://a/x",
        "gateway.root_path": "/x",
        "gateway.trust_proxy": True,
        "gateway.forwarded_allow_ips": ("10.0.0.0/8",),
    }
    assert [*remarks(Settings()), *remarks(build(Settings, values))] == []
