// Instances as cards: what they do, what they cost, and what has been learned of them.
import { html } from "../js/html.js";
import { duration, money, number, percent } from "../js/format.js";
import { of as samplesOf } from "../js/samples.js";
import { line } from "../js/text.js";
import { InstancePill, Own } from "./signs.js";
import { Spark } from "./spark.js";

export function InstanceCard({ instance, more, level = 3 }) {
  const Heading = `h${level}`;
  const { figures = {}, prices = {} } = instance;
  return html`<article class="card instance" aria-labelledby=${`instance-${instance.id}`}>
    <header class="instance-head">
      <${Heading} class="instance-name" id=${`instance-${instance.id}`}><a href=${`#/instances/${encodeURIComponent(instance.id)}`}><${Own} text=${instance.name || instance.id} /></a><//>
      <${InstancePill} state=${instance.state} />
    </header>
    <div class="instance-now">
      <div><span class="big">${instance.tasks_in_flight}</span><span class="dim">${instance.max_in_flight ? ` of ${instance.max_in_flight}` : ""} in flight${instance.tasks_queued ? `, ${instance.tasks_queued} waiting` : ""}</span></div>
      <${Spark} samples=${samplesOf(instance.id)} label=${`Tasks in flight at ${line(instance.name)} while this page is open`} />
    </div>
    <dl class="figures">
      <${Figure} name="Price" value=${price(prices)} title="Per core and hour" />
      <${Figure} name="Speed" value=${figures.speed ? `${number(figures.speed.value)} ×` : instance.speed ? `${number(instance.speed)} ×` : "–"} basis=${figures.speed?.basis} title="Against the reference" />
      <${Figure} name="Wait" value=${duration(figures.queue_seconds?.value ?? instance.queue_seconds)} basis=${figures.queue_seconds?.basis} title=${spread(figures.queue_seconds) || "Before a task starts"} />
      <${Figure} name="Failures" value=${percent(figures.failure_rate?.value)} basis=${figures.failure_rate?.basis} title="Share of tasks that fail" />
    </dl>
    <p class="instance-foot dim">${instance.dialect && line(instance.dialect)}${instance.version && html` ${line(instance.version)}`}${instance.zone && html` · ${line(instance.zone)}`} · ${line(instance.source)}</p>
    ${instance.last_error && html`<p class="instance-error"><bdi>${line(instance.last_error)}</bdi></p>`}
    ${more}
  </article>`;
}

function Figure({ name, value, basis, title }) {
  return html`<div title=${title}><dt>${name}</dt><dd>${value}${basis === "learned" && html`<span class="learned" title="Learned from tasks that ran there">learned</span>`}</dd></div>`;
}

function spread(figure) {
  return figure?.low === undefined ? "" : `In 80 of 100 cases ${duration(figure.low)} to ${duration(figure.high)}`;
}

function price(prices) {
  if (prices.cpu_core_hour !== undefined) return `${money(prices.cpu_core_hour, prices.currency)}/core h`;
  if (prices.per_task !== undefined) return `${money(prices.per_task, prices.currency)}/task`;
  if (prices.vm_hour_usd !== undefined) return `${money(prices.vm_hour_usd, "USD")}/h`;
  return "–";
}
