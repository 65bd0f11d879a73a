"""The gateway, and the ways through it: a gateway for each server, which is its one backend and keeps its names."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from . import servers, simulator
from .install import Installed, cache
from .matrix import Route
from .peers import LEGACY, Target
from .programs import Running, build, program

SPEAKS = (LEGACY, MODERN)
"""The eras that the gateway speaks to clients, whatever its backend speaks."""


@contextmanager
def routes(installed: Installed) -> Iterator[list[Route]]:
    """The ways through gateways, while they run before the simulator and the servers of others."""
    build(["vmcp"])
    with ExitStack() as stack:
        direct = stack.enter_context(simulator.routes())
        direct += stack.enter_context(servers.routes(installed))
        through = []
        for route in direct:
            # What the gateway must refuse is proven by tests and scenarios of its own.
            if route.refuses:
                continue
            gateway = stack.enter_context(_gateway(route))
            target = Target(f"{gateway.url}/mcp")
            through.append(Route(route.name, target, speaks=SPEAKS, differs=route.differs))
            if route.name == "both eras":
                through.append(Route(f"{route.name}, from HTTP+SSE", Target(f"{gateway.url}/sse", "sse"), speaks=(LEGACY,)))
        yield through


def _gateway(route: Route) -> Running:
    """A gateway with one backend."""
    folder = cache() / "gateways"
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(letter if letter.isalnum() else "-" for letter in route.name.lower())
    file = folder / f"{name}.yaml"
    # YAML takes JSON.
    file.write_text(json.dumps(_configuration(name, route.target), indent=2))
    command = [program("vmcp"), "serve", "--config", str(file), "--port", "0", "--egress-allow", "remote=127.0.0.0/8", "--egress-allow", "remote=::1/128"]
    return Running(f"the gateway before {route.name}", command, cache() / f"logs/vmcp-{name}.log")


def _configuration(name: str, backend: Target) -> dict[str, object]:
    server: dict[str, object] = {"name": "server", "url": backend.url, "transport": backend.transport}
    if backend.trust:
        server |= {"type": "entry", "caBundlePath": str(backend.trust)}
    return {
        "name": name,
        "groupRef": "peers",
        "incomingAuth": {"type": "anonymous"},
        "outgoingAuth": {"source": "inline"},
        "aggregation": {"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": ["server"]}},
        "backends": [server],
    }
