"""The gateway, and the ways through it: a gateway for each server, which is its one backend and keeps its names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from . import servers, simulator
from .gateway import gateway
from .install import Installed, cache
from .matrix import Differences, Route
from .peers import LEGACY, MODERN, Target
from .programs import build

SPEAKS = (LEGACY, MODERN)
"""The eras that the gateway speaks to clients, whatever its backend speaks."""

NOT_ASKED = (
    {"error": {"code": -32603}},
    "a server of the older era asks in the midst of a call, where clients of the newer one cannot be asked",
)
"""What such a client is told of its call, and why."""


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
            name = "".join(letter if letter.isalnum() else "-" for letter in route.name.lower())
            url = stack.enter_context(gateway(name, route.target, cache() / "logs")).url
            target = Target(f"{url}/mcp")
            through.append(Route(route.name, target, SPEAKS, differs=_differs(route)))
            if route.name == "both eras":
                through.append(Route(f"{route.name}, from HTTP+SSE", Target(f"{url}/sse", "sse"), (LEGACY,), differs=_differs(route)))
        yield through


def _differs(direct: Route) -> Differences:
    """What is right through the gateway although the contract says otherwise: it follows from how the gateway and the server speak."""
    to_server = MODERN if MODERN in direct.speaks else LEGACY
    of_server = {step: difference for (era, step), difference in direct.differs.items() if era == to_server}
    differs = {(era, step): difference for era in SPEAKS for step, difference in of_server.items()}
    if to_server == LEGACY:
        for step in ("elicitation", "sampling"):
            differs.setdefault((MODERN, step), NOT_ASKED)
    return differs
