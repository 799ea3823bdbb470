"use strict";
// The document, what follows from it, and how elements are made. Text from it only ever becomes text.
const doc = JSON.parse(document.getElementById("document").textContent);
const state = { module: 0, page: 0, node: null };
const byId = (id) => document.getElementById(id);
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]/gu;

/** Text whose control characters, and marks that turn the direction of text, are seen and do nothing. */
const shown = (text) => String(text).replace(UNSEEN, (sign) => `\\u${sign.codePointAt(0).toString(16).padStart(4, "0")}`);
const short = (text, most) => (shown(text).length > most ? `${shown(text).slice(0, most - 1)}…` : shown(text));

function fill(element, attributes, kids) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const kid of kids.flat(9)) if (kid !== null && kid !== undefined) element.append(kid instanceof Node ? kid : shown(kid));
  return element;
}
const make = (tag, attributes, ...kids) => fill(document.createElement(tag), attributes, kids);
const draw = (tag, attributes, ...kids) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, kids);

const nameOf = (encoding) => (encoding === null || encoding === undefined ? "" : doc.encodings[encoding].name);
const plural = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
const widthOf = (encoding) => {
  const bits = doc.encodings[encoding].bits;
  return bits === 0 ? "float" : bits <= 8 ? "w8" : bits <= 16 ? "w16" : "w32";
};
/** The class that colours a node: where it runs, else how wide what it yields is. */
const classOf = (node) => (node.placement === "cpu" ? "cpu" : node.output && node.output.chosen !== null ? widthOf(node.output.chosen) : "none");
const called = (node) => node.op || (node.target === "input" ? "input" : node.target.replace(/^aten\.|\.[A-Za-z_]+$/g, ""));

const users = doc.nodes.map(() => []);
const convertsAt = doc.nodes.map(() => []);
const inConflict = new Set(doc.conflicts.flatMap((each) => each.nodes));
const indexOf = new Map(doc.nodes.map((node, at) => [node.name, at]));
doc.nodes.forEach((node, at) => node.inputs.forEach((port) => { if (port.from !== null) users[port.from].push(at); }));
for (const each of doc.converts) if (each.at !== null) convertsAt[each.at].push(each);

/** Of every module: its parent, all nodes in and below it, and what is counted of them. */
const parentOf = doc.modules.map(() => null);
const moduleOf = doc.nodes.map(() => 0);
doc.modules.forEach((each, at) => {
  each.fold.flat().forEach((inner) => { parentOf[inner] = at; });
  each.nodes.forEach((node) => { moduleOf[node] = at; });
  each.all = each.nodes.slice();
  each.deviates = 0;
  each.converts = 0;
});
for (let at = doc.modules.length - 1; at >= 0; at -= 1) {
  const each = doc.modules[at];
  for (const node of each.nodes) {
    each.deviates += doc.nodes[node].deviations.length;
    each.converts += convertsAt[node].length;
  }
  if (parentOf[at] === null) continue;
  const parent = doc.modules[parentOf[at]];
  for (const node of each.all) parent.all.push(node);
  parent.deviates += each.deviates;
  parent.converts += each.converts;
}
doc.modules.forEach((each) => each.all.sort((one, other) => one - other));

/** Of every module: the alike neighbours that it is told with, and the one whose row in the tree stands for it. */
const groupOf = doc.modules.map(() => [0]);
const standIn = doc.modules.map(() => 0);
const childCalled = (module, name) => doc.modules[module].fold.flat().find((inner) => doc.modules[inner].name === name);
doc.modules.forEach((each, at) => each.fold.forEach((group) => group.forEach((inner) => {
  groupOf[inner] = group;
  const same = standIn[at] === at ? inner : childCalled(standIn[at], doc.modules[inner].name);
  standIn[inner] = standIn[at] === at ? group[0] : standIn[same];
})));
/** The module that is to `to` what `module` is to `from`, which is alike. */
function counterpart(module, from, to) {
  return module === from ? to : childCalled(counterpart(parentOf[module], from, to), doc.modules[module].name);
}

const COLORS = { w8: "#2f8f5b", w16: "#4a6fd0", w32: "#8a55b5", float: "#d9a400", cpu: "#c0392b", none: "#e4e7ea" };
/** One line of colour over these nodes. */
function paint(canvas, nodes, top, height, colorOf) {
  const context = canvas.getContext("2d");
  const step = canvas.width / Math.max(nodes.length, 1);
  nodes.forEach((node, at) => {
    const color = colorOf(node);
    if (!color) return;
    context.fillStyle = color;
    context.fillRect(Math.floor(at * step), top, Math.max(1, Math.ceil(step)), height);
  });
}
function strip(nodes) {
  const canvas = make("canvas", { class: "strip", width: 200, height: 6, "aria-hidden": "true" });
  paint(canvas, nodes, 0, 6, (node) => COLORS[classOf(doc.nodes[node])]);
  return canvas;
}
