// The choice between offers as a picture: the plane, the slider that moves the winner, the table, and who was left out.
import { html, useMemo, useState } from "../js/html.js";
import { line } from "../js/text.js";
import { front, points, rankedAt, scales, scalesOf, winners } from "../js/weighing.js";
import { Empty } from "./notices.js";
import { OffersTable, Refused, Unplaced } from "./offers_table.js";
import { Plane } from "./plane.js";
import { WeightSlider } from "./weight.js";

// What a task without cost and time floors of its own is weighed by; the gateway's own come with its summary.
const FLOORS = { cost: 0.1e6, time: 60e3 };

export function Choice({ entries, own, weight, onWeight, onSettled, floors = FLOORS, placed, action, label }) {
  const [lit, setLit] = useState();
  const told = useMemo(() => judge(entries, own, floors), [entries, own, floors]);
  const refused = entries.filter((each) => each.outcome === "rejected");
  if (!told.offers.length) {
    return html`<${Ranked} entries=${entries} placed=${placed} /><${Refused} entries=${refused} />`;
  }
  const { offers, scale, edge, spans, currency } = told;
  const ranked = rankedAt(offers, weight, scale, own);
  const winner = ranked[0].instance;
  return html`<div class="choice">
    <div class="choice-side">
      <${WeightSlider} value=${weight} own=${own} spans=${spans} label=${label} onInput=${onWeight} onChange=${onSettled} />
      <${Verdict} ...${{ winner, placed, weight, own }} />
    </div>
    <div class="choice-plane">
      <${Plane} ...${{ offers, winner, placed, weight, scale, currency, lit, onLit: setLit }} />
      <${Legend} placed=${placed} />
    </div>
  </div>
  <${OffersTable} ...${{ ranked, front: edge, placed, lit, onLit: setLit, action }} />
  <${Unplaced} entries=${entries.filter((each) => each.outcome === "offer" && !offers.some((offer) => offer.instance === each.instance))} />
  <${Refused} entries=${refused} />`;
}

function judge(entries, own, floors) {
  const offers = points(entries);
  if (!offers.length) return { offers };
  const known = scales(offers, floors);
  const scale = own === undefined ? known : scalesOf(offers, own, known);
  return {
    offers,
    scale,
    edge: new Set(front(offers).map((each) => each.instance)),
    spans: winners(offers, scale),
    currency: offers[0].entry.cost.currency,
  };
}

function Verdict({ winner, placed, weight, own }) {
  const here = html`<strong><bdi>${line(winner)}</bdi></strong>`;
  if (placed !== undefined && weight === own) {
    return html`<p class="verdict" aria-live="polite">At the task's weight ${own.toFixed(2)}, ${here} is the best offer.
      ${placed !== winner && html` It ran on <bdi>${line(placed)}</bdi>: see its attempts, and the steps.`}</p>`;
  }
  const compared = placed === undefined ? "" : placed === winner ? ", the same one." : html`, instead of <bdi>${line(placed)}</bdi>.`;
  return html`<p class="verdict" aria-live="polite">At weight ${weight.toFixed(2)}, ${here} would be chosen${compared || "."}</p>`;
}

function Legend({ placed }) {
  return html`<ul class="legend">
    <li><span class="key win"></span>best at this weight</li>
    ${placed && html`<li><span class="key arrow" aria-hidden="true">↓</span>ran here</li>`}
    <li><span class="key front"></span>Pareto front</li>
    <li><span class="key iso"></span>as good as the best</li>
  </ul>`;
}

// Without figures there is no plane, only an order.
function Ranked({ entries, placed }) {
  const offers = entries.filter((each) => each.outcome === "offer");
  if (!offers.length) return html`<${Empty} title="No offers" >No instance would take this task.<//>`;
  return html`<p>Nothing is known of cost and time, so the order is that of the chain:</p>
    <ol class="reasons">${offers.map((each) => html`<li key=${each.instance}><bdi>${line(each.instance)}</bdi>
      ${each.instance === placed && html` <span class="tag">ran here</span>`}</li>`)}</ol>`;
}
