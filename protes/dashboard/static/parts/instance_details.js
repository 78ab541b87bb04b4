// All that is known of one instance, by its headings.
import { html } from "../js/html.js";
import { clock } from "../js/format.js";
import { line } from "../js/text.js";

const YES = { true: "yes", false: "no" };

export function InstanceDetails({ instance }) {
  const { health = {}, limits = {}, capabilities = {}, prices = {} } = instance;
  return html`<div class="details">
    <${Group} title="Service" entries=${[["Id", instance.id], ["Address", instance.url], ["Storage it names", instance.storage], ["Registries", instance.registries],
      ["Zone", instance.zone], ["Staging", instance.staging], ["Last probe", moment(instance.last_probe)], ["Last heard", moment(instance.last_heard)]]} />
    <${Group} title="Health" entries=${healthOf(health)} none="Nothing is amiss." />
    <${Group} title="Prices" entries=${Object.entries(prices).map(([name, value]) => [words(name), value])} none="Unknown." />
    <${Group} title="Limits" entries=${Object.entries(limits).map(([name, value]) => [words(name), value])} none="None declared." />
    <${Group} title="What its kind of server can do" entries=${Object.entries(capabilities).map(([name, value]) => [words(name), YES[value] ?? value])} />
  </div>`;
}

function healthOf(health) {
  const { ejection } = health;
  return [
    ["Left out because", ejection?.reason], ["Left out since", moment(ejection?.since)], ["Let in again", moment(ejection?.until)],
    ["Times in a row", ejection?.times], ["Has tasks nevertheless", health.let_in], ["Failed answers in a row", health.gateway_failures],
    ["Failed connections in a row", health.local_origin_failures], ["Failed probes in a row", health.failed_probes],
    ["Learned limit of tasks at once", health.learned_limit],
  ];
}

function Group({ title, entries, none }) {
  const said = entries.filter(([, value]) => value !== undefined && value !== "" && !(Array.isArray(value) && !value.length));
  if (!said.length && !none) return null;
  return html`<section><h3>${title}</h3>${said.length
    ? html`<dl class="pairs">${said.map(([name, value]) => html`<div key=${name}><dt>${line(name)}</dt><dd><bdi>${line(Array.isArray(value) ? value.join(", ") : value)}</bdi></dd></div>`)}</dl>`
    : html`<p class="dim">${none}</p>`}</section>`;
}

const moment = (value) => (value ? clock(value) : undefined);
const words = (name) => name.replaceAll("_", " ");

