// Asking again and again, politely: not while nobody looks, later after failures, at once when it may go through again.
import { useEffect, useRef } from "./html.js";
import { authorization } from "./session.js";

const LONGEST = 15;

// Call `run(signal)` now and every `seconds()`; returns {now, stop}.
export function poll(run, seconds) {
  let timer;
  let failures = 0;
  let under;
  let again = false;
  let stopped = false;

  async function turn() {
    clearTimeout(timer);
    if (stopped) return;
    if (under) {
      again = true; // what is under way may have been read before what it is asked again for
      return;
    }
    under = new AbortController();
    try {
      await run(under.signal);
      failures = 0;
    } catch (error) {
      failures += error.name === "AbortError" ? 0 : 1;
    }
    under = undefined;
    if (stopped) return;
    if (again) {
      again = false;
      turn();
    } else if (!document.hidden) {
      timer = setTimeout(turn, 1000 * (failures ? Math.min(LONGEST, 2 ** failures) : seconds()));
    }
  }

  const shown = () => (document.hidden ? clearTimeout(timer) : turn());
  const forget = authorization.listen(turn);
  document.addEventListener("visibilitychange", shown);
  window.addEventListener("online", turn);
  turn();
  return {
    now: turn,
    stop() {
      stopped = true;
      clearTimeout(timer);
      under?.abort();
      forget();
      document.removeEventListener("visibilitychange", shown);
      window.removeEventListener("online", turn);
    },
  };
}

// The same for as long as a component is there; started anew where `inputs` change. Returns a function that asks now.
export function usePoll(run, seconds, inputs) {
  const current = useRef();
  current.run = run;
  current.seconds = seconds;
  useEffect(() => {
    const polling = poll((signal) => current.run(signal), () => current.seconds());
    current.now = polling.now;
    return polling.stop;
  }, inputs);
  return () => current.now?.();
}
