"""Plays a script, which comes on standard input, on a client of one SDK, and prints what each step brought as a line of JSON.

    {"step": NAME, "result": {...}}, {"step": NAME, "error": {code, message, data}} or {"step": NAME, "unsupported": REASON}

It judges nothing: what must come is known to the harness alone. The script's form is described in ../README.md.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

PATIENCE = 5.0
"""How long to wait for a notification that is due, in seconds."""

Progress = Callable[[float, float | None, str | None], Awaitable[None]]


class Session(Protocol):
    """A connected client of some SDK. Results are the SDK's models, or lists of them."""

    revision: str
    server: str | None

    async def list(self, of: str) -> list[Any]: ...
    async def call(self, tool: str, arguments: dict[str, Any], progress: Progress) -> BaseModel: ...
    async def get(self, prompt: str, arguments: dict[str, str]) -> BaseModel: ...
    async def read(self, uri: str) -> BaseModel: ...
    async def complete(self, ref: dict[str, str], argument: dict[str, str]) -> BaseModel: ...


class Changes:
    """What the server announced."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    def heard(self, what: str) -> None:
        if what in self._waiting:
            self._waiting[what].set()

    def next(self, what: str) -> Awaitable[bool]:
        self._waiting[what] = asyncio.Event()
        return asyncio.wait_for(self._waiting[what].wait(), PATIENCE)


Connect = Callable[[dict[str, Any], Callable[[str], None]], AbstractAsyncContextManager[Session]]


def play(connect: Connect) -> None:
    """Connects a client of an SDK and plays the script on it."""
    # Retries and stack traces of the SDKs are theirs; what came of a step is said by its line.
    logging.disable(logging.CRITICAL)
    asyncio.run(_play(connect, json.load(sys.stdin)))


async def _play(connect: Connect, script: dict[str, Any]) -> None:
    changes = Changes()
    connected = False
    try:
        async with asyncio.timeout(script["timeout"]) as limit, connect(script, changes.heard) as session:
            limit.reschedule(None)
            connected = True
            _say("connect", result={"revision": session.revision, "server": session.server})
            for step in script["steps"]:
                try:
                    async with asyncio.timeout(script["timeout"]):
                        _say(step["name"], **await _perform(session, step, changes))
                except Exception as error:
                    _say(step["name"], error=_told(error))
    except Exception as error:
        _say("close" if connected else "connect", error=_told(error))


async def _perform(session: Session, step: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Does one step."""
    match step["do"]:
        case "list":
            items = [item.model_dump(mode="json", by_alias=True) for item in await session.list(step["of"])]
            return {"result": {"names": [item.get("uri") or item.get("uriTemplate") or item["name"] for item in items]}}
        case "call":
            progress: list[dict[str, Any]] = []

            async def told(done: float, total: float | None, message: str | None) -> None:
                progress.append({"progress": done, "total": total, "message": message})

            change = changes.next(step["awaits"]) if "awaits" in step else None
            result = await session.call(step["tool"], step.get("arguments", {}), told)
            if change:
                await change
            return {"result": _dump(result), "progress": progress}
        case "get":
            return {"result": _dump(await session.get(step["prompt"], step.get("arguments", {})))}
        case "read":
            return {"result": _dump(await session.read(step["uri"]))}
        case "complete":
            return {"result": _dump(await session.complete(step["ref"], step["argument"]))}
        case other:
            return {"unsupported": f"no operation {other}"}


def _dump(model: BaseModel) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _say(step: str, **what: Any) -> None:
    print(json.dumps({"step": step, **what}), flush=True)


def _told(error: BaseException) -> dict[str, Any]:
    """An error with what the other side said of it; of a group, the first that is no group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return {"code": error.error.code, "message": error.error.message, "data": error.error.data}
    if isinstance(error, TimeoutError):
        return {"message": "no answer in time"}
    return {"message": f"{type(error).__name__}: {error}"}
