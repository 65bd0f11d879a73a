"""Which client connects to what, and what must come of it."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from . import anywhere
from .contract import CONTRACT
from .install import Installed
from .judge import Outcome, Verdict, judge
from .peers import LEGACY, MODERN, PEERS, Peer, Target, play


Differences = dict[tuple[str, str], tuple[dict[str, Any] | None, str]]
"""By era of the client and step, what is right although the contract says otherwise: what is expected, or none, and the reason."""


@dataclass(frozen=True)
class Route:
    """A way to a server."""

    name: str
    target: Target
    speaks: tuple[str, ...] = (LEGACY, MODERN)
    """The eras of whatever answers, none where that is unknown. A client of both finds out by asking."""
    sifts: bool = False
    """Whether only those steps are played that fit what the server lists."""
    refuses: str = ""
    """Why no client may connect, where that is right."""
    differs: Differences = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A client on a route."""

    peer: str
    package: str
    route: str
    era: str
    revision: str
    verdicts: list[Verdict]

    @property
    def failed(self) -> bool:
        return any(verdict.outcome is Outcome.FAILED for verdict in self.verdicts)


@dataclass(frozen=True)
class Choice:
    """What of the matrix is played; nothing stands for all."""

    peers: list[str]
    eras: list[str]
    routes: list[str]


def runs(installed: Installed, routes: Iterable[Route], choice: Choice, script: dict[str, Any] = CONTRACT) -> list[Run]:
    """Plays clients on routes, in every era that the client speaks."""
    played = []
    for route in routes:
        if choice.routes and route.name not in choice.routes:
            continue
        for peer in PEERS:
            if choice.peers and peer.name not in choice.peers:
                continue
            for era in _eras(peer, route):
                if choice.eras and era not in choice.eras:
                    continue
                run = _run(installed, peer, route, era, script)
                print(f"{'FAIL' if run.failed else 'ok  '} {run.route}: {run.peer}, {run.era} era", file=sys.stderr)
                played.append(run)
    return played


def _eras(peer: Peer, route: Route) -> list[str]:
    """In which eras a client is played on a route. A client that asks for the newer era must find its way to an older server."""
    if route.target.transport == "sse" or route.refuses:
        return [LEGACY]
    return [era for era in peer.eras if era == MODERN or not route.speaks or LEGACY in route.speaks]


def _run(installed: Installed, peer: Peer, route: Route, era: str, script: dict[str, Any]) -> Run:
    def played(steps: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {line["step"]: line for line in play(installed, peer, route.target, era, script | {"steps": steps})}

    steps, left_out = script["steps"], {}
    if route.sifts:
        said = played(anywhere.lists(steps))
        left_out = {step["name"]: why for step in steps if (why := anywhere.not_offered(step, said))}
    said = played([step for step in steps if step["name"] not in left_out])
    connected = said.get("connect", {})
    revision = str(connected.get("result", {}).get("revision", "none"))
    verdicts = [_connection(connected, revision, route, era)]
    if verdicts[0].outcome is Outcome.PASSED and not route.refuses:
        for step in steps:
            verdict = left_out.get(step["name"]) or _step(peer, route, era, step, said.get(step["name"]))
            verdicts.append(verdict)
        if closed := said.get("close"):
            verdicts.append(Verdict("close", Outcome.FAILED, closed["error"]["message"]))
    return Run(peer.name, peer.package, route.name, era, revision, verdicts)


def _connection(said: dict[str, Any], revision: str, route: Route, era: str) -> Verdict:
    if route.refuses:
        if "error" in said:
            return Verdict("connect", Outcome.PASSED, f"refused, because {route.refuses}: {said['error']['message']}")
        return Verdict("connect", Outcome.FAILED, f"the client connected although {route.refuses}")
    verdict = judge("connect", said or None, {"result": {}})
    if not route.speaks:
        return verdict
    expected = MODERN if era == MODERN and MODERN in route.speaks and route.target.transport != "sse" else LEGACY
    if verdict.outcome is Outcome.PASSED and (revision >= "2026") != (expected == MODERN):
        return Verdict("connect", Outcome.FAILED, f"revision {revision} is not of the {expected} era")
    return verdict


def _step(peer: Peer, route: Route, era: str, step: dict[str, Any], said: dict[str, Any] | None) -> Verdict:
    name = step["name"]
    if reason := peer.unable.get(name):
        return Verdict(name, Outcome.NOT_APPLICABLE, reason)
    expect, reason = route.differs.get((era, name), (step["expect"], ""))
    if expect is None:
        return Verdict(name, Outcome.NOT_APPLICABLE, reason)
    if "error" in expect and not peer.tells_error_codes:
        expect = {"error": {key: value for key, value in expect["error"].items() if key == "message"}}
    if peer.drops_progress and "progress" in expect:
        expect = expect | {"progress": expect["progress"][: max(1, len((said or {}).get("progress", [])))]}
    verdict = judge(name, said, expect)
    return Verdict(name, verdict.outcome, reason) if reason and verdict.outcome is Outcome.PASSED else verdict
