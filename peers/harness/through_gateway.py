"""What the official conformance suite starts as the client under test: a client that reaches the suite's server through a gateway.

    PEERS_CLIENT='["PROGRAM", "ARGUMENT"]' PEERS_FOLDER=DIR python3 -m harness.through_gateway URL

So what the suite's server sees is the gateway.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .gateway import gateway
from .peers import Target
from .programs import end_in_order


def main() -> int:
    # The suite ends what takes too long.
    end_in_order()
    with tempfile.TemporaryDirectory(dir=os.environ["PEERS_FOLDER"]) as folder:
        with gateway("conformance", Target(sys.argv[-1]), Path(folder)) as running:
            return subprocess.run([*json.loads(os.environ["PEERS_CLIENT"]), f"{running.url}/mcp"]).returncode


if __name__ == "__main__":
    sys.exit(main())
