"""What clients do, and what must come of it."""

import json
from typing import Any

from .install import HERE

CONTRACT: dict[str, Any] = json.loads((HERE / "contract.json").read_text())
"""The steps, and what must come of each at a server that offers what the contract names."""
