"use strict";
// The first picture, and what the keys and the ribbon do.
function drawRibbon() {
  const canvas = byId("ribbon");
  if (doc.compare) canvas.height = 36;
  canvas.style.height = `${canvas.height}px`;
  canvas.width = Math.max(canvas.clientWidth, 300);
  const nodes = doc.nodes.map((_, at) => at);
  const weight = (node) => doc.nodes[node].inputs.find((port) => port.role === "weight" && port.chosen !== null);
  paint(canvas, nodes, 0, 6, (at) => doc.nodes[at].deviations.length && "#b3140a");
  paint(canvas, nodes, 7, 9, (at) => COLORS[classOf(doc.nodes[at])]);
  paint(canvas, nodes, 16, 5, (at) => weight(at) && COLORS[widthOf(weight(at).chosen)]);
  paint(canvas, nodes, 22, 6, (at) => convertsAt[at].length && "#7a4d00");
  if (doc.compare) paint(canvas, nodes, 29, 7, lossColor);
}
byId("title").textContent = shown(doc.title);
byId("verdict").textContent = shown(doc.verdict);
document.title = `qnnsolve: ${short(doc.title, 120)}`;
byId("ribbon").addEventListener("click", (event) => {
  const at = Math.floor((event.offsetX / byId("ribbon").clientWidth) * doc.nodes.length);
  if (doc.nodes[at]) showNode(at);
});
byId("search").addEventListener("input", search);
byId("filter").addEventListener("change", search);
byId("search").addEventListener("keydown", listKey);
byId("list").addEventListener("keydown", listKey);
byId("list").addEventListener("scroll", drawList);
byId("before").addEventListener("click", () => choose(state.module, null, state.page - 1));
byId("after").addEventListener("click", () => choose(state.module, null, state.page + 1));
window.addEventListener("resize", drawRibbon);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !["INPUT", "SELECT"].includes(event.target.tagName)) {
    event.preventDefault();
    byId("search").focus();
  }
});
const onlyInputs = (module) => doc.modules[module].nodes.every((node) => doc.nodes[node].target === "input");
// Down to where there is something to choose from: the first module that has calls of its own, or several modules.
let start = 0;
open.add(0);
while (onlyInputs(start) && doc.modules[start].fold.length === 1) {
  [[start]] = doc.modules[start].fold;
  open.add(start);
}
if (doc.compare) explainStrip();
choose(start);
drawRibbon();
document.documentElement.dataset.drawn = performance.now();  // milliseconds since the page was asked for
document.documentElement.dataset.ready = "yes";
