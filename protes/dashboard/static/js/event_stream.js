// Server-sent events, read from chunks of text (HTML, section 9.2.6): browsers' own reader cannot send a token.

// Returns a function that takes a chunk and calls `emit({event, data, id})` for each event that is complete, and for an
// id by itself with the event "id": from there a reader goes on.
export function reader(emit) {
  let rest = "";
  let event = "";
  let data = [];
  let id;
  let moved = false;

  function field(line) {
    if (line === "") {
      if (data.length) emit({ event: event || "message", data: data.join("\n"), id });
      else if (moved) emit({ event: "id", data: "", id });
      event = "";
      data = [];
      moved = false;
      return;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") data.push(value);
    else if (name === "event") event = value;
    else if (name === "id" && !value.includes("\0")) {
      id = value;
      moved = true;
    }
  }

  return (chunk) => {
    const text = rest + chunk;
    const parts = text.split(/\r\n|\n|\r(?!$)/);
    rest = parts.pop();
    parts.forEach(field);
  };
}
