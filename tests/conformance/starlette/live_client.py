"""Starlette's TestClient over a real socket: its application is served by allcores.

Starlette's own tests make their applications as local objects, so these are served in the
interpreter that runs the tests: by a worker like any other, with its own event loop, but on a
thread of this interpreter (`Server._serve_here`). What the tests see of a TestClient is kept: an
exception of the application is raised in the test, and a response is given when its application
has come to its end, background tasks included.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import types
from collections.abc import Iterator
from typing import Any, NoReturn, Self

import httpx2 as httpx
import starlette.testclient
from starlette.websockets import WebSocketDisconnect
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.sync.client import connect

from allcores._asgi import LifespanFailed, Worker
from allcores._core import Server

LONG = 30  # seconds that nothing here takes
LOOP = "auto"

StarletteClient = starlette.testclient.TestClient


class Watched:
    """An application, and what becomes of its calls."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self._changed = threading.Condition()
        self._running = 0
        self._errors: list[BaseException] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        counts = scope["type"] != "lifespan"
        with self._changed:
            self._running += counts
        try:
            await self.application(scope, receive, send)
        except BaseException as error:
            with self._changed:
                self._errors.append(error)
            raise
        finally:
            with self._changed:
                self._running -= counts
                self._changed.notify_all()

    def wait(self) -> BaseException | None:
        """Until no call goes on; what one of them raised, once."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._running, LONG), "the application hangs"
            return self._errors.pop(0) if self._errors else None


class LiveServer:
    """A server of one application of this interpreter."""

    running: list[LiveServer] = []  # noqa: RUF012 (of all)

    def __init__(self, application: Watched, root_path: str, lifespan: str) -> None:
        self.application = application
        self._root_path = root_path
        self._lifespan = lifespan
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._server = Server(
            payload=b"",
            host="127.0.0.1",
            port=0,
            workers=1,
            backlog=128,
            max_header=64 * 1024,
            max_body=2**40,
            max_streamed=2**40,
            max_connections=100,
            min_body_rate=0,
            header_timeout=LONG,
            body_timeout=LONG,
            keep_alive_timeout=LONG,
            send_timeout=LONG,
            server_name="",
            loading=1,
            options={"trusted": "127.0.0.1", "says_date": False, "on_duty": 2},
        )
        self.port = int(self._server.listen()[0].rpartition(":")[2])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(LONG), "the application does not start"
        if self._failure is not None:
            self.stop()
            raise self._failure
        self.running.append(self)

    def _serve(self) -> None:
        options = {
            "lifespan": self._lifespan,
            "root_path": self._root_path,
            "loop": LOOP,
            "websockets": (2**24, 32, 20.0, 20.0, True),
        }
        try:
            worker = Worker(self.application, options)
        except LifespanFailed as error:
            self._failure = error
            return
        finally:
            if self._failure is not None:
                self._ready.set()
        # Who collects this interpreter's garbage is its own business.
        collector = types.SimpleNamespace(idle=lambda at_length: None, busy=lambda at_length: None)
        loaded = types.SimpleNamespace(kind="asgi", target=worker, collector=collector)
        self._ready.set()
        self._server._serve_here(loaded)

    def stop(self) -> None:
        self._server.stop(0.0)
        self._thread.join(LONG)
        assert not self._thread.is_alive(), "the server does not end"
        if self in self.running:
            self.running.remove(self)


class LiveStream(httpx.SyncByteStream):
    """A response's body; at its end the application has come to its own."""

    def __init__(self, inner: httpx.Response, transport: LiveTransport) -> None:
        self._inner = inner
        self._transport = transport

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._inner.stream  # type: ignore[misc]
        except httpx.RemoteProtocolError:  # the application failed in the middle of it
            self._transport.finish()
            raise

    def close(self) -> None:
        self._inner.close()
        self._transport.finish()


class LiveTransport(httpx.BaseTransport):
    """Sends requests for whatever address to the client's server."""

    def __init__(self, application: Watched, root_path: str, raises: bool) -> None:
        self.application = application
        self._root_path = root_path
        self._raises = raises
        self._connections = httpx.HTTPTransport(trust_env=False)
        self._server: LiveServer | None = None

    def start(self, lifespan: str) -> LiveServer:
        self._server = LiveServer(self.application, self._root_path, lifespan)
        return self._server

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = None
        self._connections.close()
        self._connections = httpx.HTTPTransport(trust_env=False)

    @property
    def server(self) -> LiveServer:
        if self._server is None or self._server not in LiveServer.running:
            self._connections.close()
            self._connections = httpx.HTTPTransport(trust_env=False)
            return self.start("off")
        return self._server

    def finish(self) -> None:
        error = self.application.wait()
        if error is not None and self._raises:
            raise error

    def sent_url(self, request: httpx.Request) -> httpx.URL:
        """What is asked for: the server has the root path from its options, as if a proxy had taken
        it away.
        """
        path = request.url.raw_path.decode("ascii")
        if self._root_path and path.startswith(self._root_path):
            path = "/" + path.removeprefix(self._root_path).lstrip("/")
        return request.url.copy_with(raw_path=path.encode("ascii"))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme in ("ws", "wss"):
            raise starlette.testclient._Upgrade(LiveSession(self, request))  # type: ignore[arg-type]
        url = self.sent_url(request)
        url = url.copy_with(scheme="http", host="127.0.0.1", port=self.server.port)
        headers = list(request.headers.raw)
        if request.url.scheme == "https":
            headers.append((b"X-Forwarded-Proto", b"https"))
        sent = httpx.Request(request.method, url, headers=headers, stream=request.stream)
        sent.extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), LONG)}
        try:
            inner = self._connections.handle_request(sent)
        except httpx.RemoteProtocolError:
            self.finish()
            raise
        return httpx.Response(
            inner.status_code, headers=inner.headers.raw, stream=LiveStream(inner, self)
        )

    def close(self) -> None:
        self._connections.close()


class LiveSession:
    """What WebSocketTestSession is, with a WebSocket."""

    def __init__(self, transport: LiveTransport, request: httpx.Request) -> None:
        self._transport = transport
        self._request = request
        self._stack = contextlib.ExitStack()
        self.accepted_subprotocol: str | None = None
        self.extra_headers: list[tuple[bytes, bytes]] | None = None

    def __enter__(self) -> Self:
        try:
            self._socket = self._stack.enter_context(self._connect())
        except InvalidStatus as refused:
            self._finish()
            self._raise_refusal(refused.response)
        except InvalidMessage:  # it was cut
            self._finish()
            raise
        self.accepted_subprotocol = self._socket.subprotocol
        assert self._socket.response is not None
        self.extra_headers = [
            (name.encode(), value.encode())
            for name, value in self._socket.response.headers.raw_items()
            if not name.lower().startswith(("sec-websocket-", "upgrade", "connection"))
        ]
        return self

    def _connect(self) -> connect:
        headers = Headers()
        for name, value in self._request.headers.multi_items():
            if name not in ("host", "connection", "upgrade", "user-agent") and not name.startswith(
                "sec-websocket-"
            ):
                headers[name] = value
        asked = self._request.headers.get("sec-websocket-protocol")
        server = self._transport.server
        return connect(
            str(self._transport.sent_url(self._request)),
            sock=socket.create_connection(("127.0.0.1", server.port)),
            proxy=None,
            open_timeout=LONG,
            max_size=None,
            subprotocols=None if asked is None else [each.strip() for each in asked.split(",")],
            additional_headers=headers,
            user_agent_header=self._request.headers["user-agent"],
        )

    @staticmethod
    def _raise_refusal(response: Any) -> NoReturn:
        body = bytes(response.body or b"")
        if response.status_code == 403 and not body:  # websocket.close before it was accepted
            raise WebSocketDisconnect(code=1000, reason="") from None
        raise starlette.testclient.WebSocketDenialResponse(
            response.status_code, headers=list(response.headers.raw_items()), content=body
        ) from None

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._finish()

    def _finish(self) -> None:
        """What the application raised, if it did; its exceptions are always raised here."""
        error = self._transport.application.wait()
        if error is not None:
            raise error

    def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.disconnect":
            return self.close(message.get("code", 1000), message.get("reason"))
        text = message.get("text")
        self._socket.send(text if text is not None else message["bytes"])

    def receive(self) -> dict[str, Any]:
        try:
            got = self._socket.recv(timeout=LONG)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection was cut"
            if closed.rcvd.code == 1011:
                self._finish()
            code, reason = closed.rcvd.code, closed.rcvd.reason
            return {"type": "websocket.close", "code": code, "reason": reason}
        return {"type": "websocket.send", "text" if isinstance(got, str) else "bytes": got}

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        self._socket.close(code, reason or "")

    session = starlette.testclient.WebSocketTestSession
    _raise_on_close = session._raise_on_close
    send_text, send_bytes, send_json = session.send_text, session.send_bytes, session.send_json
    receive_text, receive_bytes = session.receive_text, session.receive_bytes
    receive_json = session.receive_json


class LiveClient(StarletteClient):
    """What tests get for a TestClient."""

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        **options: Any,
    ) -> None:
        super().__init__(app, base_url, raise_server_exceptions, root_path, **options)
        self._live = LiveTransport(Watched(self.app), root_path, raise_server_exceptions)
        self._transport = self._live

    def __enter__(self) -> Self:
        try:
            self._live.start("auto")
        except LifespanFailed:
            error = self._live.application.wait()
            if error is None:
                raise
            raise error from None
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        error = self._live.application.wait()
        if error is not None:
            raise error
