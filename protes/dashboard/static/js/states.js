// Task states and instance states: words, colours (a class of style/states.css), signs, and what they group to.

export const TASK_STATES = {
  QUEUED: { text: "Queued", tone: "waiting" },
  INITIALIZING: { text: "Initializing", tone: "starting" },
  RUNNING: { text: "Running", tone: "running" },
  PAUSED: { text: "Paused", tone: "waiting" },
  CANCELING: { text: "Canceling", tone: "waiting" },
  COMPLETE: { text: "Complete", tone: "good" },
  EXECUTOR_ERROR: { text: "Executor error", tone: "bad" },
  SYSTEM_ERROR: { text: "System error", tone: "broken" },
  CANCELED: { text: "Canceled", tone: "ended" },
  PREEMPTED: { text: "Preempted", tone: "broken" },
  UNKNOWN: { text: "Unknown", tone: "waiting" },
};

export const INSTANCE_STATES = {
  ok: { text: "Healthy", tone: "good", says: "takes tasks" },
  unprobed: { text: "Not probed yet", tone: "waiting", says: "waits for its first probe" },
  unreachable: { text: "Unreachable", tone: "bad", says: "does not answer" },
  ejected: { text: "Ejected", tone: "broken", says: "is left out for a while" },
  draining: { text: "Draining", tone: "starting", says: "finishes what it has, and takes nothing new" },
  retired: { text: "Retired", tone: "ended", says: "has left the federation, with tasks that are still followed" },
};

const FINISHED = new Set(["COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED", "PREEMPTED"]);

// States in the order in which a person looks for them; those of TES 1.1 alone are shown where the gateway has them.
export const FILTERS = ["QUEUED", "INITIALIZING", "RUNNING", "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"];

export function finished(state) {
  return FINISHED.has(state);
}

export function taskState(state) {
  return TASK_STATES[state] ?? { text: String(state), tone: "waiting" };
}

export function instanceState(state) {
  return INSTANCE_STATES[state] ?? { text: String(state), tone: "waiting", says: "" };
}
