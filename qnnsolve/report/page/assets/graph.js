"use strict";
// The graph of one module: its own nodes, the modules in it as boxes, and what they read and feed outside as stubs.
const MOST_BOXES = 120;
const MOST_STUBS = 40;

/** Boxes of a module in the order of the graph: {key, node} or {key, module}. */
function boxesOf(module) {
  const here = doc.modules[module];
  const boxes = here.nodes.map((node) => ({ key: `n${node}`, node, first: node }));
  for (const inner of here.fold.flat()) boxes.push({ key: `m${inner}`, module: inner, first: doc.modules[inner].all[0] });
  return boxes.sort((one, other) => one.first - other.first);
}
function drawGraph() {
  const boxes = boxesOf(state.module);
  const pages = Math.max(1, Math.ceil(boxes.length / MOST_BOXES));
  const here = boxes.slice(state.page * MOST_BOXES, (state.page + 1) * MOST_BOXES);
  byId("where").replaceChildren(make("bdi", {}, doc.modules[state.module].path || doc.model || "model"));
  byId("alike").replaceChildren(...selectors());
  byId("pages").hidden = pages < 2;
  byId("page").textContent = `part ${state.page + 1} of ${pages}`;
  byId("before").disabled = state.page === 0;
  byId("after").disabled = state.page === pages - 1;
  byId("graph").replaceChildren(here.length ? layOut(here) : make("p", { class: "quiet" }, "No nodes here."));
  byId("graph").scrollTo(0, 0);
}
/** One selector for each row above that stands for several modules, the outermost first. */
function selectors() {
  const found = [];
  for (let up = state.module; up !== null; up = parentOf[up]) {
    if (groupOf[up].length < 2) continue;
    const from = up;
    const select = make("select", { onchange: () => choose(counterpart(state.module, from, Number(select.value))) },
      groupOf[up].map((at) => make("option", { value: at }, short(doc.modules[at].name, 40))));
    select.value = up;
    found.unshift(make("label", {}, `${short(doc.modules[parentOf[up]].name, 20) || "block"} `, select));
  }
  return found;
}
function layOut(here) {
  const boxOf = new Map();
  for (const box of here) for (const node of box.module === undefined ? [box.node] : doc.modules[box.module].all) boxOf.set(node, box);
  const all = new Map(here.map((box) => [box.key, box]));
  const edges = new Map();
  const join = (from, to, convert) => {
    const key = `${from.key} ${to.key}`;
    if (from !== to && !edges.has(key)) edges.set(key, { from, to, converts: [] });
    if (from !== to && convert) edges.get(key).converts.push(convert);
  };
  const stub = (node) => {
    const key = `o${node}`;
    if (!all.has(key) && all.size < here.length + MOST_STUBS) all.set(key, { key, node, outside: true });
    return all.get(key);
  };
  for (const [node, box] of boxOf) {
    for (const port of doc.nodes[node].inputs) {
      const from = port.from === null ? null : boxOf.get(port.from) || stub(port.from);
      if (from) join(from, box, convertsAt[node].find((each) => each.producer === port.name));
    }
    for (const user of users[node]) {
      const to = boxOf.has(user) ? null : stub(user);
      if (to) join(box, to, convertsAt[user].find((each) => each.producer === doc.nodes[node].name));
    }
  }
  const laid = new dagre.graphlib.Graph();
  laid.setGraph({ ranksep: 30, nodesep: 18, marginx: 12, marginy: 12 });
  for (const box of all.values()) laid.setNode(box.key, { width: 176, height: 40 });
  for (const edge of edges.values()) {
    laid.setEdge(edge.from.key, edge.to.key, edge.converts.length ? { width: 90, height: 20, labelpos: "c" } : {});
  }
  dagre.layout(laid);
  const size = laid.graph();
  const svg = draw("svg", { width: Math.ceil(size.width), height: Math.ceil(size.height) });
  svg.append(draw("defs", {}, draw("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" },
    draw("path", { d: "M0 0L8 4L0 8z", fill: "#70767d" }))));
  for (const edge of edges.values()) svg.append(drawEdge(laid.edge(edge.from.key, edge.to.key), edge.converts));
  const ordered = [...all.values()].sort((one, other) => laid.node(one.key).y - laid.node(other.key).y || laid.node(one.key).x - laid.node(other.key).x);
  const first = ordered.find((box) => box.node === state.node && !box.outside) || ordered.find((box) => !box.outside) || ordered[0];
  for (const box of ordered) svg.append(drawBox(box, laid.node(box.key), box === first));
  return svg;
}
function drawEdge(edge, converts) {
  const path = draw("path", { class: converts.length ? "edge convert" : "edge", "marker-end": "url(#arrow)",
    d: `M${edge.points.map((point) => `${point.x.toFixed(1)} ${point.y.toFixed(1)}`).join("L")}` });
  if (!converts.length) return path;
  const text = converts.length > 1 ? `◆ ${converts.length} converts` : `◆ ${short(`${converts[0].source}→${converts[0].target}`, 14)}`;
  return draw("g", { class: "bubble" }, path,
    draw("rect", { x: edge.x - 45, y: edge.y - 10, width: 90, height: 20, rx: 10 }), draw("text", { x: edge.x, y: edge.y + 4 }, text));
}
function drawBox(box, at, first) {
  const isModule = box.module !== undefined;
  const node = isModule ? null : doc.nodes[box.node];
  const inner = isModule ? doc.modules[box.module] : null;
  const name = isModule ? inner.name : `${node.deviations.length ? "▲ " : ""}${called(node)}`;
  const encoding = node && node.output ? nameOf(node.output.chosen) : "";
  const place = node && node.placement === "cpu" ? "CPU" : short(encoding, 10);
  const below = isModule
    ? `${plural(inner.all.length, "op")}${inner.deviates ? ` ▲${inner.deviates}` : ""}${inner.converts ? ` ◆${inner.converts}` : ""}`
    : `${place ? `${place} · ` : ""}${short(node.name, 22)}`;
  const act = () => (isModule ? enter(box.module) : box.outside ? showNode(box.node) : pick(box.node));
  return draw("g", { class: `box ${isModule ? "module" : box.outside ? "outside" : classOf(node)}${box.node === state.node ? " chosen" : ""}`,
    role: "button", tabindex: first ? 0 : -1, "data-key": box.key, transform: `translate(${at.x - 88} ${at.y - 20})`,
    onclick: act, onkeydown: (event) => graphKey(event, act) },
    draw("rect", { width: 176, height: 40, rx: 4 }),
    draw("text", { x: 88, y: 17 }, short(name, 24)), draw("text", { x: 88, y: 32, class: "small" }, below));
}
const boxElements = () => [...byId("graph").querySelectorAll(".box")];
function graphKey(event, act) {
  const boxes = boxElements();
  const at = boxes.indexOf(event.currentTarget);
  const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: boxes.length - 1 }[event.key];
  if (event.key === "Enter" || event.key === " ") act();
  else if (event.key === "Escape" || event.key === "Backspace") leave();
  else if (to === undefined) return;
  else if (boxes[to]) hold(boxes[to], boxes);
  event.preventDefault();
}
function hold(element, boxes) {
  for (const each of boxes) each.setAttribute("tabindex", each === element ? 0 : -1);
  element.focus();
}
const focusGraph = () => { const held = byId("graph").querySelector('[tabindex="0"]'); if (held) held.focus(); };
function pick(node) {
  state.node = node;
  for (const each of boxElements()) each.classList.toggle("chosen", each.dataset.key === `n${node}`);
  drawPanel();
}
function revealNode(node) {
  const element = byId("graph").querySelector(`[data-key="n${node}"]`);
  if (element) { hold(element, boxElements()); element.scrollIntoView({ block: "center", inline: "center" }); }
}
function enter(module) {
  choose(module);
  focusGraph();
}
function leave() {
  const parent = parentOf[state.module];
  if (parent === null) return;
  choose(parent);
  focusGraph();
}
