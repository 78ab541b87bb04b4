// What a task wrote, executor by executor, and what servers and the gateway noted.
import { html, useMemo } from "../js/html.js";
import { between, clock, duration } from "../js/format.js";
import { line, lines } from "../js/text.js";
import { CopyButton } from "./copy.js";
import { Empty } from "./notices.js";

const MOST = 200_000;

export function Logs({ task }) {
  const entries = task.logs ?? [];
  if (!entries.length) return html`<${Empty} title="Nothing logged yet">Logs come once an instance has begun.<//>`;
  return entries.map((entry, index) => html`<div key=${index}>
    ${entries.length > 1 && html`<h3>Attempt ${index + 1}</h3>`}
    ${(entry.logs ?? []).map((log, number) => html`<${Executor} key=${number} log=${log} executor=${task.executors?.[number]} number=${number} only=${entry.logs.length === 1} />`)}
    ${entry.system_logs?.length > 0 && html`<${Output} label="System log" text=${entry.system_logs.join("\n")} />`}
    ${!entry.logs?.length && !entry.system_logs?.length && html`<p class="dim">Nothing yet.</p>`}
    ${entry.outputs?.length > 0 && html`<h3>Outputs</h3><ul class="files">${entry.outputs.map((each, place) => html`<li key=${place}><bdi>${line(each.url)}</bdi> <span class="dim">${each.size_bytes && `${line(each.size_bytes)} bytes`}</span></li>`)}</ul>`}
  </div>`);
}

function Executor({ log, executor, number, only }) {
  const code = log.exit_code;
  return html`<section class="executor">
    <p class="executor-head"><strong>${only ? "Executor" : `Executor ${number + 1}`}</strong> <bdi class="dim">${line(executor?.image)}</bdi>
      ${code !== undefined && html`<span class=${`exit ${code === 0 ? "good" : "bad"}`}>exit code ${code}</span>`}
      ${log.start_time && html`<span class="dim">${clock(log.start_time)}${log.end_time && `, ${duration(between(log.start_time, log.end_time))}`}</span>`}</p>
    ${log.stdout && html`<${Output} label="stdout" text=${log.stdout} />`}
    ${log.stderr && html`<${Output} label="stderr" text=${log.stderr} />`}
    ${!log.stdout && !log.stderr && html`<p class="dim">Wrote nothing.</p>`}
  </section>`;
}

function Output({ label, text }) {
  const shown = text.length > MOST ? text.slice(-MOST) : text;
  const fit = useMemo(() => lines(shown), [shown]);
  return html`<div class="output"><div class="output-head"><span>${label}${shown !== text && `, the last ${MOST.toLocaleString("en")} characters`}</span><${CopyButton} text=${text} /></div>
    <pre tabindex="0" aria-label=${label} dir="auto">${fit}</pre></div>`;
}
