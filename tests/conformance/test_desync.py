"""Request smuggling: on no payload of the corpus does the upstream hear what the client has not said.

Invariants: I1 request line and fields are strict, I2 one framing and one Host, I3 nothing of the
client's hop, I4 no more requests than were sent, I5 the valid is passed on whole and the invalid is
not, I6 each answer belongs to a request, I7 no claim of a client about itself or the host arrives.
"""

from collections import Counter

import anyio

from fluxlit.gateway.server.limits import Limits
from tests.conformance import judge
from tests.conformance.corpus import Payload, payloads
from tests.conformance.stack import Stack, stack

PATIENT = Limits(idle=1.0, head=1.0, body=1.0, linger=1.0, tick=0.2)
"""The listener itself ends what waits for more bytes, so nobody has to guess how long to listen."""


def test_the_corpus_has_its_size() -> None:
    """137 different payloads."""
    assert len({payload.data for payload in payloads()}) == len(payloads()) == 137


async def test_no_invariant_is_broken() -> None:
    """All payloads at once, each against a stack of its own."""
    broken: dict[str, list[str]] = {}

    async def run(payload: Payload) -> None:
        async with stack(limits=PATIENT) as served:
            answer = await served.ask(payload.data)
        faults = [*served.upstream.violations, *judged(payload, served, answer)]
        if faults:
            broken[payload.name] = faults

    async with anyio.create_task_group() as tasks:
        for payload in payloads():
            tasks.start_soon(run, payload)
    assert broken == {}


def judged(payload: Payload, served: Stack, answer: bytes) -> list[str]:
    """What the payload has broken."""
    upstream = served.upstream
    faults: list[str] = []
    complete = [heard.complete for heard in upstream.requests]
    if len(complete) not in payload.heard:
        faults.append(f"I4/I5 heard {[h.raw for h in upstream.requests]}, answered {answer!r}")
    smuggled = any(heard.target == b"/smuggled" for heard in upstream.requests)
    if smuggled and payload.heard != (2,):
        faults.append("I4 /smuggled was heard")
    if payload.whole is not None and any(one is not payload.whole for one in complete):
        faults.append(f"I5 complete: {complete}")
    heads = frozenset({0}) if payload.data.startswith(b"HEAD") else frozenset[int]()
    told = Counter(status for status, _, _ in judge.answers(answer, heads))
    if told[200] != sum(complete):
        faults.append(f"I6 heard {sum(complete)}, answered {answer!r}")
    if payload.absent in upstream.raw:
        faults.append(f"I7 arrived: {upstream.raw!r}")
    return faults
