// A client of @modelcontextprotocol/sdk, the first generation of the TypeScript SDK: the revisions with a handshake.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema, CreateMessageRequestSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { play } from "./play.mjs";

await play(async (script, heard) => {
  const client = new Client(
    { name: "typescript-v1", version: "1.32.2" },
    {
      capabilities: { elicitation: {}, sampling: {} },
      listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: () => heard("tools") } },
    },
  );
  client.setRequestHandler(ElicitRequestSchema, () => script.answers.elicitation);
  client.setRequestHandler(CreateMessageRequestSchema, () => script.answers.sampling);
  const options = { requestInit: { headers: script.headers } };
  const url = new URL(script.url);
  const transport =
    script.transport === "sse" ? new SSEClientTransport(url, options) : new StreamableHTTPClientTransport(url, options);
  let revision;
  // The transport is told what was negotiated; the one of HTTP+SSE does not tell it on.
  const setProtocolVersion = transport.setProtocolVersion.bind(transport);
  transport.setProtocolVersion = (version) => setProtocolVersion((revision = version));
  await client.connect(transport);

  return {
    revision,
    server: client.getServerVersion()?.name,
    list: async (of) =>
      ({
        tools: async () => (await client.listTools()).tools,
        prompts: async () => (await client.listPrompts()).prompts,
        resources: async () => (await client.listResources()).resources,
        resourceTemplates: async () => (await client.listResourceTemplates()).resourceTemplates,
      })[of](),
    call: (name, args, onprogress) => client.callTool({ name, arguments: args }, CallToolResultSchema, { onprogress }),
    get: (name, args) => client.getPrompt({ name, arguments: args }),
    read: (uri) => client.readResource({ uri }),
    complete: (ref, argument) => client.complete({ ref, argument }),
    close: async () => {
      if (script.transport !== "sse") await transport.terminateSession();
      await client.close();
    },
  };
});
