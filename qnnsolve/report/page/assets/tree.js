"use strict";
// The tree of modules. Alike numbered neighbours are one row; the first stands for all.
const open = new Set();
let rows = [];

function rowsBelow(group, level) {
  const head = group[0];
  rows.push({ group, level });
  if (open.has(head)) for (const inner of doc.modules[head].fold) rowsBelow(inner, level + 1);
}
const titleOf = (group) => {
  const [first, last] = [doc.modules[group[0]], doc.modules[group[group.length - 1]]];
  if (group[0] === 0) return doc.model || "model";
  return group.length > 1 ? `${first.name}–${last.name} ×${group.length}` : first.name;
};

function drawTree() {
  const held = byId("tree").contains(document.activeElement);
  rows = [];
  rowsBelow([0], 1);
  const current = rows.find((row) => row.group[0] === standIn[state.module]) || rows[0];
  byId("tree").replaceChildren(...rows.map((row) => treeRow(row, row === current)));
  if (held) byId("tree").querySelector('[tabindex="0"]').focus();
}
function treeRow(row, current) {
  const modules = row.group.map((at) => doc.modules[at]);
  const sum = (key) => modules.reduce((total, each) => total + each[key], 0);
  const nodes = modules.flatMap((each) => each.all);
  const inside = modules[0].fold.length > 0;
  const expanded = open.has(row.group[0]);
  const element = make("div",
    { class: "row", role: "treeitem", "aria-level": row.level, "aria-selected": String(current), tabindex: current ? 0 : -1,
      "aria-expanded": inside ? String(expanded) : null,
      onclick: () => { if (inside && (current || !expanded)) toggle(row.group[0]); choose(row.group[0]); },
      onkeydown: (event) => treeKey(event, row) },
    make("div", { class: "top" },
      make("span", { class: "name" }, `${inside ? (expanded ? "▾ " : "▸ ") : ""}`, make("bdi", {}, short(titleOf(row.group), 120))),
      make("span", { class: "count" }, plural(nodes.length, "op"),
        sum("deviates") ? make("span", { class: "deviates" }, ` ▲${sum("deviates")}`) : null,
        sum("converts") ? make("span", { class: "converts" }, ` ◆${sum("converts")}`) : null)),
    strip(nodes));
  element.style.paddingLeft = `${4 + Math.min(row.level, 20) * 10}px`;
  return element;
}
function toggle(module) {
  if (!open.delete(module)) open.add(module);
}
function treeKey(event, row) {
  const at = rows.indexOf(row);
  const head = row.group[0];
  const inside = doc.modules[head].fold.length > 0;
  const go = (to) => rows[to] && choose(rows[to].group[0]);
  switch (event.key) {
    case "ArrowDown": go(at + 1); break;
    case "ArrowUp": go(at - 1); break;
    case "Home": go(0); break;
    case "End": go(rows.length - 1); break;
    case "ArrowRight": if (inside && !open.has(head)) { open.add(head); drawTree(); } else if (inside) go(at + 1); break;
    case "ArrowLeft":
      if (open.has(head)) { open.delete(head); drawTree(); }
      else if (parentOf[head] !== null) go(rows.findIndex((each) => each.group[0] === parentOf[head]));
      break;
    case "Enter": case " ": focusGraph(); break;
    default: return;
  }
  event.preventDefault();
}
/** Show a part of this module, with all around it open. */
function choose(module, node = null, page = 0) {
  Object.assign(state, { module, page, node });
  for (let up = parentOf[module]; up !== null; up = parentOf[up]) open.add(standIn[up]);
  drawTree();
  drawGraph();
  drawPanel();
}
function showNode(node) {
  const module = moduleOf[node];
  const at = boxesOf(module).findIndex((box) => box.node === node);
  choose(module, node, Math.floor(at / MOST_BOXES));
  revealNode(node);
}
