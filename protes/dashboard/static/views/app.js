// The frame of all views: navigation, how things stand with the gateway, and what is asked of the visitor.
import { html, useEffect, useRef } from "../js/html.js";
import { connection } from "../js/api.js";
import { useKeys } from "../js/keys.js";
import { mode } from "../js/live.js";
import { useObserved } from "../js/observable.js";
import { route } from "../js/router.js";
import { format } from "../js/routes.js";
import { ask, authorization } from "../js/session.js";
import { theme, toggleTheme } from "../js/theme.js";
import { Keys, SignIn } from "../parts/dialogs.js";
import { ICONS } from "../parts/icons.js";
import { Instances } from "./instances.js";
import { NewTask } from "./new_task.js";
import { Overview } from "./overview.js";
import { Task } from "./task.js";
import { Tasks } from "./tasks.js";

const NAMES = { overview: "Overview", tasks: "Tasks", instances: "Instances", new: "New task" };

export function App() {
  const { view, id, query } = useObserved(route);
  const [keys, setKeys] = useKeys();
  const main = useRef();
  const place = `${view}/${id ?? ""}`;
  const before = useRef(place);
  useEffect(() => {
    document.title = `${id && view === "tasks" ? "Task" : NAMES[view]} · protes`;
    if (before.current === place) return;
    before.current = place;
    scrollTo(0, 0);
    if (main.current.contains(document.activeElement)) return;
    main.current.focus({ preventScroll: true }); // who cannot see it is told of the new view
  }, [place]);
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>To the content</a>
    <${Top} view=${view} onKeys=${() => setKeys(true)} />
    <${Down} />
    <main id="main" class="page" tabindex="-1" ref=${main}>${viewOf(view, id, query)}</main>
    <${SignIn} />
    ${keys && html`<${Keys} onClose=${() => setKeys(false)} />`}`;
}

function viewOf(view, id, query) {
  if (view === "tasks") return id ? html`<${Task} key=${id} id=${id} />` : html`<${Tasks} query=${query} />`;
  if (view === "instances") return html`<${Instances} open=${id} />`;
  if (view === "new") return html`<${NewTask} key=${query.from ?? ""} from=${query.from} />`;
  return html`<${Overview} />`;
}

function Top({ view, onKeys }) {
  const shown = useObserved(theme);
  const signed = useObserved(authorization) !== undefined;
  const other = shown === "dark" ? "Light colours" : "Dark colours";
  return html`<header class="top"><div class="top-inner">
    <a class="brand" href="#/" aria-label="protes, overview"><img src=${new URL("../icon.svg", import.meta.url).href} alt="" width="24" height="24" />protes</a>
    <nav class="nav" aria-label="Views">${Object.entries(NAMES).map(([each, text]) => html`<a key=${each} href=${format(each)}
      class=${each === view ? "on" : ""} aria-current=${each === view ? "page" : undefined}>${ICONS[each]}<span>${text}</span></a>`)}</nav>
    <div class="tools"><${Live} />
      <button type="button" class="tool" aria-label=${signed ? "Signed in; change" : "Sign in"} title=${signed ? "Signed in; change" : "Sign in"} aria-pressed=${signed}
        onClick=${() => ask("basic bearer", undefined, true)}>${ICONS.person}</button>
      <button type="button" class="tool" aria-label=${other} title=${`${other} (d)`} onClick=${toggleTheme}>${shown === "dark" ? ICONS.sun : ICONS.moon}</button>
      <button type="button" class="tool keys-tool" aria-label="Keys" title="Keys (?)" onClick=${onKeys}>?</button></div>
  </div></header>`;
}

const LIVE = {
  stream: ["Live", "Changes come as they happen"],
  polling: ["Polling", "This page asks every few seconds; the gateway has no room for a stream, or none at all"],
  connecting: ["Connecting", "Waiting for the gateway"],
};

function Live() {
  const { ok } = useObserved(connection);
  const how = useObserved(mode);
  const [text, says] = ok ? LIVE[how] : ["Offline", "The gateway does not answer"];
  return html`<span class=${`live ${ok ? how : "off"}`} role="status" title=${says}><span class="live-dot" aria-hidden="true"></span>${text}</span>`;
}

function Down() {
  const { ok, detail } = useObserved(connection);
  return html`<div class="down" role="alert" hidden=${ok}>${!ok && html`<div class="down-inner"><strong>${detail}</strong>
    What you see is what was known last. Trying again …</div>`}</div>`;
}
