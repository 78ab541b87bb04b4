// What can be operated and has no name, fields without labels, ids that stand twice, headings that skip a level.
() => {
  const wrong = [];
  const text = (id) => document.getElementById(id)?.textContent.trim();
  const name = (each) => each.getAttribute("aria-label") || text(each.getAttribute("aria-labelledby")) || each.labels?.[0]?.textContent.trim()
    || each.textContent.trim() || each.querySelector("img")?.alt;
  for (const each of document.querySelectorAll("a, button, input, textarea, select, summary, dialog, [role=table], [role=group], [role=img], section, nav")) {
    if (each.checkVisibility() && !name(each)) wrong.push(`no name: ${each.outerHTML.slice(0, 90)}`);
  }
  for (const each of document.querySelectorAll("input, textarea, select")) {
    if (!each.labels?.length && !each.getAttribute("aria-label")) wrong.push(`no label: ${each.outerHTML.slice(0, 90)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  wrong.push(...ids.filter((each, place) => ids.indexOf(each) !== place).map((each) => `twice: ${each}`));
  const levels = [...document.querySelectorAll("main :is(h1, h2, h3, h4)")].map((each) => Number(each.tagName[1]));
  if (levels[0] !== 1) wrong.push("the first heading is not h1");
  levels.forEach((level, place) => place && level > levels[place - 1] + 1 && wrong.push(`h${levels[place - 1]} is followed by h${level}`));
  for (const each of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    for (const id of (each.getAttribute("aria-labelledby") ?? each.getAttribute("aria-describedby")).split(" ")) {
      if (!document.getElementById(id)) wrong.push(`names an id that is not there: ${id}`);
    }
  }
  for (const each of document.querySelectorAll("img")) if (!each.hasAttribute("alt")) wrong.push("an image without alt");
  return wrong;
}
