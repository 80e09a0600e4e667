"""Mistakes that fluxlit 0.13 met with a traceback, with silence or with nonsense; one test each.

The numbers are those of our list of faults seen by running that release.
"""

from pathlib import Path

import pytest

from fluxlit.config.load import Loaded, load
from fluxlit.errors import ConfigError, Problem


def loaded(directory: Path, file: str = "", **environ: str) -> Loaded:
    """Load from a file and variables whose names lack the FLUXLIT_ in front."""
    (directory / "fluxlit.toml").write_text(file)
    return load({}, {f"FLUXLIT_{name}": text for name, text in environ.items()}, directory, None)


def refused(directory: Path, file: str = "", **environ: str) -> tuple[Problem, ...]:
    """The problems of a configuration that must be refused."""
    with pytest.raises(ConfigError) as caught:
        loaded(directory, file, **environ)
    return caught.value.problems


def test_f30_wrong_values_are_told_all_at_once(tmp_path: Path) -> None:
    """F30: no traceback: a line for each with name, value and expectation."""
    problems = refused(
        tmp_path, GATEWAY_PORT="abc", DEBUG="maybe", RELAY_HEAD_TIMEOUT="-1", RELAY_IDLE_TIMEOUT=""
    )
    assert sorted(str(problem).split(" (")[0] for problem in problems) == [
        "FLUXLIT_DEBUG: found 'maybe', expected true or false",
        "FLUXLIT_GATEWAY_PORT: found 'abc', expected a port from 0 to 65535",
        "FLUXLIT_RELAY_HEAD_TIMEOUT: found '-1', expected at least 0.01",
        "FLUXLIT_RELAY_IDLE_TIMEOUT: found '', expected seconds, or a duration such as 500ms, 30s or 2m",
    ]


def test_f31_lists_between_commas(tmp_path: Path) -> None:
    """F31: a list needs no JSON."""
    gateway = loaded(tmp_path, FORWARDED_ALLOW_IPS="10.0.0.0/8, ::1").settings.gateway
    assert gateway.forwarded_allow_ips == ("10.0.0.0/8", "::1")


def test_f32_an_unknown_log_level(tmp_path: Path) -> None:
    """F32: a wrong level is refused before anything starts."""
    (problem,) = refused(tmp_path, LOG_LEVEL="loud")
    assert problem.expected == "one of debug, info, warning, error, critical"


def test_f33_arguments_of_streamlit(tmp_path: Path) -> None:
    """F33: a port among the run arguments is a problem of the variable that holds it."""
    (problem,) = refused(tmp_path, STREAMLIT_RUN_CLI_ARGS="--server.port=1")
    assert problem.place == "FLUXLIT_STREAMLIT_RUN_CLI_ARGS"


def test_f33_unknown_variables(tmp_path: Path) -> None:
    """F33: an unknown variable is warned of with the nearest name."""
    (warning,) = loaded(tmp_path, ROOT_PAHT="/x").warnings
    assert warning.endswith("did you mean FLUXLIT_ROOT_PATH?")


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("a = 1\nb = [\n", "fluxlit.toml:2"),
        ("debug = true\nporrt = 1", "fluxlit.toml:2 porrt"),
        ("debug = true\ngateway_port = '80'", "fluxlit.toml:2 gateway_port"),
    ],
)
def test_f34_mistakes_in_the_file(tmp_path: Path, file: str, place: str) -> None:
    """F34: broken TOML, unknown keys and wrong types are refused with their line."""
    assert [problem.place for problem in refused(tmp_path, file)] == [place]


def test_f34_debug_in_the_file(tmp_path: Path) -> None:
    """F34: debug is accepted."""
    assert loaded(tmp_path, "debug = true").settings.debug


def test_f35_the_environment_beats_the_file(tmp_path: Path) -> None:
    """F35: a port in the file does not make the variable dead."""
    assert loaded(tmp_path, "gateway_port = 1", GATEWAY_PORT="2").settings.gateway.port == 2


def test_f36_paths_in_the_file(tmp_path: Path) -> None:
    """F36: root_path and api_mount_path are applied."""
    gateway = loaded(tmp_path, "root_path = 'a/'\napi_mount_path = 'v1'").settings.gateway
    assert (gateway.root_path, gateway.api_prefix) == ("/a", "/v1")


@pytest.mark.parametrize("prefix", ["/", "", "/_stcore", "/static/x", "/media", "/component"])
def test_f37_api_prefixes_that_hide_the_pages(tmp_path: Path, prefix: str) -> None:
    """F37: the API cannot have the root, nor a path of Streamlit's."""
    (problem,) = refused(tmp_path, API_MOUNT_PATH=prefix)
    assert problem.place == "FLUXLIT_API_MOUNT_PATH"


def test_f38_a_prefix_without_slash(tmp_path: Path) -> None:
    """F38: myapp is /myapp."""
    assert loaded(tmp_path, ROOT_PATH="myapp").settings.gateway.root_path == "/myapp"


@pytest.mark.parametrize("prefix", ["/my app", "/ünï"])
def test_f39_prefixes_that_need_encoding(tmp_path: Path, prefix: str) -> None:
    """F39: spaces and other letters than ASCII are refused."""
    assert [problem.place for problem in refused(tmp_path, ROOT_PATH=prefix)] == [
        "FLUXLIT_ROOT_PATH"
    ]


@pytest.mark.parametrize("prefix", ["//evil.com", "https://h/x"])
def test_f40_prefixes_with_a_host(tmp_path: Path, prefix: str) -> None:
    """F40: what a browser would take for another host is refused."""
    assert "host" in refused(tmp_path, ROOT_PATH=prefix)[0].hint


@pytest.mark.parametrize("prefix", ["/a?b=c", "/a#b", "/../x"])
def test_f41_prefixes_that_are_no_path(tmp_path: Path, prefix: str) -> None:
    """F41: queries, fragments and dot segments are refused."""
    assert len(refused(tmp_path, ROOT_PATH=prefix)) == 1


def test_f42_root_path_like_the_api_prefix(tmp_path: Path) -> None:
    """F42: a public path that equals the API's is refused, default or chosen."""
    assert refused(tmp_path, ROOT_PATH="/api")[0].place == "FLUXLIT_ROOT_PATH"
    assert refused(tmp_path, ROOT_PATH="/v1", API_MOUNT_PATH="v1/")[0].place == "FLUXLIT_ROOT_PATH"


def test_f43_each_bad_path_is_named(tmp_path: Path) -> None:
    """F43: several bad paths are each named, whoever reads the configuration."""
    problems = refused(tmp_path, "root_path = '//x'", API_MOUNT_PATH="/", ROOT_PATH="/a b")
    assert sorted(problem.place for problem in problems) == [
        "FLUXLIT_API_MOUNT_PATH",
        "FLUXLIT_ROOT_PATH",
        "fluxlit.toml:1 root_path",
    ]
