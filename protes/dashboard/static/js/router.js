// Where the visitor is.
import { observable } from "./observable.js";
import { format, parse } from "./routes.js";

export const route = observable(parse(location.hash));

addEventListener("hashchange", () => route.set(parse(location.hash)));

export function go(view, id, query) {
  location.hash = format(view, id, query);
}

// Put another address in the place of this one, without a step in the history: filters change with each letter.
export function replace(view, id, query) {
  history.replaceState(null, "", format(view, id, query));
  route.set(parse(location.hash));
}
