// Training pages: only the fields of the chosen source, and the values under the pointer on a curve.
// Everything works without it: all fields are shown, and the ends of the curves are written beside them.

for (const form of document.querySelectorAll("form[data-sources]")) {
  const show = () => {
    const chosen = form.querySelector("[name=source]:checked")?.value;
    for (const part of form.querySelectorAll("[data-of]")) part.hidden = part.dataset.of !== chosen;
  };
  form.addEventListener("change", show);
  show();
}

function pointsOf(line) {
  return line.getAttribute("points").trim().split(/\s+/).map((pair) => pair.split(",").map(Number));
}

function scaleOf(chart) {
  // Two ticks of the value axis give the way back from pixels to values.
  const ticks = [...chart.querySelectorAll("text[text-anchor=end][dominant-baseline]")].map((text) => [Number(text.getAttribute("y")), Number(text.textContent)]);
  const [[y0, v0], [y1, v1]] = [ticks[0], ticks.at(-1)];
  return (y) => v0 + ((y - y0) / (y1 - y0)) * (v1 - v0);
}

document.addEventListener("pointermove", (event) => {
  const chart = event.target instanceof Element ? event.target.closest("svg.chart") : null;
  if (!chart) return;
  const box = chart.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
  const value = scaleOf(chart);
  const labels = [...chart.parentElement.querySelectorAll(".legend-item")].map((item) => item.textContent.trim().split(/\s+/)[0]);
  const words = [...chart.querySelectorAll("polyline")].map((line, place) => {
    const near = pointsOf(line).reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best));
    return `${labels[place]} ${value(near[1]).toPrecision(3)}`;
  });
  let said = chart.parentElement.querySelector(".readout");
  if (!said) {
    said = document.createElement("p");
    said.className = "readout";
    said.setAttribute("aria-hidden", "true");
    chart.after(said);
  }
  said.textContent = `here: ${words.join(", ")}`;
});
