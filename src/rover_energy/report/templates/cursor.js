/* One cursor in time for every chart, the map and the readouts. The page is complete without it. */
(() => {
  "use strict";
  const { all, data, framed, read } = page;
  if (!data.columns) return;
  const columns = data.columns, times = columns.t, last = times.length - 1;
  const shadows = all("image.shadow");
  const map = document.getElementById("map"), rover = document.querySelector(".rover"), scrub = document.getElementById("scrub");
  const bounds = map.dataset.window.split(" ").map(Number);
  const percent = (x, y) => [100 * (x - bounds[0]) / (bounds[2] - bounds[0]), 100 * (bounds[3] - y) / (bounds[3] - bounds[1])];
  let rest = data.rest;

  const show = (index) => {
    read(columns, index, (times[index] - data.start) / (data.end - data.start));
    const [x, y] = percent(columns.x[index], columns.y[index]);
    rover.style.left = `${x}%`;
    rover.style.top = `${y}%`;
    rover.style.setProperty("--turn", `${-(columns.heading[index] || 0)}deg`);
    let current = 0;
    shadows.forEach((element, i) => { if (Number(element.dataset.from) <= times[index]) current = i; });
    shadows.forEach((element, i) => { element.style.display = i === current ? "" : "none"; });
  };

  const atTime = (t) => {
    let low = 0, high = last;
    while (high - low > 1) { const middle = (low + high) >> 1; if (times[middle] <= t) low = middle; else high = middle; }
    return t - times[low] <= times[high] - t ? low : high;
  };
  const atPlace = (x, y, aspect) => {
    let best = 0, least = Infinity;
    for (let i = 0; i <= last; i++) {
      const [px, py] = percent(columns.x[i], columns.y[i]);
      const d = (px - x) ** 2 + ((py - y) * aspect) ** 2;
      if (d < least) { least = d; best = i; }
    }
    return best;
  };
  let asked = rest;
  const draw = framed(show), ask = (index) => { asked = index; draw(index); };
  const follow = (element, find) => {
    const move = (event) => {
      const box = element.getBoundingClientRect();
      ask(find((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, box.height / box.width));
    };
    const keep = (event) => { move(event); rest = asked; scrub.value = 1000 * (times[rest] - data.start) / (data.end - data.start); };
    element.addEventListener("pointermove", move);
    element.addEventListener("click", keep);
    element.addEventListener("pointerleave", () => ask(rest));
  };
  all("[data-time]").forEach((element) => follow(element, (u) => atTime(data.start + Math.min(1, Math.max(0, u)) * (data.end - data.start))));
  all("[data-map]").forEach((element) => follow(element, (u, v, aspect) => atPlace(100 * u, 100 * v, aspect)));
  scrub.addEventListener("input", () => {
    rest = atTime(data.start + Number(scrub.value) / 1000 * (data.end - data.start));
    scrub.setAttribute("aria-valuetext", `${times[rest].toFixed(1)} s`);
    ask(rest);
  });
  show(rest);
})();
