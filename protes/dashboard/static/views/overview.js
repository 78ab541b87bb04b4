// How everything is, at a glance.
import { html } from "../js/html.js";
import { instances, summary, useFederation } from "../js/federation.js";
import { useObserved } from "../js/observable.js";
import { useTasks } from "../js/task_list.js";
import { useNow } from "../js/ticking.js";
import { Counts } from "../parts/counts.js";
import { InstanceCard } from "../parts/instance_rows.js";
import { Empty, Failure, Stale, Waiting } from "../parts/notices.js";
import { TaskHead, TaskRow } from "../parts/task_row.js";
import { sorted } from "./instances.js";

const NEWEST = 10;
const MOST_INSTANCES = 6;
const ALL = { tags: [], name: "" };

export function Overview() {
  useFederation();
  const { list, error } = useObserved(instances);
  const told = useObserved(summary);
  return html`<h1 class="unseen">Overview</h1>
    ${told !== null && html`<${Counts} summary=${told} />`}
    <section aria-labelledby="o-instances"><div class="head"><h2 id="o-instances">Instances</h2>
      ${list && html`<p class="dim">${list.filter((each) => each.state === "ok").length} of ${list.length} take tasks${list.length > MOST_INSTANCES ? html` · <a href="#/instances">all</a>` : ""}</p>`}</div>
      ${error && (list ? html`<${Stale} error=${error} />` : html`<${Failure} error=${error} />`)}
      ${!list && !error && html`<div class="cards"><div class="card ghost"></div><div class="card ghost"></div><div class="card ghost"></div></div>`}
      ${list && (list.length
        ? html`<div class="cards">${sorted(list).slice(0, MOST_INSTANCES).map((each) => html`<${InstanceCard} key=${each.id} instance=${each} />`)}</div>`
        : html`<${Empty} title="No instances yet">Name some in the configuration, or a registry that lists them.<//>`)}
    </section>
    <${Newest} />`;
}

function Newest() {
  const [tasks] = useTasks("", ALL, "", NEWEST);
  const now = useNow();
  return html`<section aria-labelledby="o-tasks"><div class="head"><h2 id="o-tasks">Newest tasks</h2><p class="dim"><a href="#/tasks">All tasks</a></p></div>
    ${tasks.error && !tasks.rows.length && html`<${Failure} error=${tasks.error} />`}
    ${!tasks.known && !tasks.error && html`<${Waiting} rows=${NEWEST} label="Loading tasks" />`}
    ${tasks.known && !tasks.rows.length && html`<${Empty} title="No tasks yet">Send one with any TES client, or <a href="#/new">ask for offers here</a>.<//>`}
    ${tasks.rows.length > 0 && html`<div role="table" class="tasks flow" aria-label="Newest tasks"><div role="rowgroup"><${TaskHead} /></div>
      <div role="rowgroup">${tasks.rows.slice(0, NEWEST).map((row, index) => html`<${TaskRow} key=${row.id} row=${row} index=${index} now=${now} plain />`)}</div></div>`}
  </section>`;
}
