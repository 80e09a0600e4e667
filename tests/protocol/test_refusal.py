"""Refusals are answers: a status, one sentence, and whether the connection may live."""

from fluxlit.protocol.refusal import Refusal, malformed


def test_what_is_malformed_ends_the_connection() -> None:
    """What follows on it cannot be told from more of the same."""
    refusal = malformed("why")
    assert (refusal.status, refusal.reason, refusal.severs) == (400, "why", True)


def test_a_refusal_by_policy_does_not() -> None:
    """The request was understood, the next one may be fine."""
    refusal = Refusal(403, "no", hint="for the operator")
    assert not refusal.severs
    assert str(refusal) == "no"
