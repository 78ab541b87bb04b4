// A task's way through time: waiting, running, done.
import { html } from "../js/html.js";
import { between, clock, duration } from "../js/format.js";
import { finished } from "../js/states.js";
import { line } from "../js/text.js";
import { useNow } from "../js/ticking.js";

export function Timeline({ task }) {
  const now = useNow();
  const log = task.logs?.at(-1);
  const executors = (log?.logs ?? []).filter((each) => each.start_time);
  const begun = executors[0]?.start_time ?? log?.start_time;
  const ended = log?.end_time ?? executors.at(-1)?.end_time;
  const open = !finished(task.state);
  const until = ended ?? (open ? new Date(now).toISOString() : begun ?? task.creation_time);
  const waited = between(task.creation_time, begun ?? (open ? until : undefined));
  const ran = begun ? between(begun, until) : undefined;
  const all = Math.max((waited ?? 0) + (ran ?? 0), 0.001);
  return html`<div class="timeline">
    <div class="timeline-bar" aria-hidden="true">
      <span class="bar-wait" style=${{ flexGrow: Math.max((waited ?? 0) / all, 0.02) }}></span>
      ${ran !== undefined && html`<span class=${open ? "bar-run open" : "bar-run"} style=${{ flexGrow: Math.max(ran / all, 0.02) }}></span>`}
    </div>
    <dl class="figures"><div><dt>Created</dt><dd><time datetime=${task.creation_time} title=${task.creation_time}>${clock(task.creation_time)}</time></dd></div>
      <div><dt>Before it ran</dt><dd>${duration(shownSeconds(waited, !begun && open))}</dd></div>
      <div><dt>${open ? "Running for" : "Ran"}</dt><dd>${duration(shownSeconds(ran, open))}</dd></div>
      <div><dt>Instance</dt><dd><bdi>${line(log?.metadata?.["protes.instance"] ?? "–")}</bdi></dd></div>
      <div><dt>Expected cost</dt><dd>${line(log?.metadata?.["protes.cost"] ?? "–")}</dd></div></dl>
  </div>`;
}

// What still grows is told in whole seconds, which do not flicker.
function shownSeconds(value, growing) {
  return value === undefined ? undefined : growing ? Math.max(0, Math.floor(value)) : Math.max(0, value);
}
