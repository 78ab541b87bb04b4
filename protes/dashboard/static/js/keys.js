// Keys that work everywhere but in fields; `?` lists them.
import { useEffect, useState } from "./html.js";
import { go } from "./router.js";
import { toggleTheme } from "./theme.js";

const WAIT = 1200;
const AFTER_G = { o: "overview", t: "tasks", i: "instances" };

function typing(target) {
  return target.closest?.("input:not([type=range]):not([type=radio]), textarea, select, [contenteditable]");
}

let searchWanted = false;

function focusSearch() {
  const field = document.getElementById("search");
  if (field) return field.focus();
  searchWanted = true;
  return go("tasks");
}

// Whether the search field is to have the focus as soon as it is there; told once.
export function takeSearchWish() {
  const wanted = searchWanted;
  searchWanted = false;
  return wanted;
}

// Returns [whether the list of keys is open, a function that says so].
export function useKeys() {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    let since = 0;
    function pressed(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (typing(event.target)) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      const after = event.timeStamp - since < WAIT && AFTER_G[event.key];
      since = event.key === "g" ? event.timeStamp : 0;
      const action = after ? () => go(after) : { "?": () => setOpen(true), n: () => go("new"), d: toggleTheme, "/": focusSearch }[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    }
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
  return [open, setOpen];
}
