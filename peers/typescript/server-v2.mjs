// A server of @modelcontextprotocol/server that offers what ../contract.json names: both eras at /mcp, the older one without sessions.
//   node server-v2.mjs
// It says `ready URL` when it listens, on a port that was free.

import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

import { toNodeHandler } from "@modelcontextprotocol/node";
import { completable, createMcpHandler, inputRequired, McpServer, ProtocolError, ResourceTemplate } from "@modelcontextprotocol/server";
import { z } from "zod";

const text = (text) => ({ content: [{ type: "text", text }] });

/** A server for one request. */
function offer() {
  const server = new McpServer(
    { name: "typescript-v2", version: "2.4.0" },
    { instructions: "Ask for the weather, or book a table.", capabilities: { tools: { listChanged: true } } },
  );
  server.registerTool(
    "weather",
    {
      title: "Weather",
      description: "Says how the weather is in a city.",
      inputSchema: z.object({ city: z.string() }),
      outputSchema: z.object({ city: z.string(), celsius: z.number() }),
    },
    ({ city }) => {
      const structuredContent = { city, celsius: 4.5 };
      return { ...text(JSON.stringify(structuredContent)), structuredContent };
    },
  );
  server.registerTool("report", { description: "Writes a report, and says how far it is." }, async (context) => {
    const { progressToken } = context.mcpReq._meta ?? {};
    for (const [index, message] of ["collected", "written", "checked"].entries()) {
      if (progressToken !== undefined) {
        const params = { progressToken, progress: index + 1, total: 3, message };
        await context.mcpReq.notify({ method: "notifications/progress", params });
      }
      await sleep(20);
    }
    return text("The report is done.");
  });
  server.registerTool("book", { description: "Books a table for the guest whom the user names." }, (context) => {
    const guest = context.mcpReq.inputResponses?.guest;
    if (guest) return text(`${guest.action}: ${guest.content?.name ?? ""}`);
    const requestedSchema = { type: "object", properties: { name: { type: "string" } }, required: ["name"] };
    return inputRequired({ inputRequests: { guest: inputRequired.elicit({ message: "For whom?", requestedSchema }) } });
  });
  server.registerTool(
    "summarize",
    { description: "Lets the client's model summarize a text.", inputSchema: z.object({ text: z.string() }) },
    (args, context) => {
      const words = context.mcpReq.inputResponses?.words;
      if (words) return text(`Summary: ${words.content.text}`);
      const messages = [{ role: "user", content: { type: "text", text: args.text } }];
      return inputRequired({ inputRequests: { words: inputRequired.createMessage({ messages, maxTokens: 20 }) } });
    },
  );
  server.registerTool("fail", { description: "Always fails." }, () => ({ ...text("The kitchen is closed."), isError: true }));
  server.registerTool("refuse", { description: "Is always refused." }, () => {
    throw new ProtocolError(-31050, "not today", { until: "tomorrow" });
  });
  server.registerTool("renew", { description: "Announces that the list of tools has changed." }, () => {
    handler.notify.toolsChanged();
    return text("It is announced.");
  });
  server.registerPrompt(
    "greeting",
    {
      description: "Greets somebody.",
      argsSchema: z.object({
        name: completable(z.string(), (begun) => ["Ada", "Alan"].filter((name) => name.startsWith(begun))),
      }),
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
  return server;
}

const handler = createMcpHandler(offer);
const serve = toNodeHandler(handler);
const listener = createServer((request, response) => {
  if (new URL(request.url, "http://localhost").pathname === "/mcp") return serve(request, response);
  return response.writeHead(404).end();
});
listener.listen(0, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${listener.address().port}`));
