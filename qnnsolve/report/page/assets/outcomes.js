"use strict";
// What came of it beside the solve: the program of an export, the front of a search.
const dB = (value) => (typeof value === "number" ? `${value.toFixed(2)} dB` : value === null ? "not measured" : `${value} dB`);
const table = (head, rows) => make("div", { class: "wide", tabindex: 0, role: "group", "aria-label": head.join(", ") }, make("table", {},
  make("thead", {}, make("tr", {}, head.map((each) => make("th", { scope: "col" }, each)))),
  make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell) => make("td", {}, cell)))))));

function program() {
  const made = doc.export;
  if (made === null) return [];
  const verdict = made.verdict === "disagrees" ? "card conflict" : "card fine";
  return [
    make("h3", {}, "Program"),
    facts([["file", made.pte], ["size", plural(made.bytes, "byte")], ["delegates", String(made.delegates)],
      ["on the CPU", plural(made.cpu_ops.length, "op")], ["stages", made.timings.map(([name, seconds]) => `${name} ${seconds.toFixed(1)} s`).join(", ")]]),
    make("div", { class: verdict }, made.said.map((line) => make("p", {}, line))),
    made.outputs.length ? table(["output", "emulator", "emulator SQNR", "converted SQNR", "largest error"], made.outputs.slice(0, MOST_CARDS).map((each) =>
      [String(each.index), each.verdict || "–", each.emulator || "–", each.converted || "–", each.error || "–"])) : null,
    made.outputs.length > MOST_CARDS ? make("p", { class: "quiet" }, `and ${made.outputs.length - MOST_CARDS} more outputs`) : null,
    made.random.length ? make("p", { class: "quiet" }, `random, not compared: output ${made.random.join(", ")}`) : null,
    section("It cannot run here", made.unrunnable.map((each) => make("p", {}, each))),
    section("Ops on the CPU", made.cpu_ops.map((each) => make("p", {}, link(each.name), ` (${each.target}): ${each.reason}`))),
    section("Calibration", made.calibration.map((each) => make("p", {}, each))),
  ];
}

const CHART = { width: 330, height: 220, left: 44, right: 14, top: 12, bottom: 34 };
/** The front: decibels over the cost of the axis. Each point is a button; its figures stand below. */
function front() {
  const found = doc.search;
  if (found === null) return [];
  const about = make("div", { id: "point", role: "status" });
  const shown = (each) => (typeof each.measured === "number" ? each.measured : each.predicted);
  const drawn = [...found.points.map((each, at) => ({ each, name: `point ${at + 1}`, kind: "point" })),
    ...found.uniforms.map((each) => ({ each, name: each.name, kind: "uniform" }))].filter(({ each }) => typeof shown(each) === "number");
  const picked = make("select", { "aria-label": "Point", onchange: () => tell(drawn[picked.selectedIndex]) }, drawn.map(({ name }) => make("option", {}, name)));
  const tell = (entry) => {
    picked.selectedIndex = drawn.indexOf(entry);
    about.replaceChildren(...pointCard(entry).flat(9).filter((each) => each !== null && each !== undefined));
  };
  if (drawn.length) tell(drawn.filter(({ kind }) => kind === "point").pop() || drawn[0]);
  return [
    make("h3", {}, "Search"),
    make("p", { class: "quiet" }, `mixed precision of ${found.candidates.join(", ")} over ${plural(found.samples, "sample")}; the page shows the last point`),
    drawn.length ? [chart(drawn, shown, tell), picked] : null,
    about,
    found.notes.map((note) => make("p", { class: "quiet" }, note)),
    section("Noisiest sites", found.sensitivities.slice(0, 30).map(sensitivity)),
    found.sensitivities.length ? make("p", { class: "quiet" }, `SQNR at the outputs if nothing else were rounded (estimate); ${
      (found.sensitivities.length + found.quieter).toLocaleString("en")} in all`) : null,
  ];
}
function chart(drawn, shown, tell) {
  const { width, height, left, right, top, bottom } = CHART;
  const span = (values) => { const [low, high] = [Math.min(...values), Math.max(...values)]; return [low, high > low ? high - low : 1]; };
  const [leastX, overX] = span(drawn.map(({ each }) => each.x));
  const [leastY, overY] = span(drawn.map(({ each }) => shown(each)));
  const x = (each) => left + 8 + ((each.x - leastX) / overX) * (width - left - right - 16);
  const y = (value) => height - bottom - 8 - ((value - leastY) / overY) * (height - top - bottom - 16);
  const axis = (amounts) => amounts[0][1];
  const ends = [...drawn].sort((one, other) => one.each.x - other.each.x);
  const line = ends.filter(({ kind }) => kind === "point").map(({ each }) => `${x(each).toFixed(1)},${y(shown(each)).toFixed(1)}`).join(" ");
  return draw("svg", { id: "front", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Front of the search" },
    draw("path", { class: "edge", d: `M${left},${top}V${height - bottom}H${width - right}` }),
    draw("polyline", { class: "edge", points: line }),
    draw("text", { x: left + 8, y: height - bottom + 14, class: "small" }, axis(ends[0].each.amounts)),
    draw("text", { x: width - right - 20, y: height - bottom + 14, class: "small" }, axis(ends[ends.length - 1].each.amounts)),
    draw("text", { x: (left + width - right) / 2, y: height - 6, class: "small" }, doc.search.axis),
    draw("text", { x: left / 2, y: y(leastY) + 4, class: "small" }, leastY.toFixed(1)),
    draw("text", { x: left / 2, y: y(leastY + overY) + 4, class: "small" }, (leastY + overY).toFixed(1)),
    draw("text", { x: left / 2, y: (top + height - bottom) / 2, class: "small" }, "dB"),
    [...drawn].reverse().map((entry) => mark(entry, x(entry.each), y(shown(entry.each)), tell)));
}
function mark(entry, x, y, tell) {
  const shape = entry.kind === "point" ? draw("circle", { cx: x, cy: y, r: 5 }) : draw("rect", { x: x - 5, y: y - 5, width: 10, height: 10 });
  return draw("g", { class: `mark ${entry.kind}`, role: "button", tabindex: 0, "data-name": entry.name, onclick: () => tell(entry),
    onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); tell(entry); } } },
    draw("title", {}, entry.name), draw("circle", { cx: x, cy: y, r: 11, class: "reach" }), shape);
}
function pointCard({ each, name }) {
  const rows = [["measured", dB(each.measured)], ["predicted", dB(each.predicted)], ["at best", typeof each.bound !== "number" ? "" : dB(each.bound)],
    ["gap", each.gap === undefined ? "" : `${(each.gap * 100).toPrecision(3)} %`], ["metric", each.metric === null ? "" : each.metric.toPrecision(6)], ...each.amounts,
    ...Object.entries(each.budgets || {}).map(([cost, most]) => [`${cost} at most`, most]),
    ...Object.entries(each.prices || {}).map(([cost, price]) => [`1 % more ${cost}`, `${price > 0 ? "+" : ""}${price.toFixed(3)} dB`])];
  const differs = each.differs || [];
  return [make("h3", {}, name), each.found_as ? make("p", {}, each.found_as) : null, facts(rows),
    differs.length ? make("details", {}, make("summary", {}, `${plural(differs.length, "site")} otherwise than shown here`),
      make("ul", {}, differs.slice(0, MOST_CARDS).map(([node, site, encoding]) => make("li", {}, place(node, site), `: ${encoding}`))),
      differs.length > MOST_CARDS ? make("p", { class: "quiet" }, `and ${differs.length - MOST_CARDS} more`) : null) : null];
}
const place = (node, site) => (node === null ? make("bdi", {}, site) : link(doc.nodes[node].name, site));
function sensitivity([node, site, encoding, sqnr]) {
  const length = typeof sqnr === "number" ? Math.max(2, Math.min(100, 100 - sqnr)) : 2;
  const bar = make("span", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${length}px`;
  return make("p", { class: "noise" }, bar, " ", place(node, site), ` ${encoding}: ${dB(sqnr)}`);
}
