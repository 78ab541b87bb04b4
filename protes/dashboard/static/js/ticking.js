// The time, for what is said relative to it.
import { useEffect, useState } from "./html.js";

const EVERY = 1000;

export function useNow() {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && set(Date.now()), EVERY);
    return () => clearInterval(timer);
  }, []);
  return now;
}
