// Of each text that is visible: its colour against what is behind it (WCAG 2.2, 1.4.3: 4.5, or 3 where it is large).
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((each, i) => each * a + under[i] * (1 - a));
  const light = (colour) => {
    const [r, g, b] = colour.map((each) => each / 255).map((each) => each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (element) => {
    const grounds = [];
    for (let each = element; each; each = each.parentElement) grounds.push(rgba(getComputedStyle(each).backgroundColor));
    return grounds.reverse().reduce((under, ground) => over(ground, under), [255, 255, 255]);
  };
  const poor = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest(".unseen, title, :disabled")) continue;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const text = over(rgba(element.closest("svg") ? style.fill : style.color), ground);
    const [high, low] = [light(text), light(ground)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const ratio = (high + .05) / (low + .05);
    if (ratio < wanted) poor.push(`${ratio.toFixed(2)} ${node.data.trim().slice(0, 40)} (${element.className})`);
  }
  return poor;
}
