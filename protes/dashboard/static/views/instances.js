// All instances: those that need somebody first.
import { html } from "../js/html.js";
import { instances, useFederation } from "../js/federation.js";
import { useObserved } from "../js/observable.js";
import { InstanceCard } from "../parts/instance_rows.js";
import { InstanceDetails } from "../parts/instance_details.js";
import { Empty, Failure, Stale, Waiting } from "../parts/notices.js";

const ORDER = ["ejected", "unreachable", "unprobed", "draining", "ok", "retired"];

export function sorted(list) {
  const place = (each) => (ORDER.indexOf(each.state) + 1 || ORDER.length + 1);
  return [...list].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name, "en"));
}

export function Instances({ open }) {
  useFederation();
  const { list, error } = useObserved(instances);
  const healthy = list?.filter((each) => each.state === "ok").length;
  const chosen = list?.find((each) => each.id === open);
  return html`<div class="head"><h1>Instances</h1>${list && html`<p class="dim">${healthy} of ${list.length} take tasks</p>`}</div>
    ${error && (list ? html`<${Stale} error=${error} />` : html`<${Failure} error=${error} />`)}
    ${!list && !error && html`<${Waiting} rows="3" label="Loading instances" />`}
    ${open && list && !chosen && html`<${Empty} title="There is no such instance">It may have left the federation. <a href="#/instances">All instances</a><//>`}
    ${chosen && html`<div class="opened"><p><a href="#/instances">← All instances</a></p>
      <${InstanceCard} instance=${chosen} level="2" more=${html`<${InstanceDetails} instance=${chosen} />`} /></div>`}
    ${list && !open && (list.length
      ? html`<div class="cards">${sorted(list).map((each) => html`<${InstanceCard} key=${each.id} instance=${each} level="2" />`)}</div>`
      : html`<${Empty} title="No instances yet">Name some in the configuration under <code>custom.instances</code>, or a registry under <code>custom.registries</code>.<//>`)}`;
}
