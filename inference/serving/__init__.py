"""vLLM as a child process: its command, its life, the adapters it holds."""

from inference.serving.command import Spec, command, environment, free_port
from inference.serving.server import Health, Server, ServerError

__all__ = ["Health", "Server", "ServerError", "Spec", "command", "environment", "free_port"]
