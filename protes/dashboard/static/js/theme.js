// Dark or light: as the system says, until the visitor chooses.
import { observable } from "./observable.js";

const KEY = "protes.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function shown() {
  return document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
}

export const theme = observable(shown());
dark.addEventListener("change", () => theme.set(shown()));

export function toggleTheme() {
  const next = shown() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Then it is chosen for this page alone.
  }
  theme.set(next);
}
