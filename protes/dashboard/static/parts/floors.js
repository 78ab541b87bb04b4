// Below which differences of cost and time do not matter to the ranker, as the gateway's summary says it.

export function floorsOf(summary) {
  const { floor_cost: cost, floor_seconds: seconds } = summary?.ranking ?? {};
  return { cost: Number(cost ?? 0.1) * 1e6, time: Number(seconds ?? 60) * 1e3 };
}
