// Dialogs over the page: who you are, and which keys there are.
import { html, useEffect, useRef, useState } from "../js/html.js";
import { line } from "../js/text.js";
import { useObserved } from "../js/observable.js";
import { asked, authorization, basic, signIn, signOut } from "../js/session.js";

function Dialog({ title, onClose, children }) {
  const box = useRef();
  useEffect(() => {
    box.current.showModal();
  }, []);
  return html`<dialog ref=${box} class="dialog" aria-labelledby="dialog-title" onClose=${onClose}>
    <h2 id="dialog-title">${title}</h2>${children}</dialog>`;
}

export function SignIn() {
  const why = useObserved(asked);
  return why ? html`<${SignInForm} why=${why} />` : null;
}

function SignInForm({ why }) {
  const [kind, setKind] = useState(why.basic && !why.bearer ? "basic" : "bearer");
  const [fields, setFields] = useState({ token: "", user: "", password: "" });
  const input = (name) => (event) => setFields({ ...fields, [name]: event.currentTarget.value });
  function enter(event) {
    event.preventDefault();
    const token = fields.token.trim().replace(/^bearer\s+/i, "");
    signIn(kind === "bearer" ? `Bearer ${token}` : basic(fields.user, fields.password));
  }
  return html`<${Dialog} title="Sign in" onClose=${() => asked.set(undefined)}>
    <p>${why.refused ? "The gateway did not accept this." : why.open ? "A token shows you what is yours, or the operator's." : "The gateway wants to know who you are."}
      ${why.detail && html` <span class="dim"><bdi>${line(why.detail)}</bdi></span>`}</p>
    <form onSubmit=${enter}>
      ${(why.open || (why.basic && why.bearer)) && html`<div class="choices" role="radiogroup" aria-label="Kind">
        ${[["bearer", "Token"], ["basic", "Name and password"]].map(([each, text]) => html`<label key=${each}>
          <input type="radio" name="kind" checked=${kind === each} onChange=${() => setKind(each)} />${text}</label>`)}</div>`}
      ${kind === "bearer"
        ? html`<label class="field">Token<input key="token" type="password" autocomplete="off" required autofocus value=${fields.token} onInput=${input("token")} /></label>`
        : html`<label class="field">Name<input key="user" autocomplete="username" required autofocus value=${fields.user} onInput=${input("user")} /></label>
          <label class="field">Password<input key="password" type="password" autocomplete="current-password" value=${fields.password} onInput=${input("password")} /></label>`}
      <p class="dim">It is kept by this tab, until you close it.</p>
      <div class="buttons"><button type="submit" class="button primary">Sign in</button>
        ${authorization.get() && html`<button type="button" class="button" onClick=${() => { signOut(); asked.set(undefined); }}>Sign out</button>`}
        <button type="button" class="button" onClick=${() => asked.set(undefined)}>Cancel</button></div>
    </form>
  <//>`;
}

const KEYS = [["g then o", "Overview"], ["g then t", "Tasks"], ["g then i", "Instances"], ["n", "New task"], ["/", "Search tasks"],
  ["↑ ↓ or j k", "Move in a list of tasks"], ["Enter", "Open the task"], ["d", "Dark or light"], ["?", "These keys"], ["Esc", "Close, or leave a field"]];

export function Keys({ onClose }) {
  return html`<${Dialog} title="Keys" onClose=${onClose}>
    <dl class="keys">${KEYS.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <div class="buttons"><button type="button" class="button" autofocus onClick=${onClose}>Close</button></div>
  <//>`;
}
