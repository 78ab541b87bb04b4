// Offers as a table, best first at the weight, and the instances that would not take the task, with their reasons.
import { html } from "../js/html.js";
import { duration, money } from "../js/format.js";
import { line } from "../js/text.js";
import { Own } from "./signs.js";

export function OffersTable({ ranked, front, placed, lit, onLit, action }) {
  return html`<div class="scroll"><table class="table">
    <caption class="unseen">Offers, best first at this weight</caption>
    <thead><tr><th scope="col" class="wide">#</th><th scope="col">Instance</th><th scope="col" class="figure">Cost</th><th scope="col" class="figure">Time</th>
      <th scope="col" class="figure wide" title="By how much it is dearer and slower than the best, weighed; 0 is the ideal">Excess</th><th scope="col" class="wide">Where from</th>${action && html`<th scope="col"><span class="unseen">Run</span></th>`}</tr></thead>
    <tbody>${ranked.map((each, index) => html`<tr key=${each.instance} class=${each.instance === lit ? "lit" : ""}
        onMouseEnter=${() => onLit?.(each.instance)} onMouseLeave=${() => onLit?.(undefined)}>
      <td class="dim wide">${index + 1}</td>
      <th scope="row"><${Own} text=${each.instance} />
        ${index === 0 && html`<span class="tag strong">wins</span>`}
        ${each.instance === placed && html`<span class="tag">ran here</span>`}
        ${!front.has(each.instance) && html`<span class="tag faint" title="Another offer is at least as cheap and as fast">beaten</span>`}</th>
      <td class="figure">${money(each.entry.cost.amount, each.entry.cost.currency)}</td>
      <td class="figure"><${Time} entry=${each.entry} /></td>
      <td class="figure wide">${each.at.toFixed(2)}</td>
      <td class="wide dim" title=${notes(each.entry)}>${each.entry.basis ?? "–"}${each.entry.imputed?.length ? ", imputed" : ""}</td>
      ${action && html`<td class="figure">${action(each)}</td>`}
    </tr>`)}</tbody>
  </table></div>`;
}

function notes(entry) {
  const bases = Object.entries(entry.bases ?? {}).map(([name, basis]) => `${name}: ${basis}`);
  return line([...bases, ...(entry.notes ?? [])].join(" · "));
}

function Time({ entry }) {
  const parts = Object.entries({ queue: "wait", stage_in: "stage in", run: "run", stage_out: "stage out" })
    .filter(([name]) => entry.times?.[name] > 0)
    .map(([name, word]) => `${word} ${duration(entry.times[name])}`);
  return html`<span title=${parts.join(" + ")}>${duration(entry.seconds)}</span>`;
}

// Offers that say too little to lie on the plane.
export function Unplaced({ entries }) {
  if (!entries.length) return null;
  return html`<p class="dim">Without cost or time: ${entries.map((each, index) => html`${index > 0 && ", "}<${Own} text=${each.instance} />`)}.</p>`;
}

export function Refused({ entries }) {
  if (!entries.length) return null;
  return html`<h3>Left out</h3><ul class="reasons">${entries.map((each) => html`<li key=${each.instance}>
    <${Own} class="strong" text=${each.instance} />
    <bdi>${line(each.reason?.text)}</bdi>
    <span class="dim">${each.reason?.permanent ? "never possible" : "for now"}</span></li>`)}</ul>`;
}
