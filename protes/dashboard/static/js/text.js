// Text that comes from tasks and servers, made fit to be shown: what would reorder, hide or move it becomes visible.

// C0 and C1 controls but for tab and line feed; marks of direction, zero width, line and paragraph; tags; surrogates.
const HIDDEN = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff" +
    "\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}\\ud800-\\udfff]",
  "gu",
);
const BREAKS = /[\t\n]/g;
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

function code(character) {
  return `⟨${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

// Text of several lines, such as a log; colours of terminals are dropped, line ends of all kinds become one.
export function lines(text) {
  return String(text ?? "").replace(ESCAPES, "").replace(/\r\n?/g, "\n").replace(HIDDEN, code);
}

// Text of one line, such as a name.
export function line(text) {
  return String(text ?? "").replace(HIDDEN, code).replace(BREAKS, " ");
}

// At most `most` characters, with a sign that there is more.
export function short(text, most) {
  const shown = [...line(text)];
  return shown.length > most ? `${shown.slice(0, most - 1).join("")}…` : shown.join("");
}
