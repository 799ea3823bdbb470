"use strict";
// The search list: only rows in view are in the page.
const HIT = 40;
let hits = [];
let active = 0;
const haystack = doc.nodes.map((node, at) => `${node.name} ${called(node)} ${node.target} ${doc.modules[moduleOf[at]].path}`.toLowerCase());
const FILTERS = {
  "": () => true,
  deviates: (node) => node.deviations.length > 0,
  converts: (node, at) => convertsAt[at].length > 0,
  cpu: (node) => node.placement === "cpu",
  conflict: (node) => inConflict.has(node.name),
  lost: (node, at) => isLost(at),
};
function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = FILTERS[byId("filter").value];
  const on = words.length > 0 || byId("filter").value !== "";
  hits = [];
  if (on) doc.nodes.forEach((node, at) => { if (kept(node, at) && words.every((word) => haystack[at].includes(word))) hits.push(at); });
  active = 0;
  byId("list").hidden = !on;
  byId("tree").hidden = on;
  byId("search").setAttribute("aria-expanded", String(on));
  byId("found").textContent = on ? plural(hits.length, "node") : "";
  byId("list").scrollTop = 0;
  drawList();
}
function drawList() {
  const list = byId("list");
  const from = Math.max(0, Math.floor(list.scrollTop / HIT) - 3);
  const to = Math.min(hits.length, from + Math.ceil((list.clientHeight || 600) / HIT) + 6);
  const space = make("div", { role: "presentation" });
  space.style.height = `${hits.length * HIT}px`;
  list.replaceChildren(space, ...hits.slice(from, to).map((node, at) => hitRow(node, from + at)));
  const shownActive = hits.length && byId(`hit${active}`);
  for (const each of ["search", "list"]) {
    if (shownActive) byId(each).setAttribute("aria-activedescendant", `hit${active}`);
    else byId(each).removeAttribute("aria-activedescendant");
  }
}
function hitRow(at, place) {
  const node = doc.nodes[at];
  const row = make("div", { id: `hit${place}`, class: "hit", role: "option", "aria-selected": String(place === active), "aria-posinset": place + 1,
    "aria-setsize": hits.length, onclick: () => { active = place; drawList(); showNode(at); } },
    make("bdi", {}, short(`${node.deviations.length ? "▲ " : ""}${called(node)} ${node.name}`, 80)), make("br"),
    make("small", {}, `${node.output ? `${nameOf(node.output.chosen)} · ` : ""}${short(doc.modules[moduleOf[at]].path, 80)}`));
  row.style.top = `${place * HIT}px`;
  return row;
}
function listKey(event) {
  const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + 10, PageUp: active - 10 }[event.key];
  if (event.key === "Enter" && hits.length) showNode(hits[active]);
  else if (event.key === "Escape") { byId("search").value = ""; byId("filter").value = ""; search(); byId("search").focus(); }
  else if (to === undefined || !hits.length) return;
  else {
    active = Math.min(Math.max(to, 0), hits.length - 1);
    const list = byId("list");
    list.scrollTop = Math.min(Math.max(list.scrollTop, (active + 1) * HIT - list.clientHeight), active * HIT);
    drawList();
  }
  event.preventDefault();
}
