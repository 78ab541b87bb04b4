// Figures for people.

const UNITS = [["d", 86400], ["h", 3600], ["min", 60]];

// A duration in at most two units: 0.42 s, 12 s, 3 min 5 s, 2 h 10 min, 3 d 4 h.
export function duration(seconds) {
  if (seconds === undefined || seconds === null || !Number.isFinite(Number(seconds))) return "–";
  const value = Number(seconds);
  if (value < 0) return `−${duration(-value)}`;
  if (value < 10) return `${trimmed(value, value < 1 ? 2 : 1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  const place = UNITS.findIndex(([, size]) => whole >= size);
  const [unit, size] = UNITS[place];
  const [nextUnit, nextSize] = UNITS[place + 1] ?? ["s", 1];
  const first = Math.floor(whole / size);
  const rest = Math.floor((whole - first * size) / nextSize);
  return rest ? `${first} ${unit} ${rest} ${nextUnit}` : `${first} ${unit}`;
}

function trimmed(value, digits) {
  return String(Number(value.toFixed(digits)));
}

// An amount of money, with three digits that say something where it is small.
export function money(amount, currency) {
  const value = Number(amount);
  if (amount === undefined || amount === null || amount === "" || !Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 1 || value === 0 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 }
    : { maximumSignificantDigits: 3 };
  const number = new Intl.NumberFormat("en", digits).format(value);
  return currency ? `${number} ${currency}` : number;
}

export function count(value) {
  return value === undefined || value === null ? "–" : new Intl.NumberFormat("en").format(value);
}

export function percent(share) {
  return share === undefined ? "–" : `${trimmed(share * 100, share < 0.1 ? 1 : 0)} %`;
}

export function number(value, digits = 2) {
  return value === undefined || value === null ? "–" : trimmed(Number(value), digits);
}

// How long ago a moment was; the future counts as now.
export function ago(moment, now) {
  const seconds = Math.max(0, (now - Date.parse(moment)) / 1000);
  if (Number.isNaN(seconds)) return "–";
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  const [unit, size] = UNITS.find(([, each]) => seconds >= each);
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

export function clock(moment) {
  const time = new Date(moment);
  if (Number.isNaN(time.getTime())) return "–";
  const two = (value) => String(value).padStart(2, "0");
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export function between(start, end) {
  if (!start || !end) return undefined;
  return (Date.parse(end) - Date.parse(start)) / 1000;
}
