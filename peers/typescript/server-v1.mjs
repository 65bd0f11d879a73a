// A server of @modelcontextprotocol/sdk that offers what ../contract.json names: the revisions with a handshake at /mcp, HTTP+SSE at /sse.
//   node server-v1.mjs
// It says `ready URL` when it listens, on a port that was free.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { completable } from "@modelcontextprotocol/sdk/server/completable.js";
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { isInitializeRequest, McpError } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";

const text = (text) => ({ content: [{ type: "text", text }] });

/** The servers of the sessions that are open. */
const open = new Set();

/** A server for one session. */
function offer() {
  const server = new McpServer(
    { name: "typescript-v1", version: "1.32.2" },
    { instructions: "Ask for the weather, or book a table.", capabilities: { tools: { listChanged: true } } },
  );
  server.registerTool(
    "weather",
    {
      title: "Weather",
      description: "Says how the weather is in a city.",
      inputSchema: { city: z.string() },
      outputSchema: { city: z.string(), celsius: z.number() },
    },
    ({ city }) => {
      const structuredContent = { city, celsius: 4.5 };
      return { ...text(JSON.stringify(structuredContent)), structuredContent };
    },
  );
  server.registerTool("report", { description: "Writes a report, and says how far it is." }, async (extra) => {
    for (const [index, message] of ["collected", "written", "checked"].entries()) {
      const progressToken = extra._meta?.progressToken;
      if (progressToken !== undefined) {
        const params = { progressToken, progress: index + 1, total: 3, message };
        await extra.sendNotification({ method: "notifications/progress", params });
      }
      await sleep(20);
    }
    return text("The report is done.");
  });
  server.registerTool("book", { description: "Books a table for the guest whom the user names." }, async (extra) => {
    const requestedSchema = { type: "object", properties: { name: { type: "string" } }, required: ["name"] };
    const guest = await server.server.elicitInput(
      { mode: "form", message: "For whom?", requestedSchema },
      { relatedRequestId: extra.requestId },
    );
    return text(`${guest.action}: ${guest.content?.name ?? ""}`);
  });
  server.registerTool(
    "summarize",
    { description: "Lets the client's model summarize a text.", inputSchema: { text: z.string() } },
    async (args, extra) => {
      const messages = [{ role: "user", content: { type: "text", text: args.text } }];
      const words = await server.server.createMessage({ messages, maxTokens: 20 }, { relatedRequestId: extra.requestId });
      return text(`Summary: ${words.content.text}`);
    },
  );
  server.registerTool("fail", { description: "Always fails." }, () => ({ ...text("The kitchen is closed."), isError: true }));
  server.registerTool("refuse", { description: "Is always refused." }, () => {
    throw new McpError(-31050, "not today", { until: "tomorrow" });
  });
  server.registerTool("renew", { description: "Announces to all sessions that the list of tools has changed." }, async () => {
    await Promise.allSettled([...open].map((other) => other.server.sendToolListChanged()));
    return text("It is announced.");
  });
  server.registerPrompt(
    "greeting",
    {
      description: "Greets somebody.",
      argsSchema: { name: completable(z.string(), (begun) => ["Ada", "Alan"].filter((name) => name.startsWith(begun))) },
    },
    ({ name }) => ({ messages: [{ role: "user", content: { type: "text", text: `Say good morning to ${name}.` } }] }),
  );
  server.registerResource("today", "notes://today", { mimeType: "text/plain" }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: "text/plain", text: "Buy bread." }],
  }));
  server.registerResource(
    "day",
    new ResourceTemplate("notes://{day}", { list: undefined }),
    { mimeType: "text/plain" },
    (uri, { day }) => ({ contents: [{ uri: uri.href, mimeType: "text/plain", text: `Nothing on ${day}.` }] }),
  );
  open.add(server);
  server.server.onclose = () => open.delete(server);
  return server;
}

const app = createMcpExpressApp();
const streamable = new Map();
const sse = new Map();

app.all("/mcp", async (request, response) => {
  const known = streamable.get(request.headers["mcp-session-id"]);
  if (known) return known.handleRequest(request, response, request.body);
  if (request.method !== "POST" || !isInitializeRequest(request.body)) {
    return response.status(404).json({ jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } });
  }
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => streamable.set(id, transport),
    onsessionclosed: (id) => streamable.delete(id),
  });
  await offer().connect(transport);
  return transport.handleRequest(request, response, request.body);
});

app.get("/sse", async (_request, response) => {
  const transport = new SSEServerTransport("/messages", response);
  sse.set(transport.sessionId, transport);
  response.on("close", () => sse.delete(transport.sessionId));
  await offer().connect(transport);
});

app.post("/messages", async (request, response) => {
  const transport = sse.get(request.query.sessionId);
  if (!transport) return response.status(404).end();
  return transport.handlePostMessage(request, response, request.body);
});

const listener = app.listen(0, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${listener.address().port}`));
