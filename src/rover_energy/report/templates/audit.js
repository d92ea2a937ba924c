/* One cursor in time for every chart and its readouts. The page is complete without it. */
(() => {
  "use strict";
  const { all, data, framed, read } = page;
  const last = data.t.length - 1, inside = (share) => Math.min(1, Math.max(0, share));
  const ask = framed((share) => read(data.columns, Math.round(inside(share) * last), inside(share)));
  let rest = data.rest / data.end;
  all("[data-time]").forEach((element) => {
    const place = (event) => { const box = element.getBoundingClientRect(); return (event.clientX - box.left) / box.width; };
    element.addEventListener("pointermove", (event) => ask(place(event)));
    element.addEventListener("click", (event) => { rest = place(event); ask(rest); });
    element.addEventListener("pointerleave", () => ask(rest));
  });
})();
