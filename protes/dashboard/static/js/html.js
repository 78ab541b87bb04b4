// Markup of components: htm's template strings make preact's elements. Text and attributes are set as such, never
// parsed as markup, so whatever a task is called is shown and does nothing.
import { h, render, Fragment } from "../vendor/preact.mjs";
import htm from "../vendor/htm.mjs";

export { useEffect, useLayoutEffect, useMemo, useRef, useState, useCallback } from "../vendor/hooks.mjs";
export { render, Fragment };
export const html = htm.bind(h);
