// Plays a script, which comes on standard input, on a client of one SDK, and prints what each step brought as a line of JSON:
//   {"step": NAME, "result": {...}}, {"step": NAME, "error": {code, message, data}} or {"step": NAME, "unsupported": REASON}
// It judges nothing: what must come is known to the harness alone. The script's form is described in ../README.md.

import { text } from "node:stream/consumers";

/** How long to wait for a notification that is due, in milliseconds. */
const PATIENCE = 5_000;

/**
 * @param {(script: object, heard: (what: string) => void) => Promise<object>} connect connects a client of an SDK; returns the operations below
 */
export async function play(connect) {
  const script = JSON.parse(await text(process.stdin));
  const changes = new Changes();
  const said = (step, what) => console.log(JSON.stringify({ step, ...what }));
  let session;
  try {
    session = await within(script.timeout, connect(script, (what) => changes.heard(what)));
    said("connect", { result: { revision: session.revision, server: session.server } });
  } catch (error) {
    said("connect", { error: told(error) });
    process.exit(0);
  }
  for (const step of script.steps) {
    try {
      said(step.name, await within(script.timeout, perform(session, step, changes)));
    } catch (error) {
      said(step.name, { error: told(error) });
    }
  }
  await within(script.timeout, session.close()).catch((error) => said("close", { error: told(error) }));
  process.exit(0);
}

/** Does one step. */
async function perform(session, step, changes) {
  switch (step.do) {
    case "list":
      return { result: { names: (await session.list(step.of)).map((item) => item.uri ?? item.uriTemplate ?? item.name) } };
    case "call": {
      const progress = [];
      const change = step.awaits && changes.next(step.awaits);
      const result = await session.call(step.tool, step.arguments ?? {}, (told) => progress.push(told));
      if (change) await change;
      return { result, progress };
    }
    case "get":
      return { result: await session.get(step.prompt, step.arguments ?? {}) };
    case "read":
      return { result: await session.read(step.uri) };
    case "complete":
      return { result: (await session.complete(step.ref, step.argument)).completion };
    default:
      return { unsupported: `no operation ${step.do}` };
  }
}

/** Who waits for which notification. */
class Changes {
  #waiting = new Map();

  heard(what) {
    this.#waiting.get(what)?.();
  }

  next(what) {
    const heard = new Promise((resolve) => this.#waiting.set(what, resolve));
    return within(PATIENCE / 1_000, heard, `${what} was not announced`);
  }
}

/** Fails when `promise` takes longer than so many seconds. */
function within(seconds, promise, message = `no answer within ${seconds} s`) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), seconds * 1_000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** An error with what the other side said of it, and its causes. */
function told(error) {
  const messages = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) messages.push(cause.message || cause.code);
  return { code: error.code, message: messages.join(": "), data: error.data };
}
