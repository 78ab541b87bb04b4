// The rows of a list of tasks: read page by page, kept up to date by the stream or by asking, followed by components.
import { listTasks } from "./api.js";
import { useEffect, useMemo, useState } from "./html.js";
import { listen, mode } from "./live.js";
import { poll } from "./polling.js";
import { queryOf, rowOf, withChanges, withFirstPage, withNextPage } from "./task_rows.js";

const FIRST_PAGE = 50;
const NEXT_PAGE = 200;
const SOON = 500;
const AT_ONCE = 60;
const ASKED_SECONDS = 2.5;
const STREAMED_SECONDS = 20;

// What a list is at any time: {rows, more, error, loading, known}.
const NOTHING = { rows: [], more: false, error: undefined, loading: true, known: false };

export class TaskList {
  constructor(search, state, publish, size = FIRST_PAGE) {
    Object.assign(this, { search, state, publish, size, value: NOTHING, changes: new Map() });
  }

  start() {
    this.polling = poll((signal) => this.refresh(signal), () => (mode.get() === "stream" ? STREAMED_SECONDS : ASKED_SECONDS));
    this.forget = listen((change) => this.heard(change));
  }

  stop() {
    this.stopped = true;
    this.polling.stop();
    this.forget();
    clearTimeout(this.soon);
    clearTimeout(this.applying);
  }

  set(part) {
    if (this.stopped) return;
    this.value = { ...this.value, ...part };
    this.publish(this.value);
  }

  async refresh(signal) {
    try {
      const news = await listTasks(queryOf(this.search, this.state, this.size), this.tag, signal);
      if (news) this.take(news);
      else this.set({ error: undefined, loading: false });
    } catch (error) {
      if (error.name !== "AbortError") this.set({ error, loading: false });
      throw error;
    }
  }

  take({ document, tag }) {
    const page = document.tasks.map(rowOf);
    const token = document.next_page_token;
    const { rows, gap } = withFirstPage(this.value.rows, page, token !== undefined);
    if (gap || !this.value.known || rows.length === page.length) this.token = token;
    this.tag = tag;
    this.set({ rows, more: this.token !== undefined, error: undefined, loading: false, known: true });
  }

  async more() {
    if (!this.token || this.paging) return;
    this.paging = true;
    const { token } = this;
    try {
      const { document } = await listTasks(queryOf(this.search, this.state, NEXT_PAGE, token));
      if (this.token !== token) return; // the list began anew meanwhile
      this.token = document.next_page_token;
      this.set({ rows: withNextPage(this.value.rows, document.tasks.map(rowOf)), more: this.token !== undefined, error: undefined });
    } catch (error) {
      this.set({ error });
    } finally {
      this.paging = false;
    }
  }

  // Changes are put in together, a few times a second at most, however many there are.
  heard(change) {
    if (change.kind === "instance") return;
    if (change.id) this.changes.set(change.id, change);
    if (change.id && this.value.rows.some((row) => row.id === change.id)) {
      this.applying ??= setTimeout(() => this.apply(), AT_ONCE);
    }
    this.soon ??= setTimeout(() => {
      this.soon = undefined;
      this.polling.now();
    }, SOON);
  }

  apply() {
    this.applying = undefined;
    const rows = withChanges(this.value.rows, this.changes, this.state);
    this.changes = new Map();
    if (rows !== this.value.rows) this.set({ rows });
  }
}

// Follow the tasks that fit; anew where `search` (by its text) or `state` changes.
export function useTasks(text, search, state, size) {
  const [value, set] = useState(NOTHING);
  const list = useMemo(() => new TaskList(search, state, set, size), [text, state, size]);
  useEffect(() => {
    set((before) => ({ ...NOTHING, rows: before.rows, stale: true }));
    list.start();
    return () => list.stop();
  }, [list]);
  return [value, () => list.more()];
}
