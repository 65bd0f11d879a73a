"""Servers of others that offer what the contract names."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .install import HERE, Installed, cache
from .matrix import Differences, Route
from .peers import LEGACY, MODERN, Target
from .programs import Running


@dataclass(frozen=True)
class Server:
    """A way to a server of others."""

    name: str
    program: str
    """Servers of one program run as one process."""
    path: str
    transport: str
    speaks: tuple[str, ...]
    differs: Differences


def _left_out(steps: dict[str, str]) -> Differences:
    return {(LEGACY, step): (None, reason) for step, reason in steps.items()}


WITHOUT_SESSIONS = {
    "elicitation": "the server keeps no session in which it could ask a client of the older era",
    "sampling": "the server keeps no session in which it could ask a client of the older era",
    "changes": "the server has no stream for announcements to clients of the older era",
}

UNANNOUNCED = {"changes": "the server does not declare to clients of the older era that its list changes"}

THROWN: Differences = {
    (era, "error"): ({"result": {"isError": True}}, "what a tool throws becomes an error of the tool") for era in (LEGACY, MODERN)
}

SERVERS = [
    Server("Python SDK", "python-sdk", "/mcp", "streamable-http", (LEGACY, MODERN), _left_out(UNANNOUNCED)),
    Server("Python SDK, HTTP+SSE", "python-sdk-sse", "/sse", "sse", (LEGACY,), _left_out(UNANNOUNCED)),
    Server("TypeScript SDK v1", "typescript-v1", "/mcp", "streamable-http", (LEGACY,), THROWN),
    Server("TypeScript SDK v1, HTTP+SSE", "typescript-v1", "/sse", "sse", (LEGACY,), THROWN),
    Server("TypeScript SDK v2", "typescript-v2", "/mcp", "streamable-http", (LEGACY, MODERN), _left_out(WITHOUT_SESSIONS) | THROWN),
]


def _commands(installed: Installed) -> dict[str, list[str]]:
    return {
        "python-sdk": [str(installed.python), str(HERE / "python/server_sdk.py"), "streamable-http"],
        "python-sdk-sse": [str(installed.python), str(HERE / "python/server_sdk.py"), "sse"],
        "typescript-v1": [str(installed.node), str(installed.typescript / "server-v1.mjs")],
        "typescript-v2": [str(installed.node), str(installed.typescript / "server-v2.mjs")],
    }


@contextmanager
def running(installed: Installed) -> Iterator[Callable[[Server], str]]:
    """Runs the servers; gives the URL of each."""
    with ExitStack() as stack:
        urls = {}
        for name, command in _commands(installed).items():
            server = Running(f"the server {name}", command, cache() / f"logs/server-{name}.log")
            urls[name] = stack.enter_context(server).url
        yield lambda server: urls[server.program] + server.path


@contextmanager
def routes(installed: Installed) -> Iterator[list[Route]]:
    """The ways to the servers with nothing between: what fails there too is nothing of ours."""
    with running(installed) as url:
        yield [
            Route(server.name, Target(url(server), server.transport), server.speaks, differs=server.differs) for server in SERVERS
        ]
