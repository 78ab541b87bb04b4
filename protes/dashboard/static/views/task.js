// A task: how it stands, why it runs where it runs, what it wrote, what it is.
import { html } from "../js/html.js";
import { useFederation } from "../js/federation.js";
import { format } from "../js/routes.js";
import { finished } from "../js/states.js";
import { useTask } from "../js/task_state.js";
import { line } from "../js/text.js";
import { CancelButton } from "../parts/cancel.js";
import { CopyButton } from "../parts/copy.js";
import { documentOf, Facts, Json } from "../parts/document.js";
import { Logs } from "../parts/logs.js";
import { Empty, Failure, Stale, Waiting } from "../parts/notices.js";
import { Routing } from "../parts/routing.js";
import { Own, TaskPill } from "../parts/signs.js";
import { Timeline } from "../parts/timeline.js";

export function Task({ id }) {
  useFederation();
  const [{ task, routing, error, routingError, gone }, again] = useTask(id);
  if (!task) {
    if (error?.status === 404) return html`<${Empty} title="There is no such task">It may have expired, or belong to somebody else. <a href="#/tasks">All tasks</a><//>`;
    return error ? html`<${Failure} error=${error} again=${again} />` : html`<${Waiting} rows="8" label="Loading the task" />`;
  }
  return html`<p class="back"><a href="#/tasks">← Tasks</a></p>
    <div class="task-title"><h1><${Own} text=${task.name || "unnamed"} /></h1><span aria-live="polite"><${TaskPill} state=${task.state} /></span></div>
    <p class="task-id"><span class="id">${line(task.id)}</span> <${CopyButton} text=${task.id} label="Copy id" /></p>
    ${error && !gone && html`<${Stale} error=${error} />`}
    ${gone && html`<p class="warning" role="alert">This task is gone from the gateway; this is what was known last.</p>`}
    <div class="buttons">${!finished(task.state) && !gone && html`<${CancelButton} id=${id} onDone=${again} />`}
      <a class="button" href=${format("new", undefined, { from: task.id })}>Use as a template</a></div>
    <${Timeline} task=${task} />
    <section class="card" aria-labelledby="t-routing"><h2 id="t-routing">Why here</h2><${Routing} routing=${routing} error=${routingError} /></section>
    <section class="card" aria-labelledby="t-logs"><h2 id="t-logs">Logs</h2><${Logs} task=${task} /></section>
    <section class="card" aria-labelledby="t-document"><h2 id="t-document">Task</h2><${Facts} task=${task} />
      <details><summary>Document</summary><${Json} value=${documentOf(task)} label="Document, as JSON" /></details></section>`;
}
