"use strict";
// Where accuracy is lost: what a comparison node by node found.
const NEAR = 10;  // decibels above the bound that are still told apart
const LOSS = { lost: "#b3140a", near: "#d9a400", fine: "#2f8f5b" };
const compared = (at) => (doc.compare && doc.compare.nodes[at]) || null;
const below = (figure, most) => figure === "-inf" || figure === "nan" || (typeof figure === "number" && figure < most);
/** The figures of a node that may be too low: of the converted model, and of the emulator against it. */
const figuresOf = (found) => [found.own, found.accumulated, ...(found.emulator ? [found.emulator.own, found.emulator.accumulated] : [])].map(([all]) => all);
const isLost = (at) => compared(at) !== null && figuresOf(compared(at)).some((each) => below(each, doc.compare.bound));
function lossColor(at) {
  const found = compared(at);
  if (found === null) return null;
  const [all] = found.accumulated;
  return LOSS[below(all, doc.compare.bound) ? "lost" : below(all, doc.compare.bound + NEAR) ? "near" : "fine"];
}
const decibels = ([all, worst]) => `${tenth(all)} dB${worst === all ? "" : ` (worst sample ${tenth(worst)})`}`;
const tenth = (value) => (typeof value === "number" ? value.toFixed(1) : value);
const share = (value) => (value === null ? "" : `${Number((value * 100).toPrecision(3))} %`);

function accuracyOf(at) {
  const found = compared(at);
  if (found === null) return [];
  const emulator = found.emulator ? [["emulator, own", decibels(found.emulator.own)], ["emulator, accumulated", decibels(found.emulator.accumulated)],
    ["emulator differs", found.emulator.differs]] : [];
  return [make("h3", {}, "Accuracy"), make("div", { class: isLost(at) ? "card conflict" : "card fine", id: "accuracy" },
    facts([["own error", decibels(found.own)], ["more than explained", found.excess === null ? "" : `${tenth(found.excess)} dB`], ["accumulated", decibels(found.accumulated)], ["beyond its range", share(found.saturated)],
      ["range unused", share(found.unused)], ...emulator]))];
}
function accuracy() {
  if (!doc.compare) return [];
  const ranked = Object.keys(doc.compare.nodes).map(Number).sort((one, other) => rank(one) - rank(other)).slice(0, 10);
  return [make("h3", {}, "Accuracy"),
    make("p", { class: "quiet" }, `SQNR against the float model over ${plural(doc.compare.samples, "sample")}${
      doc.compare.emulated ? `, and of the emulator against the converted model over ${plural(doc.compare.emulated, "sample")}` : ""}`),
    make("div", { class: "card", id: "firsts" }, doc.compare.said.map((line) => make("p", {}, line))),
    doc.compare.notes.map((note) => make("p", {}, note)),
    section("Largest own errors", ranked.map((at) => make("p", {}, link(doc.nodes[at].name), `: ${decibels(compared(at).own)}, accumulated ${decibels(compared(at).accumulated)}`)))];
}
const rank = (at) => { const [all] = compared(at).own; return typeof all === "number" ? all : all === "inf" ? Infinity : -Infinity; };
/** What the lowest line of the ribbon shows, and a filter for it. */
function explainStrip() {
  const { bound } = doc.compare;
  const key = (kind, text) => make("li", {}, make("span", { class: `key ${kind}` }), text);
  byId("legend").append(key("lost", `accumulated SQNR below ${bound} dB`), key("near", `below ${bound + NEAR} dB`), key("kept", "above"));
  byId("filter").append(make("option", { value: "lost" }, `below ${bound} dB`));
}
