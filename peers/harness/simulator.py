"""The simulator, and the ways to its servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .install import HERE, cache
from .matrix import Route
from .peers import LEGACY, MODERN, Target
from .programs import Running, build, program

HTTP, HTTPS = "http://127.0.0.1:3911", "https://localhost:3912"
"""Where world.yaml has its servers."""


@contextmanager
def world() -> Iterator[Path]:
    """Serves the world; gives the certificate of its private authority."""
    build(["simulator"])
    trusted = cache() / "authorities"
    command = [program("simulator"), "serve", str(HERE / "world.yaml"), "--ca-dir", str(trusted)]
    with Running("the simulator", command, cache() / "logs/simulator.log"):
        yield trusted / "peers-ca.pem"


@contextmanager
def routes() -> Iterator[list[Route]]:
    """The ways to the simulator's servers, while it runs."""
    with world() as trust:
        yield [
            Route("both eras", Target(f"{HTTP}/mcp")),
            Route("legacy only", Target(f"{HTTP}/legacy/mcp"), speaks=(LEGACY,)),
            Route("modern only", Target(f"{HTTP}/modern/mcp"), speaks=(MODERN,)),
            Route("HTTP+SSE", Target(f"{HTTP}/sse", "sse"), speaks=(LEGACY,)),
            Route("private CA", Target(f"{HTTPS}/mcp", trust=trust)),
            Route("private CA, HTTP+SSE", Target(f"{HTTPS}/sse", "sse", trust=trust), speaks=(LEGACY,)),
            Route("private CA that is not trusted", Target(f"{HTTPS}/mcp"), refuses="it must not trust the authority"),
        ]
