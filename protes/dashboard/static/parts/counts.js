// How many tasks there are in each state, as links to them.
import { html } from "../js/html.js";
import { count } from "../js/format.js";
import { format } from "../js/routes.js";
import { FILTERS, taskState } from "../js/states.js";
import { Sign } from "./signs.js";

export function Counts({ summary }) {
  const counted = new Map((summary?.tasks ?? []).map((each) => [each.state, each]));
  return html`<ul class="counts" aria-label="Tasks by state">${FILTERS.map((state) => {
    const { tone, text } = taskState(state);
    const found = counted.get(state);
    return html`<li key=${state}><a class=${`count ${tone}`} href=${format("tasks", undefined, { state })}>
      <span class="count-value">${found ? `${count(found.count)}${found.more ? "+" : ""}` : "–"}</span>
      <span class="count-name"><${Sign} tone=${tone} />${text}</span></a></li>`;
  })}</ul>`;
}
