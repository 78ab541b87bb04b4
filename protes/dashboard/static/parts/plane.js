// Offers on a plane of time and cost: which nobody beats in both, which one wins at a weight, and the line of all that
// would be as good as the winner.
import { html, useLayoutEffect, useRef, useState } from "../js/html.js";
import { duration, money } from "../js/format.js";
import { line, short } from "../js/text.js";
import { costOnLine, front } from "../js/weighing.js";
import { axis, clocked, spread } from "./plane_scales.js";

const HEIGHT = 300;
const ROOM = { left: 74, right: 20, top: 16, bottom: 44 };
const LABELLED = 12;
const SAMPLES = 80;

function useWidth() {
  const box = useRef();
  const [width, set] = useState(0);
  useLayoutEffect(() => {
    const measure = () => set(Math.round(box.current.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return [box, width];
}

export function Plane({ offers, winner, placed, weight, scale, currency, lit, onLit }) {
  const [box, width] = useWidth();
  return html`<div class="plane" ref=${box} style=${{ minHeight: `${HEIGHT}px` }}>
    ${width > 0 && html`<${Drawing} ...${{ width, offers, winner, placed, weight, scale, currency, lit, onLit }} />`}
  </div>`;
}

function Drawing({ width, offers, winner, placed, weight, scale, currency, lit, onLit }) {
  const x = axis(offers.map((each) => each.time / 1e3), ROOM.left, width - ROOM.right, duration, clocked);
  const y = axis(offers.map((each) => each.cost / 1e6), HEIGHT - ROOM.bottom, ROOM.top, (value) => money(value));
  const place = (each) => ({ x: x.at(each.time / 1e3), y: y.at(each.cost / 1e6) });
  const edge = front(offers);
  const best = offers.find((each) => each.instance === winner);
  const summary = `${offers.length} offers by time and cost. ${line(winner)} wins at weight ${weight.toFixed(2)}. `
    + `Not beaten in both: ${edge.map((each) => line(each.instance)).join(", ")}.`;
  return html`<svg width=${width} height=${HEIGHT} viewBox=${`0 0 ${width} ${HEIGHT}`} role="img" aria-label=${summary}>
    <${Axes} ...${{ x, y, width, currency }} />
    <clipPath id="plane-inside"><rect x=${ROOM.left} y=${ROOM.top} width=${Math.max(0, width - ROOM.left - ROOM.right)}
      height=${HEIGHT - ROOM.top - ROOM.bottom} /></clipPath>
    ${best && html`<path class="plane-line" clip-path="url(#plane-inside)" d=${isoLine(best, weight, scale, x, y)} />`}
    <path class="plane-front" d=${stairs(edge.map(place), width)} />
    ${offers.map((each) => html`<${Dot} key=${each.instance} ...${place(each)} offer=${each}
      beaten=${!edge.includes(each)} wins=${each.instance === winner} placed=${each.instance === placed}
      lit=${each.instance === lit} onLit=${onLit} />`)}
    <${Labels} ...${{ offers: labelled(offers, edge, winner, lit), place, width }} />
  </svg>`;
}

function Axes({ x, y, width, currency }) {
  const floor = HEIGHT - ROOM.bottom;
  return html`<g class="plane-axes">
    ${y.ticks.map((tick) => html`<g key=${tick.at}><path d=${`M${ROOM.left} ${tick.at}H${width - ROOM.right}`} />
      <text x=${ROOM.left - 8} y=${tick.at + 4} text-anchor="end">${tick.text}</text></g>`)}
    ${thinned(x.ticks, 64).map((tick) => html`<g key=${tick.at}><path d=${`M${tick.at} ${floor}v5`} />
      <text x=${tick.at} y=${floor + 18} text-anchor="middle">${tick.text}</text></g>`)}
    <path class="plane-floor" d=${`M${ROOM.left} ${ROOM.top}V${floor}H${width - ROOM.right}`} />
    <text class="plane-title" x=${width - ROOM.right} y=${HEIGHT - 6} text-anchor="end">time until the outputs are there →</text>
    <text class="plane-title" x=${ROOM.left + 8} y=${ROOM.top + 2}>↑ cost${currency ? `, ${currency}` : ""}</text>
  </g>`;
}

function Dot({ x, y, offer, beaten, wins, placed, lit, onLit }) {
  const style = `plane-dot${beaten ? " beaten" : ""}${wins ? " wins" : ""}${lit ? " lit" : ""}`;
  return html`<g class=${style} onMouseEnter=${() => onLit?.(offer.instance)} onMouseLeave=${() => onLit?.(undefined)}>
    <title>${`${line(offer.instance)}: ${money(offer.cost / 1e6, offer.entry.cost.currency)} in ${duration(offer.time / 1e3)}`}</title>
    ${wins && html`<circle class="plane-halo" cx=${x} cy=${y} r="12" />`}
    <circle cx=${x} cy=${y} r="6" />
    ${placed && html`<path class="plane-placed" d=${`M${x} ${y - 14}v-9m-4 4.500l4 4.500 4-4.500`} />`}
  </g>`;
}

function Labels({ offers, place, width }) {
  const points = offers.map(place);
  const heights = spread(points.map(({ x, y }) => ({ x, y: y - 9 })), 15, 110);
  return offers.map((each, index) => {
    const left = points[index].x > width - 130;
    return html`<text key=${each.instance} class="plane-label" x=${points[index].x + (left ? -17 : 17)} y=${heights[index] + 13}
      text-anchor=${left ? "end" : "start"}>${short(each.instance, 22)}</text>`;
  });
}

function labelled(offers, edge, winner, lit) {
  if (offers.length <= LABELLED) return offers;
  const some = new Set(edge.slice(0, LABELLED));
  return offers.filter((each) => some.has(each) || each.instance === winner || each.instance === lit);
}

// The front as steps: between two offers nothing better is to be had.
function stairs(places, width) {
  if (!places.length) return "";
  const [first, ...rest] = places;
  const steps = rest.map(({ x, y }) => `H${x.toFixed(1)}V${y.toFixed(1)}`).join("");
  return `M${first.x.toFixed(1)} ${ROOM.top}V${first.y.toFixed(1)}${steps}H${width - ROOM.right}`;
}

// Costs are in millionths and times in thousandths where offers are compared; axes have whole units.
function isoLine(best, weight, scale, x, y) {
  if (weight >= 1) return `M${x.at(best.time / 1e3).toFixed(1)} 0V${HEIGHT}`;
  const parts = [];
  for (let step = 0; step <= SAMPLES; step += 1) {
    const time = x.low + ((x.high - x.low) * step) / SAMPLES;
    const cost = costOnLine(best, time * 1e3, weight, scale) / 1e6;
    if (y.logarithmic && cost <= 0) break; // it has left the plane for good
    parts.push(`${x.at(time).toFixed(1)} ${y.at(cost).toFixed(1)}`);
  }
  return parts.length > 1 ? `M${parts.join("L")}` : "";
}

function thinned(ticks, apart) {
  const kept = [];
  for (const tick of ticks) if (!kept.length || tick.at - kept.at(-1).at >= apart) kept.push(tick);
  return kept;
}
