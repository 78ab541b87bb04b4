// A button that copies; where the browser forbids it (pages by plain HTTP from elsewhere), it is not there.
import { html, useState } from "../js/html.js";

const SAID = 1500;

export function CopyButton({ text, label = "Copy" }) {
  const [done, set] = useState(false);
  if (!navigator.clipboard) return null;
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      set(true);
      setTimeout(() => set(false), SAID);
    } catch {
      // Not allowed; the text can be selected.
    }
  }
  return html`<button type="button" class="link" onClick=${copy}>${done ? "Copied" : label}</button>`;
}
