// Runs before anything is painted: the colours that this visitor chose, so that the page does not flash in others.
try {
  const chosen = localStorage.getItem("protes.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; then the system's colours hold.
}
