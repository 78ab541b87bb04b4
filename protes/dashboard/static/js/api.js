// Calls of the gateway's API, below the same root as this page. Nothing here ever names another host.
import { observable } from "./observable.js";
import { ask, authorization } from "./session.js";

const ROOT = new URL("../../../", import.meta.url);
const TES = "ga4gh/tes/v1";
const PROTES = "protes/v1";

// Whether the gateway answers: {ok, detail}.
export const connection = observable({ ok: true });

export class ApiError extends Error {
  constructor(status, detail, errors = [], retryAfter = undefined) {
    super(detail);
    this.status = status;
    this.errors = errors;
    this.retryAfter = retryAfter;
  }
}

export function url(path, query = []) {
  const target = new URL(path, ROOT);
  for (const [name, value] of query) target.searchParams.append(name, value);
  return target;
}

// Send a request; the response as it is. Raises ApiError 0 where the gateway cannot be reached.
export async function send(method, target, { headers = {}, body, signal } = {}) {
  const own = authorization.get();
  const options = {
    method,
    headers: { Accept: "application/json", ...headers, ...(own ? { Authorization: own } : {}) },
    credentials: "omit", // or the browser would ask for a password itself
    cache: "no-store",
    signal,
  };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(target, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    connection.set({ ok: false, detail: "The gateway does not answer." });
    throw new ApiError(0, "the gateway does not answer");
  }
  if (![502, 504].includes(response.status)) connection.set(connection.get().ok ? connection.get() : { ok: true });
  return response;
}

async function refusal(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // A proxy's page, say; the status says enough.
  }
  const after = Number(response.headers.get("Retry-After"));
  const detail = problem.detail ?? `the gateway answered ${response.status}`;
  if (response.status === 401) ask(response.headers.get("WWW-Authenticate"), detail);
  return new ApiError(response.status, detail, problem.errors, after > 0 ? after : undefined);
}

async function call(method, path, { query = [], ...options } = {}) {
  const response = await send(method, url(path, query), options);
  if (!response.ok) throw await refusal(response);
  return response.json();
}

// A GET that asks only for news: `{document, tag}`, or undefined where nothing has changed since `tag`.
async function fresh(path, query, tag, signal) {
  const headers = tag ? { "If-None-Match": tag } : {};
  const response = await send("GET", url(path, query), { headers, signal });
  if (response.status === 304) return undefined;
  if (!response.ok) throw await refusal(response);
  return { document: await response.json(), tag: response.headers.get("ETag") ?? undefined };
}

const part = encodeURIComponent;

export const listTasks = (query, tag, signal) => fresh(`${TES}/tasks`, query, tag, signal);
export const getTask = (id, tag, signal) => fresh(`${TES}/tasks/${part(id)}`, [["view", "FULL"]], tag, signal);
export const cancelTask = (id) => call("POST", `${TES}/tasks/${part(id)}:cancel`);
export const getRouting = (id, signal) => call("GET", `${PROTES}/tasks/${part(id)}/routing`, { signal });
export const listInstances = (signal) => call("GET", `${PROTES}/instances`, { signal });
export const getSummary = (signal) => call("GET", `${PROTES}/summary`, { signal });
export const askOffers = (task, weight, signal) =>
  call("POST", `${PROTES}/offers`, { body: task, headers: { "X-Protes-Weight": String(weight) }, signal });
export const openEvents = (headers, signal) =>
  send("GET", url(`${PROTES}/events`, [["instances", "true"]]), { headers: { ...headers, Accept: "text/event-stream" }, signal });

export function createTask(task, key) {
  return call("POST", `${TES}/tasks`, { body: task, headers: { "Idempotency-Key": key } });
}

// A key for a submission, the same for its repetitions; crypto.randomUUID is missing where the page came by plain HTTP.
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `dashboard-${[...bytes].map((each) => each.toString(16).padStart(2, "0")).join("")}`;
}
