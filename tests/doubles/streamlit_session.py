"""A browser session of Streamlit without a browser: the real protobuf protocol over a WebSocket."""

import http.client
from types import TracebackType
from typing import Any, Self

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs, UploadedFileInfo
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
        last_session: str = "",
        timeout: float = 30.0,
    ) -> None:
        self.timeout = timeout
        self.port = port
        self.prefix = prefix
        self.headers = headers or {}
        self.cookies: dict[str, str] = {}
        self.pictures: list[str] = []
        self.widgets: dict[str, str] = {}
        self._uploaded: dict[str, UploadedFileInfo] = {}
        self.session_id = ""
        self.texts: list[str] = []
        self.socket: ClientConnection
        self._opening = connect(
            f"ws://127.0.0.1:{port}{prefix}/_stcore/stream",
            subprotocols=[
                Subprotocol(item)
                for item in ("streamlit", "PLACEHOLDER_AUTH_TOKEN", last_session)
                if item
            ],
            additional_headers=headers,
            origin=None,
            proxy=None,
            max_size=None,
            open_timeout=timeout,
        )

    def __enter__(self) -> Self:
        self.socket = self._opening.__enter__()
        assert self.socket.response is not None
        for value in self.socket.response.headers.get_all("Set-Cookie"):
            name, _, rest = value.partition("=")
            self.cookies[name] = rest.partition(";")[0]
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
        for widget, info in self._uploaded.items():
            state = message.rerun_script.widget_states.widgets.add(id=widget)
            state.file_uploader_state_value.uploaded_file_info.append(info)
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

    def picture(self, cookies: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Fetch the last image of the page: status and body."""
        return self._ask("GET", self.pictures[-1], cookies=cookies)[:2]

    def upload(self, label: str, body: bytes, cookies: dict[str, str] | None = None) -> int:
        """Upload a file as the widget does, for the next run; returns the status."""
        message = BackMsg()
        message.file_urls_request.request_id = "1"
        message.file_urls_request.file_names.append("name.txt")
        message.file_urls_request.session_id = self.session_id
        self.socket.send(message.SerializeToString())
        urls = self._file_urls()
        token = self._xsrf()
        form = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="name.txt"\r\n'
            b"Content-Type: text/plain\r\n\r\n" + body + b"\r\n--x--\r\n"
        )
        status, _, _ = self._ask(
            "PUT",
            urls.upload_url,
            form,
            {"Content-Type": "multipart/form-data; boundary=x", "X-Xsrftoken": token},
            {"_streamlit_xsrf": token, **(cookies or {})},
        )
        info = UploadedFileInfo(file_id=urls.file_id, name="name.txt", size=len(body))
        info.file_urls.CopyFrom(urls)
        self._uploaded[self.widgets[label]] = info
        return status

    def _file_urls(self) -> FileURLs:
        while True:
            message = ForwardMsg()
            data = self.socket.recv(self.timeout)
            assert isinstance(data, bytes)
            message.ParseFromString(data)
            if message.WhichOneof("type") == "file_urls_response":
                urls: FileURLs = message.file_urls_response.file_urls[0]
                return urls

    def _xsrf(self) -> str:
        # Asked for without a cookie, as a browser that has none: any replica's will do.
        headers = self._ask("GET", "/_stcore/health")[2]
        return headers["set-cookie"].partition("=")[2].partition(";")[0]

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        cookies: dict[str, str] | None = None,
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        sent = {**self.headers, **(headers or {})}
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        try:
            connection.request(method, self.prefix + path, body, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, answer.read(), found
        finally:
            connection.close()

    def _note(self, delta: Any) -> None:
        element = delta.new_element
        kind = element.WhichOneof("type")
        if kind in ("markdown", "heading", "text", "exception"):
            body = getattr(element, kind)
            self.texts.append(getattr(body, "body", "") or getattr(body, "message", ""))
        elif kind == "imgs":
            self.pictures += [image.url for image in element.imgs.imgs]
        elif kind == "file_uploader":
            self.widgets[element.file_uploader.label] = element.file_uploader.id
