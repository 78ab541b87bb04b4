// The weight between cost and runtime, as a slider with words at its ends and the offers' spans below it.
import { html } from "../js/html.js";
import { line } from "../js/text.js";

const STEP = 0.01;
const NAMED = 0.12; // narrower spans have no room for a name

export function WeightSlider({ value, own, spans = [], label, onInput, onChange }) {
  const set = (event) => Number(event.currentTarget.value);
  const told = spans.find((span) => value >= span.from && value <= span.to);
  return html`<div class="weight">
    <div class="weight-head">
      <label for="weight">${label}</label>
      <output for="weight" class="weight-value">${value.toFixed(2)}</output>
    </div>
    <input id="weight" type="range" min="0" max="1" step=${STEP} value=${value}
      aria-valuetext=${`${value.toFixed(2)}, ${told ? `${line(told.instance)} would win` : "0 is cost, 1 is runtime"}`}
      onInput=${(event) => onInput(set(event))} onChange=${(event) => onChange?.(set(event))} />
    ${spans.length > 0 && html`<div class="weight-spans" aria-hidden="true">
      ${spans.map((span) => html`<span key=${span.instance} class=${`weight-span${span === told ? " on" : ""}${span.to - span.from < NAMED ? " thin" : ""}`}
        style=${{ flexGrow: Math.max(span.to - span.from, 0.001) }} title=${`${line(span.instance)}: ${span.from.toFixed(2)} to ${span.to.toFixed(2)}`}><bdi>${line(span.instance)}</bdi></span>`)}
    </div>`}
    <div class="weight-ends"><span>0 · cheapest</span>
      ${own !== undefined && own !== value && html`<button type="button" class="link" onClick=${() => { onInput(own); onChange?.(own); }}>back to ${own.toFixed(2)}</button>`}
      <span>1 · fastest</span></div>
  </div>`;
}
