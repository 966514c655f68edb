"""A sandbox in its own thread, and a plain client, for tests that are not async."""

import asyncio
import http.client
import json
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.sandbox.server import Sandbox, SandboxOptions


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: Any


class Client:
    """Requests over one kept-alive connection; each is sent exactly once.

    `headers` are sent with all of them.
    """

    def __init__(self, server: str, headers: Mapping[str, str] | None = None) -> None:
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request; `body` is bytes, or any value that `json` can encode.

        The body of the response is parsed when the server says that it is JSON, else it is text.
        """
        sent = {**self._headers, **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = content_type
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self._connection.request(method, path, body, sent)
            response = self._connection.getresponse()
            data = response.read()
        except BaseException:
            # After an error the connection is in an unknown state; `http.client` opens a new one.
            self._connection.close()
            raise
        is_json = response.headers.get_content_type() == "application/json"
        parsed = json.loads(data) if is_json else data.decode()
        return Response(response.status, dict(response.headers), parsed)

    def close(self) -> None:
        self._connection.close()


class SandboxThread:
    """A context manager that runs a sandbox; its `client` is authorized."""

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox")
        self.sandbox: Sandbox

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(60), "the sandbox does not serve"
        is_cci = self._options.provider is ProviderName.CCI
        token = {"X-Auth-Token": self.sandbox.credentials.token} if is_cci else {}
        self.client = Client(self.sandbox.ready.server, token)
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.close()
        self.stop()

    def stop(self) -> None:
        """Stop the sandbox, unless it has ended already."""
        if self._thread.is_alive():
            # An asyncio.Event must be set from the thread of its loop.
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(60)
            self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        async with Sandbox.start(self._options) as self.sandbox:
            self._started.set()
            await self._stop.wait()
        # A request that hangs goes on when its client has gone.
        hanging = asyncio.all_tasks() - {asyncio.current_task()}
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
