"""A server of the Python SDK (`mcp`) that offers what ../contract.json names: both eras at /mcp, HTTP+SSE at /sse.

    python server_sdk.py streamable-http | sse

It says `ready URL` when it listens, on a port that was free.
"""

import asyncio
import socket
import sys
from typing import Annotated, TypedDict

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve, Sample
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    CreateMessageResult,
    PromptReference,
    ResourceTemplateReference,
    SamplingMessage,
    TextContent,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

server = MCPServer("python-sdk", instructions="Ask for the weather, or book a table.", log_level="ERROR")


class Weather(TypedDict):
    city: str
    celsius: float


@server.tool()
def weather(city: str) -> Weather:
    """Says how the weather is in a city."""
    return Weather(city=city, celsius=4.5)


@server.tool(structured_output=False)
async def report(context: Context) -> str:
    """Writes a report, and says how far it is."""
    for done, message in enumerate(["collected", "written", "checked"], start=1):
        await context.report_progress(done, 3, message)
        await asyncio.sleep(0.02)
    return "The report is done."


class Guest(BaseModel):
    name: str


def ask_guest() -> Elicit[Guest]:
    return Elicit("For whom?", Guest)


@server.tool(structured_output=False)
def book(guest: Annotated[ElicitationResult[Guest], Resolve(ask_guest)]) -> str:
    """Books a table for the guest whom the user names."""
    return f"{guest.action}: {guest.data.name if guest.action == 'accept' else ''}"


def ask_model(text: str) -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text=text))], max_tokens=20)


@server.tool(structured_output=False)
def summarize(text: str, words: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    """Lets the client's model summarize a text."""
    return f"Summary: {words.content.text if isinstance(words.content, TextContent) else ''}"


@server.tool()
def fail() -> CallToolResult:
    """Always fails."""
    return CallToolResult(content=[TextContent(type="text", text="The kitchen is closed.")], is_error=True)


@server.tool()
def refuse() -> CallToolResult:
    """Is always refused."""
    raise MCPError(-31050, "not today", {"until": "tomorrow"})


@server.tool(structured_output=False)
async def renew(context: Context) -> str:
    """Announces that the list of tools has changed."""
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        await context.notify_tools_changed()
    else:
        await context.session.send_tool_list_changed()
    return "It is announced."


@server.prompt()
def greeting(name: str) -> str:
    """Greets somebody."""
    return f"Say good morning to {name}."


@server.completion()
async def complete(
    ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, _context: CompletionContext | None
) -> Completion | None:
    if isinstance(ref, PromptReference) and ref.name == "greeting":
        return Completion(values=[name for name in ["Ada", "Alan"] if name.startswith(argument.value)])
    return None


@server.resource("notes://today", name="today", mime_type="text/plain")
def today() -> str:
    return "Buy bread."


@server.resource("notes://{day}", name="day", mime_type="text/plain")
def day(day: str) -> str:
    return f"Nothing on {day}."


class Announced(uvicorn.Server):
    """Says where it listens once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        print(f"ready http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)


if __name__ == "__main__":
    app = server.sse_app() if sys.argv[1:] == ["sse"] else server.streamable_http_app()
    listener = socket.create_server(("127.0.0.1", 0))
    Announced(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)).run(sockets=[listener])
