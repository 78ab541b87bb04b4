// Icons of the navigation and its tools.
import { html } from "../js/html.js";

const icon = (content) => html`<svg class="icon" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" fill="none" stroke="currentColor"
  stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">${content}</svg>`;

export const ICONS = {
  overview: icon(html`<rect x="3" y="3" width="6" height="8" rx="1.5" /><rect x="11" y="3" width="6" height="4.5" rx="1.5" /><rect x="11" y="10" width="6" height="7" rx="1.5" /><rect x="3" y="13.5" width="6" height="3.5" rx="1.5" />`),
  tasks: icon(html`<path d="M8 5h9M8 10h9M8 15h9" /><path d="M3 5h.1M3 10h.1M3 15h.1" stroke-width="2.6" />`),
  instances: icon(html`<rect x="3" y="3.5" width="14" height="5" rx="1.5" /><rect x="3" y="11.5" width="14" height="5" rx="1.5" /><path d="M6 6h.1M6 14h.1" stroke-width="2.2" />`),
  new: icon(html`<path d="M10 4v12M4 10h12" />`),
  person: icon(html`<circle cx="10" cy="7" r="3.2" /><path d="M4 16.500c.8-3 3-4.5 6-4.500s5.2 1.5 6 4.5" />`),
  sun: icon(html`<circle cx="10" cy="10" r="3.4" /><path d="M10 2.500v1.600M10 15.900v1.600M2.5 10h1.600M15.9 10h1.600M4.7 4.700l1.1 1.100M14.2 14.200l1.1 1.100M4.7 15.300l1.1-1.100M14.2 5.800l1.1-1.1" />`),
  moon: icon(html`<path d="M16.5 12A7 7 0 0 1 8 3.500a7 7 0 1 0 8.5 8.500z" />`),
  search: icon(html`<circle cx="9" cy="9" r="5.2" /><path d="M13 13l4 4" />`),
};
