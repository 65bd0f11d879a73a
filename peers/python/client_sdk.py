"""A client of the Python SDK (`mcp`): both eras, and HTTP+SSE."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import mcp_types as types
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from play import Progress, play


class Session:
    def __init__(self, client: Client) -> None:
        self._client = client
        self.revision = client.protocol_version
        self.server = client.server_info.name if client.server_info else None

    async def list(self, of: str) -> list[Any]:
        match of:
            case "tools":
                return (await self._client.list_tools()).tools
            case "prompts":
                return (await self._client.list_prompts()).prompts
            case "resources":
                return (await self._client.list_resources()).resources
            case _:
                return (await self._client.list_resource_templates()).resource_templates

    async def call(self, tool: str, arguments: dict[str, Any], progress: Progress) -> types.CallToolResult:
        return await self._client.call_tool(tool, arguments, progress_callback=progress)

    async def get(self, prompt: str, arguments: dict[str, str]) -> types.GetPromptResult:
        return await self._client.get_prompt(prompt, arguments)

    async def read(self, uri: str) -> types.ReadResourceResult:
        return await self._client.read_resource(uri)

    async def complete(self, ref: dict[str, str], argument: dict[str, str]) -> types.Completion:
        reference = types.PromptReference.model_validate(ref)
        return (await self._client.complete(reference, argument)).completion


@asynccontextmanager
async def connect(script: dict[str, Any], heard: Callable[[str], None]) -> AsyncIterator[Session]:
    async def elicitation(_context: Any, _params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult.model_validate(script["answers"]["elicitation"])

    async def sampling(_context: Any, _params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        return types.CreateMessageResult.model_validate(script["answers"]["sampling"])

    async def message(message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            heard("tools")

    async with AsyncExitStack() as stack:
        if script["transport"] == "sse":
            transport = sse_client(script["url"], headers=script["headers"])
        else:
            http = await stack.enter_async_context(create_mcp_http_client(headers=script["headers"]))
            transport = streamable_http_client(script["url"], http_client=http)
        client = await stack.enter_async_context(
            Client(
                transport,
                mode="legacy" if script["transport"] == "sse" else script["era"],
                client_info=types.Implementation(name="python-sdk", version="2.3.0"),
                elicitation_callback=elicitation,
                sampling_callback=sampling,
                message_handler=message,
            )
        )
        if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
            # What it brings reaches the message handler too.
            await stack.enter_async_context(client.listen(tools_list_changed=True))
        yield Session(client)


if __name__ == "__main__":
    play(connect)
