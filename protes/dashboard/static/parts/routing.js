// Why a task runs where it runs.
import { html, useState } from "../js/html.js";
import { summary } from "../js/federation.js";
import { clock, duration } from "../js/format.js";
import { useObserved } from "../js/observable.js";
import { line } from "../js/text.js";
import { Choice } from "./choice.js";
import { floorsOf } from "./floors.js";
import { Empty, Failure, Waiting } from "./notices.js";
import { Own } from "./signs.js";

const NAMED = { cost: 0, time: 1 };

export function Routing({ routing, error }) {
  if (!routing) return error ? html`<${Failure} error=${error} />` : html`<${Waiting} rows="6" label="Loading the routing" />`;
  if (!routing.candidates.length) return html`<${Empty} title="Not placed yet">No instance has been chosen so far.<//><${Steps} routing=${routing} />`;
  return html`<${Picture} key=${routing.attempts.length} routing=${routing} /><${Estimate} outcome=${routing.outcome} /><${Attempts} attempts=${routing.attempts} /><${Steps} routing=${routing} />`;
}

function Picture({ routing }) {
  const told = useObserved(summary);
  const own = NAMED[routing.weight] ?? (Number.isFinite(Number(routing.weight)) && !routing.value_of_time ? Number(routing.weight) : undefined);
  const [weight, setWeight] = useState(own ?? 0.5);
  return html`<p class="dim carrier">${routing.value_of_time ? html`Time is worth <bdi>${line(routing.value_of_time)}</bdi>` : html`Weight <strong>${line(routing.weight)}</strong>`}, ${CARRIERS[routing.carrier] ?? line(routing.carrier)}.
      ${routing.omitted > 0 && ` ${routing.omitted} more offers are not listed.`}</p>
    <${Choice} entries=${routing.candidates} own=${own} weight=${weight} onWeight=${setWeight} floors=${floorsOf(told)} placed=${routing.chosen} label="If the weight were" />`;
}

const CARRIERS = {
  tag: "from a tag of the task", backend_parameter: "from a backend parameter of the task", header: "from a header of the request",
  url: "from the URL that it was sent to", profile: "from a profile", default: "by default",
};

function Estimate({ outcome }) {
  if (!outcome) return null;
  const row = (name, text) => html`<tr><th scope="row">${text}</th><td class="figure">${duration(outcome.estimated?.[name])}</td><td class="figure">${duration(outcome.actual?.[name])}</td></tr>`;
  return html`<h3>Estimated and actual</h3><div class="scroll"><table class="table narrow"><thead><tr><th scope="col"><span class="unseen">Part</span></th><th scope="col" class="figure">Estimated</th><th scope="col" class="figure">Actual</th></tr></thead>
    <tbody>${row("queue", "Wait")}${row("run", "Run")}${row("total", "Altogether")}</tbody></table></div>`;
}

function Attempts({ attempts }) {
  if (!attempts.length) return null;
  return html`<h3>Attempts</h3><ol class="attempts">${attempts.map((each) => html`<li key=${each.n}>
    <${Own} class="strong" text=${each.instance} /> <span class="tag">${line(each.phase).toLowerCase()}</span> <span class="dim">${clock(each.intended_at)}</span>
    ${each.instance_task_id && html` <span class="id">${line(each.instance_task_id)}</span>`}
    ${each.message && html`<br /><bdi>${line(each.message)}</bdi>`}</li>`)}</ol>`;
}

function Steps({ routing }) {
  if (!routing.trace.length) return null;
  return html`<details class="steps"><summary>What each step of the chain did</summary><ol class="attempts">${routing.trace.map((each, index) => html`<li key=${index}>
    <strong>${line(each.step)}</strong> <span class="tag faint">${line(each.outcome)}</span>${each.instance && html` <bdi>${line(each.instance)}</bdi>`} <bdi class="dim">${line(each.text)}</bdi></li>`)}</ol></details>`;
}
