// The instances and the counts of tasks, asked for once for all views that show them.
import { getSummary, listInstances } from "./api.js";
import { useEffect } from "./html.js";
import { listen, mode } from "./live.js";
import { observable } from "./observable.js";
import { poll } from "./polling.js";
import { add } from "./samples.js";

const SECONDS = 4;
const SUMMARY_SECONDS = 6;
const SOON = 400;

// {list, error}; without a list nothing is known yet.
export const instances = observable({});

// The gateway's summary; undefined until it is known, null where there is none to be had.
export const summary = observable(undefined);

async function look(signal) {
  try {
    const { instances: list } = await listInstances(signal);
    add(list);
    instances.set({ list });
  } catch (error) {
    if (error.name !== "AbortError") instances.set({ list: instances.get().list, error });
    throw error;
  }
}

async function count(signal) {
  try {
    summary.set(await getSummary(signal));
  } catch (error) {
    if ([403, 404].includes(error.status)) summary.set(null);
    throw error;
  }
}

let users = 0;
let stop;

function begin() {
  const pollings = [poll(look, () => SECONDS), poll(count, () => (mode.get() === "stream" ? SUMMARY_SECONDS : SECONDS))];
  let soon;
  const forget = listen(({ kind }) => {
    if (kind === "task" || kind === "deleted") return;
    clearTimeout(soon);
    soon = setTimeout(pollings[0].now, SOON);
  });
  return () => {
    clearTimeout(soon);
    forget();
    pollings.forEach((each) => each.stop());
  };
}

// Keep both asked for while a component is there.
export function useFederation() {
  useEffect(() => {
    users += 1;
    if (users === 1) stop = begin();
    return () => {
      users -= 1;
      if (users === 0) stop();
    };
  }, []);
}
