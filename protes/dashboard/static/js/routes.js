// The page's own addresses, behind #: a view, an id, and filters as query parameters.

export const VIEWS = ["overview", "tasks", "instances", "new"];

// "#/tasks/01ab?x=1" -> {view: "tasks", id: "01ab", query: {x: "1"}}; what is no address is the overview.
export function parse(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, ...rest] = path.split("/");
  const query = Object.fromEntries(new URLSearchParams(search));
  if (!VIEWS.includes(view)) return { view: "overview", id: undefined, query };
  return { view, id: rest.length ? decoded(rest.join("/")) : undefined, query };
}

export function format(view, id, query = {}) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  const path = view === "overview" ? "" : view + (id ? `/${encodeURIComponent(id)}` : "");
  return `#/${path}${search ? `?${search}` : ""}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text) || undefined;
  } catch {
    return text;
  }
}
