// Tasks as rows of a list, newest first: what is kept of each, and how new pages and changes are put in.

// What a row shows; the document itself is not kept, for there may be a hundred thousand.
export function rowOf(task) {
  const log = task.logs?.at(-1);
  const metadata = log?.metadata ?? {};
  return {
    id: task.id,
    state: task.state,
    name: task.name ?? "",
    tags: task.tags ?? {},
    created: task.creation_time,
    started: log?.start_time,
    ended: log?.end_time,
    instance: metadata["protes.instance"],
    weight: metadata["protes.weight"] ?? metadata["protes.value_of_time"],
    cost: metadata["protes.cost"],
    seconds: metadata["protes.seconds"],
  };
}

// Put a new first page in front of the rows that are there; {rows, gap}, where a gap says: older rows were let go,
// since so many tasks are new that some between are missing.
export function withFirstPage(rows, page, more) {
  if (!more) return { rows: page, gap: rows.length > page.length };
  const last = page.at(-1);
  const place = rows.findIndex((row) => row.id <= last.id);
  if (place < 0) return { rows: page, gap: true };
  return { rows: [...page, ...rows.slice(place).filter((row) => row.id < last.id)], gap: false };
}

export function withNextPage(rows, page) {
  const last = rows.at(-1);
  return [...rows, ...(last ? page.filter((row) => row.id < last.id) : page)];
}

// Rows after changes by id; one that is gone, or no longer has the wanted state, leaves. The same array where nothing
// changed.
export function withChanges(rows, changes, wanted) {
  let changed = false;
  const next = [];
  for (const row of rows) {
    const change = changes.get(row.id);
    if (change?.kind === "deleted") changed = true;
    else if (!change?.state || change.state === row.state) next.push(row);
    else {
      changed = true;
      if (!wanted || wanted === change.state) next.push({ ...row, state: change.state });
    }
  }
  return changed ? next : rows;
}

// What was typed into the search field: an id, tags as key=value, and the beginning of a name.
export function parseSearch(text) {
  const found = { id: undefined, tags: [], name: "" };
  const words = text.trim().split(/\s+/).filter(Boolean);
  const name = [];
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals > 0) found.tags.push([word.slice(0, equals), word.slice(equals + 1)]);
    else name.push(word);
  }
  if (words.length === 1 && /^[0-9a-z]{20,40}$/.test(words[0])) found.id = words[0];
  else found.name = name.join(" ");
  return found;
}

export function queryOf(search, state, size, token) {
  return [
    ["view", "BASIC"],
    ["page_size", String(size)],
    ...(state ? [["state", state]] : []),
    ...(search.name ? [["name_prefix", search.name]] : []),
    ...search.tags.flatMap(([key, value]) => [["tag_key", key], ["tag_value", value]]),
    ...(token ? [["page_token", token]] : []),
  ];
}
