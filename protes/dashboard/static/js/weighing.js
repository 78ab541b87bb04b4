// Cost against runtime, as the ranker `cost_runtime` weighs them: which offers nobody beats in both, and which one wins
// at a weight. The score is the relative excess over the least cost and the least time; smaller is better.

// Offers with a cost and a time, as plain numbers: cost in millionths and time in milliseconds, whole as the gateway's.
export function points(entries) {
  return entries
    .filter((each) => each.outcome === "offer" && each.cost && each.seconds !== undefined)
    .map((each) => ({
      instance: each.instance,
      rank: each.rank,
      score: each.score === undefined ? undefined : Number(each.score),
      cost: Math.round(Number(each.cost.amount) * 1e6),
      time: Math.round(each.seconds * 1e3),
      entry: each,
    }));
}

// Those that no other beats: none is as cheap and as fast, and better in one of both. By time.
export function front(offers) {
  const sorted = [...offers].sort((a, b) => a.time - b.time || a.cost - b.cost);
  let cheapest = Infinity;
  return sorted.filter((each) => {
    const stays = each.cost < cheapest;
    cheapest = Math.min(cheapest, each.cost);
    return stays;
  });
}

export function least(offers) {
  return {
    cost: Math.min(...offers.map((each) => each.cost)),
    time: Math.min(...offers.map((each) => each.time)),
  };
}

// What an excess is measured by: the least of all, or the floor below which differences do not matter.
export function scales(offers, floors) {
  const ideal = least(offers);
  return { cost: Math.max(ideal.cost, floors.cost, 1e-9), time: Math.max(ideal.time, floors.time, 1e-9) };
}

// The scales that the gateway's own scores tell, where the weight lies between 0 and 1: floors may have been others
// when the task was placed. What they do not tell is taken from `known`.
export function scalesOf(offers, weight, known) {
  const ideal = least(offers);
  const cheapest = offers.find((each) => each.cost === ideal.cost && each.time > ideal.time && each.score > 0);
  const fastest = offers.find((each) => each.time === ideal.time && each.cost > ideal.cost && each.score > 0);
  const time = cheapest && weight > 0 ? (weight * (cheapest.time - ideal.time)) / cheapest.score : undefined;
  const cost = fastest && weight < 1 ? ((1 - weight) * (fastest.cost - ideal.cost)) / fastest.score : undefined;
  return { cost: near(cost, known.cost), time: near(time, known.time) };
}

// Scores have six decimals: what fits what is known within that is what is known.
function near(told, known) {
  if (told === undefined || !Number.isFinite(told) || told <= 0) return known;
  return Math.abs(told - known) <= known * 1e-3 ? known : told;
}

export function scoreAt(offer, weight, ideal, scale) {
  return ((1 - weight) * (offer.cost - ideal.cost)) / scale.cost + (weight * (offer.time - ideal.time)) / scale.time;
}

// Offers as they would be ranked at a weight: by score; equal ones by cost up to 1/2, by time above; then as they were.
// At the weight that the gateway ranked them by (`own`) its own scores are taken: its figures have more digits.
export function rankedAt(offers, weight, scale, own) {
  const ideal = least(offers);
  const told = weight === own && offers.every((each) => each.score !== undefined);
  const scored = offers.map((each) => ({ ...each, at: told ? each.score : scoreAt(each, weight, ideal, scale) }));
  if (told) return scored.sort((a, b) => a.rank - b.rank);
  const [first, second] = weight <= 0.5 ? ["cost", "time"] : ["time", "cost"];
  const same = (a, b) => Math.abs(a.at - b.at) < 1e-9;
  return scored.sort((a, b) =>
    (same(a, b) ? 0 : a.at - b.at) || a[first] - b[first] || a[second] - b[second] || a.rank - b.rank);
}

// Which offer wins at which weights, from cost to time: [{from, to, instance}], found on a grid of `steps`.
export function winners(offers, scale, steps = 200) {
  const spans = [];
  for (let step = 0; step <= steps; step += 1) {
    const weight = step / steps;
    const { instance } = rankedAt(offers, weight, scale)[0];
    const last = spans.at(-1);
    if (last?.instance === instance) last.to = weight;
    else spans.push({ from: last ? last.to : 0, to: weight, instance });
  }
  return spans;
}

// The cost at which an offer that takes `time` would score the same as `offer` at this weight; for the iso-line.
export function costOnLine(offer, time, weight, scale) {
  if (weight >= 1) return undefined;
  return offer.cost - (weight / (1 - weight)) * (scale.cost / scale.time) * (time - offer.time);
}
