// One task and how it was placed, for as long as somebody looks at it.
import { getRouting, getTask } from "./api.js";
import { useEffect, useRef, useState } from "./html.js";
import { listen, mode } from "./live.js";
import { usePoll } from "./polling.js";
import { finished } from "./states.js";

const RUNNING_SECONDS = 2;
const STREAMED_SECONDS = 4; // logs grow without a change of state
const ENDED_SECONDS = 60;

// {task, routing, error, routingError, gone}, and a function that reads all again now.
export function useTask(id) {
  const [value, set] = useState({});
  const kept = useRef({});

  async function read(signal) {
    try {
      const news = await getTask(id, kept.current.tag, signal);
      if (!news) {
        set((before) => (before.error ? { ...before, error: undefined } : before));
        return;
      }
      const routing = await getRouting(id, signal).catch((error) => ({ error }));
      kept.current = { tag: news.tag, state: news.document.state };
      set((before) => ({ task: news.document, routing: routing.error ? before.routing : routing, routingError: routing.error }));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      set((before) => (error.status === 404 && before.task ? { ...before, gone: true } : { ...before, error }));
      throw error;
    }
  }

  function seconds() {
    if (finished(kept.current.state)) return ENDED_SECONDS;
    return mode.get() === "stream" ? STREAMED_SECONDS : RUNNING_SECONDS;
  }

  const now = usePoll(read, seconds, [id]);
  useEffect(() => listen((change) => {
    if (change.kind === "reset" || change.id === id) now();
  }), [id]);
  return [value, now];
}
