"""Close codes from one side to the other, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.protocol.closing import LONGEST_REASON, Closed, cut, sendable, to_client, to_upstream


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1012, 1013, 3000, 4999])
def test_codes_that_may_be_sent_pass_both_ways(code: int) -> None:
    """A registered or private code and its reason reach the other side as they are."""
    assert to_client(Closed(code, "why", clean=True)) == (code, "why")
    assert to_upstream(code, "why") == (code, "why")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 5000, 70000])
def test_codes_that_may_not_be_sent_never_are(code: int) -> None:
    """Reserved codes become 1011 for the browser, an empty Close or 1001 for the upstream."""
    assert not sendable(code)
    assert to_client(Closed(code, "why", clean=True)) == (1011, "")
    assert to_upstream(code, "why") in ((None, ""), (1001, ""))


@pytest.mark.parametrize(
    ("closed", "restarting", "code"),
    [
        (Closed(None, clean=True), False, 1000),
        (Closed(None, clean=True), True, 1000),
        (Closed(None), False, 1011),
        (Closed(None), True, 1012),
        (Closed(1002, "bad frame"), False, 1011),
        (Closed(1002, "bad frame"), True, 1011),
        (Closed(1007), False, 1011),
        (Closed(1009), False, 1011),
    ],
)
def test_how_the_upstream_ended_becomes_a_code(closed: Closed, restarting: bool, code: int) -> None:
    """No code is 1000; a loss 1011, or 1012 in a restart; the upstream's own faults are 1011."""
    assert to_client(closed, restarting=restarting) == (code, "")


@pytest.mark.parametrize(("code", "expected"), [(None, 1001), (1006, 1001), (1005, None)])
def test_how_the_client_left_becomes_a_code(code: int | None, expected: int | None) -> None:
    """A lost browser is "going away"; a Close without a code stays without one."""
    assert to_upstream(code, "") == (expected, "")


@given(st.integers(), st.text(max_size=200))
def test_nothing_unsendable_leaves(code: int, reason: str) -> None:
    """Whatever comes in, what goes out may stand in a Close frame."""
    for sent, text in (to_client(Closed(code, reason, clean=True)), to_upstream(code, reason)):
        assert sent is None or sendable(sent)
        assert len(text.encode()) <= LONGEST_REASON


@given(st.text())
def test_a_cut_reason_is_a_whole_beginning(reason: str) -> None:
    """A reason is cut at 123 bytes and never inside a character."""
    assert reason.startswith(cut(reason))
    assert len(cut(reason).encode()) > LONGEST_REASON - 4 or cut(reason) == reason
