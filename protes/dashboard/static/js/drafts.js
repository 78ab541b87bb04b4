// The task that is being written: what stands in the form at first, and how text becomes a task. Pure.

export const EXAMPLE = {
  name: "hello",
  resources: { cpu_cores: 1, ram_gb: 1 },
  executors: [{ image: "alpine", command: ["sh", "-c", "echo hello from $(hostname)"] }],
  tags: { "protes.runtime_seconds": "60" },
};

const CHOOSING = ["protes.weight", "protes.value_of_time", "protes.offer"];

export function written(task) {
  return JSON.stringify(task, null, 2);
}

// {task} or {error}: a sentence that says where the text is no JSON, by line where the browser tells.
export function read(text) {
  let task;
  try {
    task = JSON.parse(text);
  } catch (error) {
    return { error: `This is not JSON: ${where(error.message, text)}` };
  }
  if (task === null || typeof task !== "object" || Array.isArray(task)) return { error: "A task is a JSON object, in braces." };
  return { task };
}

function where(message, text) {
  const place = /position (\d+)/.exec(message);
  if (!place || /line \d+/.test(message)) return message;
  const before = text.slice(0, Number(place[1])).split("\n");
  return `${message} (line ${before.length}, column ${before.at(-1).length + 1})`;
}

// The task without what chooses, so that the form does; a tag would go before the form's weight.
export function withoutChoice(task) {
  if (!task.tags || typeof task.tags !== "object") return task;
  const tags = Object.fromEntries(Object.entries(task.tags).filter(([key]) => !CHOOSING.includes(key)));
  return { ...task, tags };
}

// The weight in the tags, where it is one.
export function weightOf(task) {
  const said = { cost: 0, time: 1 }[task?.tags?.["protes.weight"]] ?? task?.tags?.["protes.weight"];
  const weight = Number(said);
  return said !== undefined && said !== "" && weight >= 0 && weight <= 1 ? weight : undefined;
}

export function weighed(task, weight) {
  return { ...withoutChoice(task), tags: { ...withoutChoice(task).tags, "protes.weight": grammar(weight) } };
}

export function taken(task, offer) {
  return { ...withoutChoice(task), tags: { ...withoutChoice(task).tags, "protes.offer": offer } };
}

// A weight as the gateway takes it: 0, 1, or 0. and digits.
export function grammar(weight) {
  return weight <= 0 ? "0" : weight >= 1 ? "1" : String(Number(weight.toFixed(2)));
}
