// What a test asks of a page: how well its texts stand out, and whether the focus can be seen.
({
  colour(css) {
    const found = css.match(/^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/);
    if (!found) throw new Error(`a colour that is not understood: ${css}`);
    const [red, green, blue, alpha] = found.slice(1).map(part => (part === undefined ? 1 : Number(part)));
    return { parts: [red, green, blue], alpha };
  },

  over(top, bottom) {
    const parts = top.parts.map((part, index) => part * top.alpha + bottom.parts[index] * (1 - top.alpha));
    return { parts, alpha: 1 };
  },

  // https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
  luminance({ parts }) {
    const [red, green, blue] = parts.map(part => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  },

  ratio(front, ground) {
    const [low, high] = [this.over(front, ground), ground].map(this.luminance).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  },

  ground(element) {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      if (getComputedStyle(at).opacity !== "1") throw new Error("opacity is not understood");
      layers.push(this.colour(getComputedStyle(at).backgroundColor));
      if (layers.at(-1).alpha === 1) break;
    }
    return layers.reduceRight((below, layer) => this.over(layer, below));
  },

  // Of each element of ours with text: the text, and its contrast.
  texts() {
    document.querySelectorAll("details").forEach(details => (details.open = true));
    document.getAnimations().forEach(animation => animation.finish()); // colours that are about to change
    const own = element =>
      element.matches("input, select, button")
        ? element.value || element.textContent
        : [...element.childNodes].filter(node => node.nodeType === Node.TEXT_NODE).map(node => node.data).join("");
    return [...document.querySelectorAll(".whyness *")]
      .filter(element => own(element).trim() && element.getClientRects().length)
      .filter(element => !element.matches("title, option, .visually-hidden, [type=checkbox], [type=hidden]"))
      .map(element => {
        const style = getComputedStyle(element);
        const front = this.colour(element instanceof SVGElement ? style.fill : style.color);
        return { text: own(element).trim().slice(0, 40), ratio: this.ratio(front, this.ground(element)) };
      });
  },

  // Of each bar of the chart: its reason, and its contrast.
  bars() {
    return [...document.querySelectorAll(".whyness rect")].map(bar => ({
      reason: bar.getAttribute("class"),
      ratio: this.ratio(this.colour(getComputedStyle(bar).fill), this.ground(bar)),
    }));
  },

  // The element with the focus: what it is, whether it is ours, and whether one can see that it has it.
  focus() {
    const at = document.activeElement;
    const style = getComputedStyle(at);
    const [box] = at.getClientRects();
    const found = {
      text: at.getAttribute("aria-label") || at.value || at.textContent.trim(),
      element: at.cloneNode().outerHTML,
      // A part of a date field, such as the button of its calendar, is the browser's own.
      isOurs: Boolean(at.closest(".whyness")) && at.matches(":focus"),
      isVisible: false,
    };
    if (!box) return found;
    const middle = (from, to, end) => (Math.max(from, 0) + Math.min(to, end)) / 2; // of what is on the screen
    const top = document.elementFromPoint(
      middle(box.left, box.right, innerWidth),
      middle(box.top, box.bottom, innerHeight),
    );
    const line = at.matches(":focus-visible") && style.outlineStyle === "solid" ? parseFloat(style.outlineWidth) : 0;
    const standsOut = this.ratio(this.colour(style.outlineColor), this.ground(at.parentElement)) >= 3;
    return { ...found, isVisible: line >= 2 && standsOut && Boolean(top) && (at.contains(top) || top.contains(at)) };
  },
})
