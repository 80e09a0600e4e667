"""A request that is answered by us, by rule, before any service hears of it."""

from fluxlit.errors import FluxlitError


class Refusal(FluxlitError):  # noqa: N818 - an answer, not a mishap
    """A rule of ours says no: the status, one sentence for the client, and fields to send along.

    ``severs`` asks for the end of an HTTP/1 connection after the answer, because what follows on it
    cannot be trusted. ``hint`` is for the operator's log only.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        severs: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers
        self.severs = severs
        self.hint = hint


def malformed(reason: str) -> Refusal:
    """A 400 that also ends the connection: whoever sent this may have sent more of it."""
    return Refusal(400, reason, severs=True)
