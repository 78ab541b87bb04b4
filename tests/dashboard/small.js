// Targets below 24 by 24 pixels that are not links within text (WCAG 2.2, 2.5.8).
() => [...document.querySelectorAll("button, input, nav a, summary")].filter((each) => each.checkVisibility() && each.type !== "radio")
  .map((each) => [each.getBoundingClientRect(), each]).filter(([box]) => box.width > 1 && (box.width < 24 || box.height < 23.5))
  .map(([box, each]) => `${Math.round(box.width)} x ${Math.round(box.height)} ${each.outerHTML.slice(0, 80)}`)
