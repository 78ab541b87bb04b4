// The client's document, as it is and as a few words.
import { html } from "../js/html.js";
import { number } from "../js/format.js";
import { line, lines } from "../js/text.js";
import { CopyButton } from "./copy.js";

const SERVER_SET = new Set(["id", "state", "logs", "creation_time"]);

export function documentOf(task) {
  return Object.fromEntries(Object.entries(task).filter(([name]) => !SERVER_SET.has(name)));
}

export function Facts({ task }) {
  const { resources = {}, inputs = [], outputs = [], executors = [], tags = {}, volumes = [] } = task;
  const wants = [
    resources.cpu_cores && `${resources.cpu_cores} ${resources.cpu_cores === 1 ? "core" : "cores"}`,
    resources.ram_gb && `${number(resources.ram_gb)} GB memory`,
    resources.disk_gb && `${number(resources.disk_gb)} GB disk`,
    resources.preemptible && "preemptible",
    ...(resources.zones ?? []),
  ].filter(Boolean);
  return html`<dl class="pairs">
    ${task.description && html`<div><dt>Description</dt><dd><bdi>${line(task.description)}</bdi></dd></div>`}
    <div><dt>Resources</dt><dd>${wants.length ? line(wants.join(", ")) : "not said"}</dd></div>
    <div><dt>${executors.length === 1 ? "Executor" : "Executors"}</dt><dd>${executors.map((each, index) => html`<code class="command" key=${index}><bdi>${line(each.image)}</bdi>: <bdi>${line((each.command ?? []).join(" "))}</bdi></code>`)}</dd></div>
    <${Files} title="Inputs" files=${inputs} />
    <${Files} title="Outputs" files=${outputs} />
    ${volumes.length > 0 && html`<div><dt>Volumes</dt><dd><bdi>${line(volumes.join(", "))}</bdi></dd></div>`}
    ${Object.keys(tags).length > 0 && html`<div><dt>Tags</dt><dd class="tags">${Object.entries(tags).map(([key, value]) => html`<span class="tag" key=${key}><bdi>${line(key)}${value && `=${line(value)}`}</bdi></span>`)}</dd></div>`}
  </dl>`;
}

function Files({ title, files }) {
  if (!files.length) return null;
  return html`<div><dt>${title}</dt><dd><ul class="files">${files.map((each, index) => html`<li key=${index}>
    <bdi>${line(each.url ?? (each.content !== undefined ? "content in the task" : "–"))}</bdi> <span class="dim">${title === "Inputs" ? "to" : "from"} <bdi>${line(each.path)}</bdi></span></li>`)}</ul></dd></div>`;
}

export function Json({ value, label }) {
  const text = JSON.stringify(value, null, 2);
  return html`<div class="output"><div class="output-head"><span>${label}</span><${CopyButton} text=${text} /></div>
    <pre tabindex="0" aria-label=${label}>${lines(text)}</pre></div>`;
}
