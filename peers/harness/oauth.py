"""An OAuth client of others against the simulator's authorization servers."""

import json
import os
import subprocess

from .install import HERE, Installed, cache
from .judge import judge
from .matrix import Run
from .programs import Failed, Running, build, program

CLIENT = HERE / "python/client_oauth.py"
CONTRACT = json.loads((HERE / "oauth.json").read_text())
"""The steps, and what must come of each."""
WITHIN = 120
"""How long all steps may take together, in seconds."""


def play(installed: Installed) -> list[Run]:
    """Plays all steps of the one client."""
    build(["simulator"])
    folder = cache() / "logs/oauth"
    folder.mkdir(parents=True, exist_ok=True)
    key, world, trusted = folder / "client-key.pem", folder / "world.yaml", folder / "authorities"
    world.write_text(json.dumps(_world(_client(installed, "key", str(key)))))
    command = [program("simulator"), "serve", str(world), "--ca-dir", str(trusted)]
    with Running("the simulator", command, folder / "simulator.log"):
        trust = {"REQUESTS_CA_BUNDLE": str(trusted / "peers-ca.pem")}
        said = {line["step"]: line for line in map(json.loads, _client(installed, "play", str(key), **trust).splitlines())}
    verdicts = [judge(step["name"], said.get(step["name"]), step["expect"]) for step in CONTRACT["steps"]]
    return [Run("Authlib", "authlib 1.9.9", "authorization servers of the simulator", "", "", verdicts)]


def _world(keys: str) -> dict[str, object]:
    """The world, and an authorization server for the client with these public keys, which are new each time."""
    signed = {
        "host": "localhost:3916",
        "issuer": "https://localhost:3916",
        "certificate": {"issuer": "peers-ca"},
        "clients": [{"id": "signer", "keys": json.loads(keys)}],
    }
    return {"include": str(HERE / "oauth.yaml"), "authorizationServers": [signed]}


def _client(installed: Installed, *arguments: str, **environment: str) -> str:
    try:
        ran = subprocess.run(
            [str(installed.python), str(CLIENT), *arguments],
            capture_output=True,
            text=True,
            timeout=WITHIN,
            env=os.environ | environment,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"the OAuth client did not end within {WITHIN} s") from None
    if ran.returncode:
        raise Failed(f"the OAuth client ended with {ran.returncode}: {ran.stderr.strip().splitlines()[-1:]}")
    return ran.stdout
