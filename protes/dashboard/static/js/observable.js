// A value that components follow.
import { useEffect, useState } from "./html.js";

export function observable(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(value);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useObserved(source) {
  const [value, set] = useState(source.get());
  useEffect(() => {
    set(source.get()); // it may have changed since the component was rendered
    return source.listen(set);
  }, [source]);
  return value;
}
