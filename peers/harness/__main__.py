"""The command `peers/run`."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import anywhere, egress, oauth, servers, simulator, vmcp
from .contract import CONTRACT
from .install import Installed, Unavailable, cache, install
from .matrix import Choice, Route, Run, runs
from .peers import LEGACY, MODERN, PEERS, Target
from .programs import Failed, end_in_order
from .report import tables

UNAVAILABLE = 69
"""Exit code (`EX_UNAVAILABLE`): what is needed cannot be had on this machine."""
BROKEN = 70
"""Exit code (`EX_SOFTWARE`): something could not be run at all, so that nothing was learnt."""


def main() -> int:
    arguments = _arguments()
    end_in_order()
    try:
        installed = install()
        played = _played(arguments, installed)
    except Unavailable as missing:
        print(missing, file=sys.stderr)
        return UNAVAILABLE
    except Failed as failed:
        print(failed, file=sys.stderr)
        return BROKEN
    report = tables(played)
    print(report)
    if arguments.report:
        arguments.report.write_text(f"{report}\n")
    return 1 if any(run.failed for run in played) else 0


def _played(arguments: argparse.Namespace, installed: Installed) -> list[Run]:
    match arguments.what:
        case "egress":
            return egress.play(installed)
        case "oauth":
            return oauth.play(installed)
    script = anywhere.script(arguments.prefix, arguments.call) if arguments.what == "url" else CONTRACT
    with _routes(arguments, installed) as routes:
        names = [route.name for route in routes]
        if unknown := [name for name in arguments.route if name not in names]:
            raise Failed(f"there is no route {', '.join(unknown)}; there are: {'; '.join(names)}")
        return runs(installed, routes, Choice(arguments.peer, arguments.era, arguments.route), script)


@contextmanager
def _routes(arguments: argparse.Namespace, installed: Installed) -> Iterator[list[Route]]:
    match arguments.what:
        case "simulator":
            with simulator.routes() as routes:
                yield routes
        case "vmcp":
            with vmcp.routes(installed) as routes:
                yield routes
        case "servers":
            with servers.routes(installed) as routes:
                yield routes
        case _:
            target = Target(arguments.url, arguments.transport, dict(arguments.header), arguments.ca)
            yield [Route(arguments.url, target, speaks=(), sifts=True)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="peers/run",
        description="Plays MCP clients and servers of others against the programs of this repository, or against any URL.",
        epilog=f"Exit codes: 0 all is well, 1 something failed, 2 wrong usage, {UNAVAILABLE} something is not installed and cannot "
        f"be, {BROKEN} a program did not start. Peers are installed, and logs written, below {cache()}. Options that choose or add "
        "may be repeated.",
    )
    repeated: dict[str, Any] = {"action": "append", "default": []}
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("simulator", help="clients against the simulator: both eras, HTTP+SSE, a private CA")
    what.add_parser("vmcp", help="clients through the gateway: before the simulator, and before servers of the SDKs")
    what.add_parser("servers", help="clients against the servers of the SDKs, with nothing of ours: whose fault something is")
    url = what.add_parser("url", help="clients against any server: what it offers of the contract, and calls that you name")
    url.add_argument("url", help="where the server speaks MCP")
    url.add_argument("--transport", choices=["streamable-http", "sse"], default="streamable-http", help="default: streamable-http")
    url.add_argument("--header", **repeated, type=_header, metavar="'NAME: VALUE'", help="sent with every request")
    url.add_argument("--ca", type=Path, metavar="FILE", help="certificates (PEM) of authorities to trust")
    url.add_argument("--prefix", default="", help="what the server puts before the names of tools and prompts")
    url.add_argument("--call", **repeated, type=anywhere.parse_call, metavar="'TOOL={\"A\": 1}'", help="calls this tool too")
    matrices = list(what.choices.values())
    what.add_parser("egress", help="the official conformance suite in client mode, with the gateway as the client")
    what.add_parser("oauth", help="an OAuth client against the simulator's authorization servers")
    for command in matrices:
        command.add_argument("--peer", **repeated, choices=[peer.name for peer in PEERS], help="only this client")
        command.add_argument("--era", **repeated, choices=[LEGACY, MODERN], help="only clients that ask for this era first")
        command.add_argument("--route", **repeated, metavar="NAME", help="only this way to a server, as the tables name it")
    for command in what.choices.values():
        command.add_argument("--report", type=Path, metavar="FILE", help="also write the tables, in Markdown, to this file")
    return parser.parse_args()


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(text)
    return name.strip(), value.strip()


if __name__ == "__main__":
    sys.exit(main())
