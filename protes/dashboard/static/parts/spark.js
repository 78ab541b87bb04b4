// A line of the last minutes: tasks in flight as an area, those of them that wait as a line.
import { html } from "../js/html.js";

const WIDTH = 120;
const HEIGHT = 28;
const LEAST = 30;

export function Spark({ samples, label }) {
  const most = Math.max(1, ...samples.map((each) => each.flying));
  const step = WIDTH / (Math.max(LEAST, samples.length) - 1);
  const from = WIDTH - step * (samples.length - 1);
  const x = (index) => (from + index * step).toFixed(1);
  const y = (value) => (HEIGHT - 2 - (value / most) * (HEIGHT - 6)).toFixed(1);
  const path = (name) => samples.map((each, index) => `${index ? "L" : "M"}${x(index)} ${y(each[name])}`).join("");
  return html`<svg class="spark" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} width=${WIDTH} height=${HEIGHT} role="img" aria-label=${label}>
    <path class="spark-base" d=${`M0 ${HEIGHT - 2}H${WIDTH}`} />
    ${samples.length > 1 && html`
      <path class="spark-area" d=${`${path("flying")}V${HEIGHT - 2}H${from.toFixed(1)}Z`} />
      <path class="spark-line" d=${path("flying")} />
      <path class="spark-queued" d=${path("queued")} />`}
  </svg>`;
}
