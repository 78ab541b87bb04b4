// Small drawings and labels of states. A state is told by its sign and its word, never by colour alone.
import { html } from "../js/html.js";
import { instanceState, taskState } from "../js/states.js";
import { line } from "../js/text.js";

const PATHS = {
  waiting: html`<circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="1.75" stroke-dasharray="2.6 2.6" />`,
  starting: html`<circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="1.75" /><path d="M8 3a5 5 0 0 1 0 10z" fill="currentColor" />`,
  running: html`<circle class="beat" cx="8" cy="8" r="5.5" fill="currentColor" opacity=".25" /><circle cx="8" cy="8" r="3.2" fill="currentColor" />`,
  good: html`<path d="M3.5 8.500l3 3 6-6.5" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" />`,
  bad: html`<path d="M4.5 4.500l7 7M11.5 4.500l-7 7" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" />`,
  broken: html`<path d="M8 2.500l6 10.500H2z" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" /><path d="M8 6.500v3M8 11.200v.1" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" />`,
  ended: html`<circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="1.6" /><path d="M4.6 11.400l6.8-6.8" stroke="currentColor" stroke-width="1.6" />`,
};

export function Sign({ tone }) {
  return html`<svg class="sign" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">${PATHS[tone]}</svg>`;
}

function Pill({ tone, text, title }) {
  return html`<span class=${`pill ${tone}`} title=${title}><${Sign} tone=${tone} />${text}</span>`;
}

export function TaskPill({ state }) {
  const { tone, text } = taskState(state);
  return html`<${Pill} tone=${tone} text=${line(text)} />`;
}

export function InstancePill({ state }) {
  const { tone, text, says } = instanceState(state);
  return html`<${Pill} tone=${tone} text=${line(text)} title=${says} />`;
}

// Text from elsewhere, by itself: its direction changes nothing around it.
export function Own({ text, title, class: style }) {
  return html`<bdi class=${style} title=${title === undefined ? undefined : line(title)}>${line(text)}</bdi>`;
}
