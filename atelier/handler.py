"""How a request is handled under ASGI."""

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler


class Handler(ASGIHandler):
    """Django's handler, with all middleware and the view in one thread.

    Asked to be asynchronous, each middleware takes a hop to the thread and back before the view and another after it:
    half of the processor time of a small request. An async view still returns its stream, which is then sent from the
    event loop, with no thread and no connection.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)
        self._middleware_chain = sync_to_async(self._middleware_chain, thread_sensitive=True)
