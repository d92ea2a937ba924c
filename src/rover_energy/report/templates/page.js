/* What every page does: theme, paper, numbers, and one cursor that is drawn at most once per frame. */
const page = (() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector) => Array.from(document.querySelectorAll(selector));

  // Theme: follows the system until the button is used.
  const button = document.getElementById("theme");
  if (button) {
    const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
    button.hidden = false;
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
    name();
  }
  // On paper nothing is folded.
  window.addEventListener("beforeprint", () => all("details").forEach((element) => { element.open = true; }));

  const text = (value, decimals) => {
    if (value === null || value === undefined) return "\u2014";
    const shown = value.toFixed(decimals);
    return (Number(shown) === 0 ? shown.replace("-", "") : shown).replace("-", "\u2212");
  };
  const outputs = all("output[data-column]"), cursors = all(".cursor");
  /* The cursors at a share of the charts' width, the readouts at an index of the columns. */
  const read = (columns, index, share) => {
    cursors.forEach((element) => { element.style.left = `${100 * share}%`; });
    outputs.forEach((element) => { element.textContent = text(columns[element.dataset.column][index], Number(element.dataset.decimals)); });
  };
  /* Calls `show` with the last of what was asked for, once per frame. */
  const framed = (show) => {
    let wanted = null;
    return (what) => {
      if (wanted === null) requestAnimationFrame(() => { show(wanted); wanted = null; });
      wanted = what;
    };
  };
  return { all, data: JSON.parse(document.getElementById("data").textContent), framed, read };
})();
