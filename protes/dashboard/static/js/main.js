// Starts the page.
import { html, render } from "./html.js";
import { start } from "./live.js";
import { App } from "../views/app.js";

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
start();
