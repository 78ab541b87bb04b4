// A task in a list.
import { html } from "../js/html.js";
import { ago, between, clock, duration } from "../js/format.js";
import { format } from "../js/routes.js";
import { finished } from "../js/states.js";
import { line } from "../js/text.js";
import { Own, TaskPill } from "./signs.js";

export const COLUMNS = ["State", "Task", "Instance", "Weight", "Cost", "Ran", "Created"];
const SHOWN_TAGS = 2;

// In a table that is walked by arrow keys the row has the focus; elsewhere (`plain`) its link.
export function TaskRow({ row, index, now, focused, top, onFocus, plain }) {
  const style = top === undefined ? undefined : { transform: `translateY(${top}px)` };
  return html`<div role="row" class="task-row" aria-rowindex=${index + 2} tabindex=${plain ? undefined : focused ? 0 : -1} data-id=${row.id} style=${style} onFocus=${onFocus}>
    <div role="cell" class="c-state"><${TaskPill} state=${row.state} /></div>
    <div role="cell" class="c-task"><a href=${format("tasks", row.id)} tabindex=${plain ? undefined : -1}><${Own} class="name" text=${row.name || "unnamed"} title=${row.name} /></a>
      <${Tags} tags=${row.tags} /><span class="id">${line(row.id)}</span></div>
    <div role="cell" class="c-instance">${row.instance ? html`<${Own} text=${row.instance} />` : html`<span class="dim">–</span>`}</div>
    <div role="cell" class="c-weight figure">${row.weight ? line(row.weight) : "–"}</div>
    <div role="cell" class="c-cost figure">${row.cost ? line(row.cost) : "–"}</div>
    <div role="cell" class="c-ran figure">${ran(row, now)}</div>
    <div role="cell" class="c-created figure"><time datetime=${row.created} title=${clock(row.created)}>${ago(row.created, now)}</time></div>
  </div>`;
}

function ran(row, now) {
  if (row.started && row.ended) return duration(between(row.started, row.ended));
  return row.started && !finished(row.state) ? `${duration(Math.floor((now - Date.parse(row.started)) / 1000))} …` : "–";
}

function Tags({ tags }) {
  const own = Object.entries(tags).filter(([key]) => !key.startsWith("protes."));
  return own.slice(0, SHOWN_TAGS).map(([key, value]) => html`<span key=${key} class="tag"><bdi>${line(key)}${value && `=${line(value)}`}</bdi></span>`);
}

export function TaskHead() {
  return html`<div role="row" class="task-row task-head" aria-rowindex="1">${COLUMNS.map((each) => html`<div role="columnheader" key=${each}
    class=${`c-${each.toLowerCase()}${["Weight", "Cost", "Ran", "Created"].includes(each) ? " figure" : ""}`}>${each}</div>`)}</div>`;
}
