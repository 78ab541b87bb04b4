// Figures of instances over the last minutes, gathered while the page is open, for sparklines.

const MOST = 60;
const kept = new Map();

export function add(instances) {
  for (const each of instances) {
    const samples = kept.get(each.id) ?? [];
    samples.push({ flying: each.tasks_in_flight, queued: each.tasks_queued });
    kept.set(each.id, samples.slice(-MOST));
  }
  const there = new Set(instances.map((each) => each.id));
  for (const id of kept.keys()) if (!there.has(id)) kept.delete(id);
}

export function of(id) {
  return kept.get(id) ?? [];
}
