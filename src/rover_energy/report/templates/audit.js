/* One cursor in time for every chart and its readouts. The page is complete without it. */
(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector) => Array.from(document.querySelectorAll(selector));

  const button = document.getElementById("theme");
  if (button) {
    const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
    button.hidden = false;
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
    name();
  }
  window.addEventListener("beforeprint", () => all("details").forEach((element) => { element.open = true; }));

  const data = JSON.parse(document.getElementById("data").textContent);
  const outputs = all("output[data-column]"), cursors = all(".cursor"), last = data.t.length - 1;
  let rest = data.rest / data.end, wanted = null;

  const text = (value, decimals) => {
    if (value === null || value === undefined) return "\u2014";
    const shown = value.toFixed(decimals);
    return (Number(shown) === 0 ? shown.replace("-", "") : shown).replace("-", "\u2212");
  };
  const show = (share) => {
    const index = Math.round(Math.min(1, Math.max(0, share)) * last);
    cursors.forEach((element) => { element.style.left = `${100 * share}%`; });
    outputs.forEach((element) => { element.textContent = text(data.columns[element.dataset.column][index], Number(element.dataset.decimals)); });
  };
  const ask = (share) => {
    if (wanted === null) requestAnimationFrame(() => { show(wanted); wanted = null; });
    wanted = Math.min(1, Math.max(0, share));
  };
  all("[data-time]").forEach((element) => {
    const place = (event) => { const box = element.getBoundingClientRect(); return (event.clientX - box.left) / box.width; };
    element.addEventListener("pointermove", (event) => ask(place(event)));
    element.addEventListener("click", (event) => { rest = place(event); ask(rest); });
    element.addEventListener("pointerleave", () => ask(rest));
  });
})();
