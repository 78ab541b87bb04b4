// What is said in the place of what cannot be shown.
import { html } from "../js/html.js";
import { line } from "../js/text.js";

export function Empty({ title, children }) {
  return html`<div class="notice"><p class="notice-title">${title}</p>${children && html`<p>${children}</p>`}</div>`;
}

export function Failure({ error, again }) {
  return html`<div class="notice failure" role="alert">
    <p class="notice-title">${error.status === 404 ? "Not found" : "That did not work"}</p>
    <p><bdi>${line(error.message)}</bdi></p>
    ${again && html`<button type="button" class="button" onClick=${again}>Try again</button>`}
  </div>`;
}

// Why what is shown may be old. That the gateway does not answer at all (0) is told at the top of the page already.
export function Stale({ error }) {
  if (error.status === 0) return null;
  return html`<p class="warning" role="alert">This is what was known last: <bdi>${line(error.message)}</bdi></p>`;
}

// Bars of the height of what will stand there, so that nothing moves when it comes.
export function Waiting({ rows = 3, label = "Loading" }) {
  return html`<div class="skeleton" role="status" aria-label=${label}>
    ${Array.from({ length: rows }, (_, index) => html`<div class="skeleton-row" key=${index}></div>`)}
  </div>`;
}
