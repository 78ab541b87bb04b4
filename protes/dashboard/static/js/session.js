// Who the visitor is, for as long as the tab is open: a token or a name and password, kept by this tab alone.
import { observable } from "./observable.js";

const KEY = "protes.authorization";

function stored() {
  try {
    return sessionStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

// The value of the header `Authorization`, or undefined.
export const authorization = observable(stored());

// Why the visitor is asked who they are: {basic, bearer, detail, refused}; undefined where nobody asks.
export const asked = observable(undefined);

export function signIn(header) {
  try {
    sessionStorage.setItem(KEY, header);
  } catch {
    // Then it is kept in memory alone.
  }
  asked.set(undefined);
  authorization.set(header);
}

export function signOut() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // It was kept in memory alone.
  }
  authorization.set(undefined);
}

export function ask(challenge, detail, open = false) {
  const schemes = (challenge ?? "").toLowerCase();
  asked.set({
    basic: /\bbasic\b/.test(schemes),
    bearer: /\bbearer\b/.test(schemes) || !/\bbasic\b/.test(schemes),
    detail,
    refused: !open && authorization.get() !== undefined,
    open,
  });
}

// RFC 7617 with UTF-8, which btoa alone cannot do.
export function basic(user, password) {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
