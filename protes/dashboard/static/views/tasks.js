// The list of tasks: filters, live states, as many as there are.
import { html, useEffect, useRef, useState } from "../js/html.js";
import { summary, useFederation } from "../js/federation.js";
import { count } from "../js/format.js";
import { takeSearchWish } from "../js/keys.js";
import { useObserved } from "../js/observable.js";
import { go, replace } from "../js/router.js";
import { FILTERS, taskState } from "../js/states.js";
import { useTasks } from "../js/task_list.js";
import { parseSearch } from "../js/task_rows.js";
import { ICONS } from "../parts/icons.js";
import { Empty, Failure, Waiting } from "../parts/notices.js";
import { Sign } from "../parts/signs.js";
import { TaskTable } from "../parts/task_table.js";

const PAUSE = 250;

export function Tasks({ query }) {
  useFederation();
  const { q = "", state = "" } = query;
  const search = parseSearch(q);
  const [list, onMore] = useTasks(q, search, state);
  const told = useObserved(summary);
  const total = q ? undefined : totalOf(told, state);
  return html`<div class="head"><h1>Tasks</h1><p class="dim" role="status">${list.known ? shownOf(list, total) : ""}</p></div>
    <${Filters} q=${q} state=${state} search=${search} told=${told} />
    ${list.error && html`<${Failure} error=${list.error} />`}
    ${list.rows.length > 0 && html`<div class=${list.stale && !list.known ? "stale" : ""}><${TaskTable} rows=${list.rows} more=${list.more} onMore=${onMore} total=${total} label="Tasks, newest first" /></div>`}
    ${!list.rows.length && !list.known && !list.error && html`<${Waiting} rows="10" label="Loading tasks" />`}
    ${list.known && !list.rows.length && (q || state
      ? html`<${Empty} title="No task fits"><a href="#/tasks">Show all tasks</a><//>`
      : html`<${Empty} title="No tasks yet">Send one with any TES client, or <a href="#/new">ask for offers here</a>.<//>`)}`;
}

function totalOf(told, state) {
  if (!told?.tasks) return undefined;
  const counted = state ? told.tasks.filter((each) => each.state === state) : told.tasks;
  return counted.some((each) => each.more) ? undefined : counted.reduce((sum, each) => sum + each.count, 0);
}

function shownOf(list, total) {
  if (!list.more) return `${count(list.rows.length)} ${list.rows.length === 1 ? "task" : "tasks"}`;
  return total === undefined ? `the newest ${count(list.rows.length)}, more as you scroll` : `${count(total)} tasks, more as you scroll`;
}

function Filters({ q, state, search, told }) {
  const [text, setText] = useState(q);
  const field = useRef();
  useEffect(() => {
    if (takeSearchWish()) field.current.focus();
  }, []);
  useEffect(() => setText(q), [q]);
  useEffect(() => {
    if (text === q) return undefined;
    const timer = setTimeout(() => replace("tasks", undefined, { q: text.trim(), state }), PAUSE);
    return () => clearTimeout(timer);
  }, [text, q, state]);
  function entered(event) {
    event.preventDefault();
    const { id } = parseSearch(text);
    if (id) go("tasks", id);
    else replace("tasks", undefined, { q: text.trim(), state });
  }
  return html`<form class="filters" role="search" onSubmit=${entered}>
    <div class="search"><label for="search" class="unseen">Search: beginning of the name, key=value of a tag, or an id</label>${ICONS.search}
      <input id="search" ref=${field} type="search" autocomplete="off" spellcheck=${false} placeholder="Name, tag=value, or an id" value=${text} onInput=${(event) => setText(event.currentTarget.value)} />
      ${search.id && html`<button type="submit" class="button small">Open task</button>`}</div>
    <div class="chips" role="group" aria-label="State">
      ${["", ...FILTERS].map((each) => html`<${Chip} key=${each} each=${each} on=${each === state} told=${told} onPick=${() => replace("tasks", undefined, { q, state: each })} />`)}
    </div>
  </form>`;
}

function Chip({ each, on, told, onPick }) {
  const { tone, text } = each ? taskState(each) : { text: "All" };
  const found = told?.tasks?.find((entry) => entry.state === each);
  return html`<button type="button" class=${`chip ${tone ?? ""}`} aria-pressed=${on} onClick=${onPick}>${tone && html`<${Sign} tone=${tone} />`}${text}
    ${each && html`<span class="chip-count">${found ? `${count(found.count)}${found.more ? "+" : ""}` : ""}</span>`}</button>`;
}
