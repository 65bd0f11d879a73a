"""A gateway before one server."""

import json
from pathlib import Path

from .peers import Target
from .programs import Running, program


def configuration(name: str, backend: Target) -> dict[str, object]:
    """The configuration of a gateway with one backend, whose names it keeps."""
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


def gateway(name: str, backend: Target, folder: Path) -> Running:
    """A gateway before a server on this machine. Its configuration and its log are in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"vmcp-{name}.yaml"
    # JSON is YAML.
    file.write_text(json.dumps(configuration(name, backend), indent=2))
    command = [program("vmcp"), "serve", "--config", str(file), "--port", "0"]
    command += ["--egress-allow", "remote=127.0.0.0/8", "--egress-allow", "remote=::1/128"]
    return Running(f"the gateway {name}", command, folder / f"vmcp-{name}.log")
