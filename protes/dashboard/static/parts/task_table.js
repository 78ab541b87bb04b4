// Tasks as a table that holds only the rows on the screen, however many there are; more are asked for as they near.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../js/html.js";
import { go } from "../js/router.js";
import { useNow } from "../js/ticking.js";
import { TaskHead, TaskRow } from "./task_row.js";

const BEYOND = 12;
const AHEAD = 60;
const NARROW = matchMedia("(max-width: 720px)");
const heightNow = () => (NARROW.matches ? 76 : 46);

function useRowHeight() {
  const [height, set] = useState(heightNow());
  useEffect(() => {
    const changed = () => set(heightNow());
    NARROW.addEventListener("change", changed);
    return () => NARROW.removeEventListener("change", changed);
  }, []);
  return height;
}

// The rows between which the screen lies.
function useSpan(box, height, total) {
  const [span, set] = useState([0, 40]);
  useLayoutEffect(() => {
    function measure() {
      const above = -box.current.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(above / height) - BEYOND);
      const last = Math.ceil((above + innerHeight) / height) + BEYOND;
      set((before) => (before[0] === first && before[1] === last ? before : [first, last]));
    }
    measure();
    addEventListener("scroll", measure, { passive: true });
    addEventListener("resize", measure);
    return () => {
      removeEventListener("scroll", measure);
      removeEventListener("resize", measure);
    };
  }, [height, total > 0]);
  return span;
}

export function TaskTable({ rows, more, onMore, total, label }) {
  const box = useRef();
  const height = useRowHeight();
  const now = useNow();
  const [first, last] = useSpan(box, height, rows.length);
  const [focused, setFocused] = useState();
  useEffect(() => {
    if (more && last + AHEAD > rows.length) onMore();
  }, [more, last, rows.length]);

  const place = Math.max(0, rows.findIndex((row) => row.id === focused));
  function move(to) {
    const index = Math.min(rows.length - 1, Math.max(0, to));
    setFocused(rows[index].id);
    requestAnimationFrame(() => {
      const top = box.current.getBoundingClientRect().top + index * height;
      if (top < 120) scrollBy(0, top - 120);
      else if (top + height > innerHeight - 80) scrollBy(0, top + height - innerHeight + 80);
      requestAnimationFrame(() => box.current.querySelector(`[data-id="${CSS.escape(rows[index].id)}"]`)?.focus({ preventScroll: true }));
    });
  }
  function pressed(event) {
    const page = Math.floor(innerHeight / height) - 3;
    const to = { ArrowDown: place + 1, j: place + 1, ArrowUp: place - 1, k: place - 1, PageDown: place + page, PageUp: place - page,
      Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined && event.key !== "Enter") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (event.key === "Enter") go("tasks", rows[place].id);
    else move(to);
  }

  const shown = rows.slice(first, last);
  const beyond = place < first || place >= last; // one row can always be reached by Tab
  return html`<div role="table" class="tasks" aria-label=${label} aria-rowcount=${(total ?? rows.length) + 1} onKeyDown=${pressed}>
    <div role="rowgroup"><${TaskHead} /></div>
    <div role="rowgroup" class="task-rows" ref=${box} style=${{ height: `${rows.length * height}px` }}>
      ${shown.map((row, index) => html`<${TaskRow} key=${row.id} row=${row} index=${first + index} now=${now} top=${(first + index) * height}
        focused=${first + index === place || (beyond && index === 0)} onFocus=${() => setFocused(row.id)} />`)}
    </div>
  </div>`;
}
