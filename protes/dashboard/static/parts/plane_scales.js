// Where a figure lies on an axis of the plane: linear, or logarithmic where figures lie far apart. Pure.

const FAR_APART = 40;
const MARGIN = 0.14;

// An axis over `values` (at least one), from `start` to `end` in pixels: {at(value), ticks, low, high, logarithmic}.
export function axis(values, start, end, format, steps = decimal) {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const logarithmic = least > 0 && most / least > FAR_APART;
  const [to, from] = logarithmic ? [Math.log10, (value) => 10 ** value] : [Number, Number];
  let low = to(least);
  let high = to(most);
  const room = (high - low || Math.abs(high) || 1) * MARGIN;
  high += room;
  low = logarithmic ? low - room : Math.max(least >= 0 ? 0 : -Infinity, low - room);
  const at = (value) => start + ((to(value) - low) / (high - low)) * (end - start);
  const ticks = (logarithmic ? powers(low, high) : round(low, high, steps)).map((value) => ({
    at: at(value), text: format(value) }));
  return { at, ticks, low: from(low), high: from(high), logarithmic };
}

function powers(low, high) {
  const found = [];
  for (let power = Math.ceil(low); power <= Math.floor(high); power += 1) found.push(10 ** power);
  return found.length > 1 ? found : [10 ** low, 10 ** ((low + high) / 2), 10 ** high];
}

function round(low, high, steps) {
  const step = steps((high - low) / 5);
  const found = [];
  for (let place = Math.ceil(low / step); place * step <= high; place += 1) found.push(place * step);
  return found;
}

// The least round number that is not below `rough`.
function decimal(rough) {
  const size = 10 ** Math.floor(Math.log10(rough));
  return size * [1, 2, 2.5, 5, 10].find((each) => each * size >= rough);
}

const CLOCKED = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

// The same for seconds, which people count by sixties.
export function clocked(rough) {
  return rough <= 10 ? decimal(rough) : CLOCKED.find((each) => each >= rough) ?? 86400 * decimal(rough / 86400);
}

// Heights of labels so that none covers another: each keeps its place or moves down. Pairs of {x, y} in, y out.
export function spread(labels, height, width) {
  const placed = [];
  return labels.map(({ x, y }) => {
    let free = y;
    for (const other of [...placed].sort((a, b) => a.y - b.y)) {
      if (Math.abs(other.x - x) < width && Math.abs(other.y - free) < height) free = other.y + height;
    }
    placed.push({ x, y: free });
    return free;
  });
}
