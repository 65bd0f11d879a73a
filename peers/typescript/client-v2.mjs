// A client of @modelcontextprotocol/client, the second generation of the TypeScript SDK: both eras.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { play } from "./play.mjs";

await play(async (script, heard) => {
  const client = new Client(
    { name: "typescript-v2", version: "2.4.0" },
    {
      capabilities: { elicitation: {}, sampling: {} },
      versionNegotiation: { mode: script.era },
      listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: () => heard("tools") } },
    },
  );
  client.setRequestHandler("elicitation/create", () => script.answers.elicitation);
  client.setRequestHandler("sampling/createMessage", () => script.answers.sampling);
  const options = { requestInit: { headers: script.headers } };
  const url = new URL(script.url);
  const transport =
    script.transport === "sse" ? new SSEClientTransport(url, options) : new StreamableHTTPClientTransport(url, options);
  await client.connect(transport);

  return {
    revision: client.getNegotiatedProtocolVersion(),
    server: client.getServerVersion()?.name,
    list: async (of) =>
      ({
        tools: async () => (await client.listTools()).tools,
        prompts: async () => (await client.listPrompts()).prompts,
        resources: async () => (await client.listResources()).resources,
        resourceTemplates: async () => (await client.listResourceTemplates()).resourceTemplates,
      })[of](),
    call: (name, args, onprogress) => client.callTool({ name, arguments: args }, { onprogress }),
    get: (name, args) => client.getPrompt({ name, arguments: args }),
    read: (uri) => client.readResource({ uri }),
    complete: (ref, argument) => client.complete({ ref, argument }),
    close: async () => {
      if (transport.sessionId) await transport.terminateSession();
      await client.close();
    },
  };
});
