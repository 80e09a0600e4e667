"""The user's API in the daemon's own loop: what it raises ends its exchange and nothing else."""

import math

import anyio

from fluxlit.errors import FluxlitError
from fluxlit.gateway.asgi import ASGIApp, Receive, Scope, Send

_LEAVING = (SystemExit, KeyboardInterrupt, GeneratorExit)
"""What would leave through every task group and end the daemon, sidecars and all. Signals never
come as KeyboardInterrupt here, so an API that raises these has called ``sys.exit`` or the like."""


class ApiLeft(FluxlitError):  # noqa: N818 - as what it stands for
    """The API tried to end the process, or let a cancellation out that nobody had asked for."""


async def contained(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one exchange with ``app``; raises only exceptions, and cancellation only where it is ours.

    Raises ApiLeft for SystemExit and its like, alone or in groups, and for a CancelledError of the
    app's own (asyncio: a task that it awaits was cancelled). On asyncio a SystemExit inside a task
    that the app itself has started cannot be held: asyncio hands it past everybody to the loop.
    """
    try:
        await app(scope, receive, send)
    except _LEAVING as error:
        msg = f"the API raised {error!r}"
        raise ApiLeft(msg) from error
    except anyio.get_cancelled_exc_class() as error:
        if anyio.current_effective_deadline() == -math.inf:
            raise
        msg = "the API let a cancellation out that was not the daemon's"
        raise ApiLeft(msg) from error
    except BaseExceptionGroup as group:
        if group.subgroup(_LEAVING) is None:
            raise
        msg = "the API raised SystemExit or its like in a task"
        raise ApiLeft(msg) from group
