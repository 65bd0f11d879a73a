"""A client of FastMCP: both eras, and HTTP+SSE."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import mcp_types as types
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.messages import MessageHandler
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from mcp.client.subscriptions import listen
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from play import Progress, play


class Session:
    def __init__(self, client: Client[Any]) -> None:
        self._client = client
        self.revision = str(client.protocol_version)
        self.server = client.server_info.name if client.server_info else None

    async def list(self, of: str) -> list[Any]:
        match of:
            case "tools":
                return await self._client.list_tools()
            case "prompts":
                return await self._client.list_prompts()
            case "resources":
                return await self._client.list_resources()
            case _:
                return await self._client.list_resource_templates()

    async def call(self, tool: str, arguments: dict[str, Any], progress: Progress) -> types.CallToolResult:
        return await self._client.call_tool_mcp(tool, arguments, progress_handler=progress)

    async def get(self, prompt: str, arguments: dict[str, str]) -> types.GetPromptResult:
        return await self._client.get_prompt(prompt, arguments)

    async def read(self, uri: str) -> types.ReadResourceResult:
        return await self._client.read_resource_mcp(uri)

    async def complete(self, ref: dict[str, str], argument: dict[str, str]) -> types.Completion:
        return await self._client.complete(types.PromptReference.model_validate(ref), argument)


class Announcements(MessageHandler):
    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard

    async def on_tool_list_changed(self, message: types.ToolListChangedNotification) -> None:
        self._heard("tools")


@asynccontextmanager
async def connect(script: dict[str, Any], heard: Callable[[str], None]) -> AsyncIterator[Session]:
    async def elicitation(_message: str, _type: Any, _params: Any, _context: Any) -> ElicitResult[Any]:
        return ElicitResult(**script["answers"]["elicitation"])

    async def sampling(_messages: Any, _params: Any, _context: Any) -> types.CreateMessageResult:
        return types.CreateMessageResult.model_validate(script["answers"]["sampling"])

    kind = SSETransport if script["transport"] == "sse" else StreamableHttpTransport
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            Client(
                kind(script["url"], headers=script["headers"]),
                mode=script["era"],
                client_info=types.Implementation(name="fastmcp", version="4.1.2"),
                elicitation_handler=elicitation,
                sampling_handler=sampling,
                message_handler=Announcements(heard),
            )
        )
        if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
            # FastMCP has no subscription of its own; what it brings reaches the message handler too.
            await stack.enter_async_context(listen(client.session, tools_list_changed=True))
        yield Session(client)


if __name__ == "__main__":
    play(connect)
