"""The official conformance suite in client mode, with a gateway as the client: what it asks of a server on the suite's behalf."""

import json
import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch

from .install import HERE, REPOSITORY, Installed, Unavailable, cache
from .judge import Outcome, Verdict
from .matrix import Run
from .programs import Failed, build

REVISIONS = ["2025-11-25", "2026-07-28"]
"""The revisions that the gateway speaks to servers, of those for which the suite has scenarios."""

UNAVAILABLE = 69
"""What the suite's script ends with when the suite cannot be installed."""

LEFT_OUT: dict[str, str] = json.loads((HERE / "egress.json").read_text())
"""Scenarios that do not apply to a gateway, as patterns, with the reason."""

SUITE = str(REPOSITORY / "simulator/mcp-conformance.sh")


def play(installed: Installed) -> list[Run]:
    """Plays every scenario of the revisions, or says why not."""
    build(["vmcp"])
    folder = cache() / "logs/egress"
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "PYTHONPATH": str(HERE),
        "PEERS_CLIENT": json.dumps([str(installed.node), str(installed.typescript / "client-conformance.mjs")]),
        "PEERS_FOLDER": str(folder),
    }
    scenarios = _scenarios(environment)
    runs = []
    for revision in REVISIONS:
        verdicts = [_scenario(name, revision, environment) for name, revisions in scenarios.items() if revision in revisions]
        runs.append(Run("vmcp", "", f"official suite, client mode, {revision}", "", "", verdicts))
    unused = [pattern for pattern in LEFT_OUT if not any(fnmatch(name, pattern) for name in scenarios)]
    if unused:
        raise Failed(f"egress.json leaves out what the suite does not have: {', '.join(unused)}")
    return runs


def _scenarios(environment: dict[str, str]) -> dict[str, list[str]]:
    """The suite's scenarios for clients, with the revisions that they belong to."""
    listed = subprocess.run([SUITE, "list", "--client"], capture_output=True, text=True, env=environment)
    if listed.returncode == UNAVAILABLE:
        raise Unavailable(listed.stderr.strip())
    return {name: revisions.split(",") for name, revisions in re.findall(r"^\s+- (\S+) \[(.*)\]$", listed.stdout, re.MULTILINE)}


def _scenario(name: str, revision: str, environment: dict[str, str]) -> Verdict:
    for pattern, reason in LEFT_OUT.items():
        if fnmatch(name, pattern):
            return Verdict(name, Outcome.NOT_APPLICABLE, reason)
    command = shlex.join([sys.executable, "-m", "harness.through_gateway"])
    results = str(cache() / "logs/egress")
    ran = subprocess.run(
        [SUITE, "client", "--command", command, "--scenario", name, "--spec-version", revision, "-o", results, "--timeout", "60000"],
        capture_output=True,
        text=True,
        env=environment,
    )
    verdict = Verdict(name, Outcome.FAILED if ran.returncode else Outcome.PASSED, _complaints(ran.stdout) if ran.returncode else "")
    print(f"{'FAIL' if ran.returncode else 'ok  '} {name}, {revision}", file=sys.stderr)
    return verdict


def _complaints(report: str) -> str:
    """The suite's lines about checks that failed."""
    lines = [line.strip() for line in report.splitlines() if re.search(r"FAIL|✗|[Ee]rror", line)]
    return "; ".join(lines[:4]) or "it failed"
