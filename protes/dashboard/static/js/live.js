// Changes of tasks as the gateway tells them, one stream for the whole page; without it, pages ask more often.
import { openEvents } from "./api.js";
import { reader } from "./event_stream.js";
import { observable } from "./observable.js";
import { authorization } from "./session.js";

const RETRY_SECONDS = 2;
const LONGEST_SECONDS = 30;
const WITHOUT_SECONDS = 300;

// "connecting", "stream", or "polling" where there is no stream to be had.
export const mode = observable("connecting");

const listeners = new Set();
let last;
let current;

// Have `listener(change)` called for each event: {kind: "task", id, state, ...}, {kind: "deleted", id},
// {kind: "instance", id, state}; and {kind: "reset"} where some may have been missed and all is to be read again.
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(change) {
  for (const listener of [...listeners]) listener(change);
}

// What an event says (docs/events.md), or undefined where it says nothing to a page.
export function changeOf({ event, data }) {
  if (event === "ready" || event === "reset") return { kind: "reset" };
  if (!["task", "deleted", "instance"].includes(event)) return undefined;
  try {
    const said = JSON.parse(data);
    return typeof said.id === "string" ? { ...said, kind: event } : undefined;
  } catch {
    return undefined;
  }
}

function heard(event) {
  if (event.id !== undefined) last = event.id;
  const change = changeOf(event);
  if (change) tell(change);
}

async function follow(signal) {
  const response = await openEvents(last ? { "Last-Event-ID": last } : {}, signal);
  if (!response.ok || !(response.headers.get("Content-Type") ?? "").startsWith("text/event-stream")) {
    response.body?.cancel();
    const after = Number(response.headers.get("Retry-After"));
    return { stream: false, wait: after || (response.status === 503 ? LONGEST_SECONDS : WITHOUT_SECONDS) };
  }
  mode.set("stream");
  const read = reader(heard);
  const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let chunk = await chunks.read(); !chunk.done; chunk = await chunks.read()) read(chunk.value);
  return { stream: true, wait: RETRY_SECONDS / 4 };
}

async function run(signal) {
  let failures = 0;
  while (!signal.aborted) {
    let wait;
    try {
      const ended = await follow(signal);
      wait = ended.wait;
      failures = 0;
      if (!ended.stream) mode.set("polling");
    } catch {
      if (signal.aborted) return;
      failures += 1;
      mode.set("polling");
      wait = Math.min(LONGEST_SECONDS, RETRY_SECONDS * failures);
    }
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
}

function restart() {
  current?.abort();
  current = new AbortController();
  run(current.signal);
}

// Begin, once; again as whoever signs in, and not while nobody looks, for each stream holds a thread of the gateway.
export function start() {
  restart();
  authorization.listen(restart);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) current?.abort();
    else restart();
  });
}
