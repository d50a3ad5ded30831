"""The ASGI request handler, with middleware and view in one thread."""

from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler

from atelier.files import disk


class Handler(ASGIHandler):
    """Django's handler, with all middleware and the view in one thread.

    Run asynchronously, each middleware takes a hop to the thread and back before the view and another after it: half of
    the processor time of a small request. An async view still returns its stream, which is then sent from the event
    loop, with no thread and no connection.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)
        self._middleware_chain = sync_to_async(self._middleware_chain, thread_sensitive=True)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request as Django does.

        A body for which the disk has no space, before there is a request, gets a 507.
        """
        try:
            await super().handle(scope, receive, send)
        except OSError as error:
            if not disk.is_full(error):
                raise
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 507, "headers": headers})
            await send({"type": "http.response.body", "body": disk.FULL.encode()})
