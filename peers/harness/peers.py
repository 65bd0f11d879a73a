"""The clients: how each is run, what it speaks, and what it cannot do."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import inspector
from .install import HERE, Installed

LEGACY, MODERN = "legacy", "modern"
"""The eras: the revisions with a handshake, up to 2025-11-25, and those without."""

STEP_WITHIN = 20
"""How long a step may take, in seconds."""
RUN_WITHIN = 240
"""How long all steps of a client may take together, in seconds."""


@dataclass(frozen=True)
class Peer:
    """A client that others have written."""

    name: str
    package: str
    eras: tuple[str, ...] = (LEGACY, MODERN)
    unable: dict[str, str] = field(default_factory=dict)
    """What it cannot do, with the reason: names of steps, or ways of speaking (`sse`)."""
    tells_error_codes: bool = True
    drops_progress: bool = False
    """Whether it forgets who wants progress when the answer comes, so that what came in one packet with the answer is lost."""


PEERS = [
    Peer("typescript-v1", "@modelcontextprotocol/sdk 1.32.2", eras=(LEGACY,), drops_progress=True),
    Peer("typescript-v2", "@modelcontextprotocol/client 2.4.0", drops_progress=True),
    Peer("python", "mcp 2.3.0"),
    Peer("fastmcp", "fastmcp 4.1.2"),
    Peer(
        "inspector",
        "@modelcontextprotocol/inspector 2.12.0",
        unable={
            "progress": "its command line shows no progress",
            "elicitation": "its command line answers no questions, and declares no elicitation",
            "sampling": "its command line answers no questions, and declares no sampling",
            "complete": "its command line has no command for it",
            "changes": "its command line does one thing and leaves",
        },
        tells_error_codes=False,
    ),
]


@dataclass(frozen=True)
class Target:
    """A server as a client connects to it."""

    url: str
    transport: str = "streamable-http"
    headers: dict[str, str] = field(default_factory=dict)
    trust: Path | None = None
    """The certificates of authorities to trust beside those of the system."""


def play(installed: Installed, peer: Peer, target: Target, era: str, script: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs a client; returns what it said of each step. A client that ends early has said nothing of the rest."""
    environment = dict(os.environ)
    if target.trust:
        environment |= {"NODE_EXTRA_CA_CERTS": str(target.trust), "SSL_CERT_FILE": str(target.trust)}
    script = script | {
        "url": target.url,
        "transport": target.transport,
        "headers": target.headers,
        # Clients of both eras ask the server for the newer one first.
        "era": "legacy" if era == LEGACY else "auto",
        "timeout": STEP_WITHIN,
        # What is expected is nothing that a client should know.
        "steps": [{key: value for key, value in step.items() if key != "expect"} for step in script["steps"]],
    }
    if peer.name == "inspector":
        return inspector.play(installed, script, environment)
    command = {
        "typescript-v1": [installed.node, installed.typescript / "client-v1.mjs"],
        "typescript-v2": [installed.node, installed.typescript / "client-v2.mjs"],
        "python": [installed.python, HERE / "python/client_sdk.py"],
        "fastmcp": [installed.python, HERE / "python/client_fastmcp.py"],
    }[peer.name]
    try:
        ran = subprocess.run(
            command, input=json.dumps(script), capture_output=True, text=True, env=environment, timeout=RUN_WITHIN
        )
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode()
        return _said(output) + [{"step": "close", "error": {"message": f"did not end within {RUN_WITHIN} s"}}]
    said = _said(ran.stdout)
    if ran.returncode:
        lines = ran.stderr.strip().splitlines()
        said.append({"step": "close", "error": {"message": f"ended with {ran.returncode}: {lines[-1] if lines else ''}"}})
    return said


def _said(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]
