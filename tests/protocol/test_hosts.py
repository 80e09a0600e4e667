"""The list of our own hosts."""

import pytest

from fluxlit.protocol.hosts import Hosts, bare
from fluxlit.protocol.refusal import Refusal


@pytest.mark.parametrize("allowed", [(), ("*",), ("a.example", "*")])
def test_without_a_list_any_host_is_served(allowed: tuple[str, ...]) -> None:
    """Nothing set, or everything written out."""
    Hosts.of(allowed).judge("evil.example")


@pytest.mark.parametrize(
    "host",
    ["app.example", "APP.example:8000", "app.example.", "x.wild.example", "a.b.wild.example:1", "[::1]:80", "10.0.0.1"],
)  # fmt: skip
def test_listed_hosts_pass(host: str) -> None:
    """Port, case and a dot at the end do not count."""
    Hosts.of(("App.example:443", "*.wild.example", "[::1]", "10.0.0.1")).judge(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "app.example.evil", "xapp.example", "wild.example", "evilwild.example", ""]
)  # fmt: skip
def test_others_are_misdirected(host: str) -> None:
    """421, and the log names the setting."""
    with pytest.raises(Refusal) as refused:
        Hosts.of(("app.example", "*.wild.example")).judge(host)
    assert refused.value.status == 421
    assert "gateway.allowed_hosts" in refused.value.hint


@pytest.mark.parametrize(
    ("host", "name"),
    [("a:1", "a"), ("a", "a"), ("[::1]", "[::1]"), ("[::1]:8", "[::1]"), ("a.", "a")],
)
def test_bare(host: str, name: str) -> None:
    """The port goes, an address of IPv6 stays whole."""
    assert bare(host) == name
