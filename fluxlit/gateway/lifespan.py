"""The lifespan of the user's API: its startup before the first request, its shutdown after the last."""

import math
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fluxlit.errors import FluxlitError
from fluxlit.gateway.asgi import ASGIApp, Message, Receive, Scope, Send
from fluxlit.log import get_logger

log = get_logger("fluxlit.api")


class StartupFailed(FluxlitError):  # noqa: N818 - as the ASGI event it stands for
    """The API said, or showed by an exception, that it cannot start."""


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncGenerator[ASGIApp, None]:
    """Run ``app``'s startup, yield the app to serve, run its shutdown.

    The yielded app hands every request its own shallow copy of the lifespan state, as the ASGI
    lifespan specification asks. An app without lifespan support is served as it is. Raises
    StartupFailed with the app's own words; a failing shutdown is logged, for nothing depends on it
    any more.
    """
    state: MutableMapping[str, Any] = {}
    refusal: StartupFailed | None = None
    async with anyio.create_task_group() as tasks:
        conversation = _Conversation(app, state)
        tasks.start_soon(conversation.run)
        try:
            await conversation.startup()
        except StartupFailed as error:
            # Raised below, outside the group, so that it arrives as itself.
            refusal = error
        else:
            try:
                yield _with_state(app, state) if state else app
            finally:
                with anyio.CancelScope(shield=True):
                    await conversation.shutdown()
    if refusal is not None:
        raise refusal


def _with_state(app: ASGIApp, state: MutableMapping[str, Any]) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return serve


class _Conversation:
    """One lifespan scope: what we say to the app and what it answers."""

    def __init__(self, app: ASGIApp, state: MutableMapping[str, Any]) -> None:
        self._app = app
        self._scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": state,
        }
        self._to_app: MemoryObjectSendStream[Message]
        self._from_us: MemoryObjectReceiveStream[Message]
        self._to_app, self._from_us = anyio.create_memory_object_stream[Message](2)
        self._to_us: MemoryObjectSendStream[Message]
        self._from_app: MemoryObjectReceiveStream[Message]
        self._to_us, self._from_app = anyio.create_memory_object_stream[Message](math.inf)

    async def run(self) -> None:
        """The app's side; ends when the app returns or raises."""
        with self._to_us, self._from_us:
            answered = False

            async def send(message: Message) -> None:
                nonlocal answered
                answered = True
                await self._to_us.send(message)

            try:
                await self._app(self._scope, self._from_us.receive, send)
            # SystemExit included: on asyncio it would leave through the loop and end the daemon.
            except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - the specification lets an app refuse by any of them
                if answered:
                    # After a shutdown.failed nobody listens any more: it has said the same.
                    with suppress(anyio.BrokenResourceError):
                        await self._to_us.send({"type": "lifespan.raised", "error": error})
                else:
                    log.debug("api.lifespan_unsupported", error=repr(error))

    async def startup(self) -> None:
        """Ask for the startup; returns when the app may be served."""
        answer = await self._ask("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            # The app raises right behind this answer; its words are what the user needs.
            raised = await self._answer()
            await self._from_app.aclose()
            self._to_app.close()
            told = str(answer.get("message") or "").strip()
            log.error("api.startup_failed", stacktrace=told)
            message = told.splitlines()
            last = message[-1] if message else repr((raised or {}).get("error", "no reason given"))
            msg = f"the API's startup failed: {last}"
            raise StartupFailed(msg)

    async def shutdown(self) -> None:
        """Ask for the shutdown and wait for it; an app that is gone already is fine."""
        answer = await self._ask("lifespan.shutdown")
        self._to_app.close()
        self._from_app.close()
        if answer is not None and answer["type"] != "lifespan.shutdown.complete":
            log.error(
                "api.shutdown_failed", reason=answer.get("message") or repr(answer.get("error"))
            )

    async def _ask(self, question: str) -> Message | None:
        """Say ``question`` and give the answer; None from an app that is gone."""
        try:
            await self._to_app.send({"type": question})
        except anyio.BrokenResourceError:
            return None
        return await self._answer()

    async def _answer(self) -> Message | None:
        try:
            return await self._from_app.receive()
        except anyio.EndOfStream:
            return None
