"""A browser session of Streamlit without a browser: the real protobuf protocol over a WebSocket."""

from types import TracebackType
from typing import Any, Self

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol


class StreamlitSession:
    """One tab: connects, asks for runs of the script, collects what the server sends."""

    def __init__(
        self,
        port: int,
        prefix: str = "",
        *,
        headers: dict[str, str] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self.timeout = timeout
        self.session_id = ""
        self.texts: list[str] = []
        self.socket: ClientConnection
        self._opening = connect(
            f"ws://127.0.0.1:{port}{prefix}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit"), Subprotocol("PLACEHOLDER_AUTH_TOKEN")],
            additional_headers=headers,
            origin=None,
            proxy=None,
            max_size=None,
            open_timeout=timeout,
        )

    def __enter__(self) -> Self:
        self.socket = self._opening.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opening.__exit__(kind, error, trace)

    def run(self, page: str = "", query: str = "") -> list[Any]:
        """Ask for one run of the script and return its deltas; raises if it does not finish in time."""
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_name = page
        self.socket.send(message.SerializeToString())
        return self.until_finished()

    def until_finished(self) -> list[Any]:
        """Collect messages until the script has finished."""
        deltas: list[Any] = []
        while True:
            data = self.socket.recv(self.timeout)
            assert isinstance(data, bytes)
            message = ForwardMsg()
            message.ParseFromString(data)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session_id = message.new_session.initialize.session_id
            elif kind == "delta":
                deltas.append(message.delta)
                self._note(message.delta)
            elif kind == "script_finished":
                return deltas

    def _note(self, delta: Any) -> None:
        element = delta.new_element
        kind = element.WhichOneof("type")
        if kind in ("markdown", "heading", "text", "exception"):
            body = getattr(element, kind)
            self.texts.append(getattr(body, "body", "") or getattr(body, "message", ""))
