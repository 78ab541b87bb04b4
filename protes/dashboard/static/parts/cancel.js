// Cancelling, with a second thought.
import { html, useEffect, useRef, useState } from "../js/html.js";
import { cancelTask } from "../js/api.js";
import { line } from "../js/text.js";

export function CancelButton({ id, onDone }) {
  const [step, set] = useState("idle");
  const [error, setError] = useState();
  const yes = useRef();
  useEffect(() => {
    if (step === "asked") yes.current.focus();
  }, [step]);
  async function cancel() {
    set("sent");
    setError(undefined);
    try {
      await cancelTask(id);
      set("done");
      onDone();
    } catch (failure) {
      setError(failure);
      set("idle");
    }
  }
  if (step === "done") return html`<span class="dim" role="status">Cancelling …</span>`;
  if (step === "idle") {
    return html`<button type="button" class="button" onClick=${() => set("asked")}>Cancel task</button>
      ${error && html`<span class="error-text" role="alert">${line(error.message)}</span>`}`;
  }
  return html`<span class="ask" role="group" aria-label="Cancel this task?">Cancel this task?
    <button type="button" class="button danger" ref=${yes} disabled=${step === "sent"} onClick=${cancel}>Yes, cancel</button>
    <button type="button" class="button" disabled=${step === "sent"} onClick=${() => set("idle")}>Keep it</button></span>`;
}
