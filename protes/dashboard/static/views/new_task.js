// A task is pasted, offers are asked for, and it is sent: by its weight, or to the instance of an offer.
import { html, useEffect, useRef, useState } from "../js/html.js";
import { askOffers, createTask, getTask, newKey } from "../js/api.js";
import { EXAMPLE, grammar, read, taken, weighed, weightOf, withoutChoice, written } from "../js/drafts.js";
import { summary, useFederation } from "../js/federation.js";
import { useObserved } from "../js/observable.js";
import { go } from "../js/router.js";
import { line } from "../js/text.js";
import { useNow } from "../js/ticking.js";
import { Choice } from "../parts/choice.js";
import { documentOf } from "../parts/document.js";
import { floorsOf } from "../parts/floors.js";

export function NewTask({ from }) {
  useFederation();
  const told = useObserved(summary);
  const [text, setText] = useState(written(EXAMPLE));
  const [weight, setWeight] = useState(0.5);
  const [offers, setOffers] = useState();
  const [error, setError] = useState();
  const [busy, setBusy] = useState("");
  const keys = useRef(new Map());
  const now = useNow();

  useEffect(() => {
    if (!from) return undefined;
    const stop = new AbortController();
    getTask(from, undefined, stop.signal).then(({ document }) => {
      setText(written(withoutChoice(documentOf(document))));
      setWeight(weightOf(document) ?? 0.5);
    }, (failure) => failure.name !== "AbortError" && setError(failure));
    return () => stop.abort();
  }, [from]);

  function edited(value) {
    setText(value);
    setOffers(undefined);
    setError(undefined);
  }

  function draft() {
    const found = read(text);
    if (found.error) setError(new Error(found.error));
    return found.task;
  }

  async function perform(what, call) {
    const task = draft();
    if (!task) return;
    setBusy(what);
    setError(undefined);
    try {
      await call(task);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy("");
    }
  }

  // The same key for the same task: what is sent once more since no answer came makes no second one.
  function keyOf(task) {
    const text = JSON.stringify(task);
    if (!keys.current.has(text)) keys.current.set(text, newKey());
    return keys.current.get(text);
  }

  const ask = (at = weight) => perform("asking", async (task) => setOffers(await askOffers(withoutChoice(task), grammar(at))));
  const send = (make) => perform("sending", async (task) => {
    const made = make(task);
    const { id } = await createTask(made, keyOf(made));
    go("tasks", id);
  });
  const sendWeighed = () => send((task) => weighed(task, weight));
  const take = (offer) => send((task) => taken(task, offer));
  return html`<div class="head"><h1>New task</h1><p class="dim">Paste a task, ask what each instance offers, choose, and send it.</p></div>
    <form class="card new-task" onSubmit=${(event) => { event.preventDefault(); ask(); }}>
      <label class="field" for="document">Task (JSON, as <code>POST /tasks</code> takes it)</label>
      <textarea id="document" rows="14" spellcheck=${false} autocapitalize="off" autocomplete="off" value=${text} aria-invalid=${error ? "true" : undefined}
        aria-describedby=${error ? "new-error" : undefined} onInput=${(event) => edited(event.currentTarget.value)}></textarea>
      ${error && html`<${Wrong} error=${error} />`}
      <div class="buttons"><button type="submit" class=${`button${offers ? "" : " primary"}`} disabled=${busy !== ""}>${busy === "asking" ? "Asking …" : offers ? "Ask again" : "Ask for offers"}</button>
        <button type="button" class=${`button${offers ? " primary" : ""}`} disabled=${busy !== ""} onClick=${sendWeighed}>${busy === "sending" ? "Sending …" : `Send with weight ${grammar(weight)}`}</button></div>
    </form>
    ${offers && html`<section class="card" aria-labelledby="n-offers"><h2 id="n-offers">Offers</h2>
      <${Expiry} offers=${offers.offers} now=${now} />
      <${Choice} entries=${offers.offers} own=${Number(offers.weight)} weight=${weight} onWeight=${setWeight} onSettled=${(at) => ask(at)} floors=${floorsOf(told)} label="Cost against runtime"
        action=${(each) => html`<button type="button" class="button small" disabled=${busy !== ""} onClick=${() => take(each.entry.offer)}>Run here</button>`} />
    </section>`}`;
}

function Wrong({ error }) {
  return html`<div id="new-error" class="warning" role="alert">${error.errors?.length
    ? html`<ul>${error.errors.map((each, index) => html`<li key=${index}><code><bdi>${line(each.field)}</bdi></code> <bdi>${line(each.detail)}</bdi></li>`)}</ul>`
    : html`<bdi>${line(error.message)}</bdi>`}</div>`;
}

function Expiry({ offers, now }) {
  const ends = offers.map((each) => Date.parse(each.expires)).filter(Number.isFinite);
  if (!ends.length) return null;
  const left = Math.round((Math.min(...ends) - now) / 1000);
  return html`<p class="dim">${left > 0 ? `These are estimates; to run as offered is possible for ${Math.ceil(left / 60)} min more.` : "These offers have expired. Ask again to run as offered."}</p>`;
}
