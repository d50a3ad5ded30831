"""vLLM as a child process: its command, its lifetime, the adapters it has loaded."""

from inference.vllm.command import MAX_RANK, Spec, command, environment, free_port
from inference.vllm.process import Health, Server, ServerError

__all__ = ["MAX_RANK", "Health", "Server", "ServerError", "Spec", "command", "environment", "free_port"]
