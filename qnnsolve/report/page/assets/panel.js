"use strict";
// What is known of one node; without one, of the whole.
const MOST_CARDS = 100;
const cited = (sources) => sources.map((at) => make("p", { class: "quiet" }, `${doc.sources[at].kind}: ${doc.sources[at].citation}`));
const facts = (pairs) => make("dl", {}, pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined)
  .map(([name, value]) => [make("dt", {}, name), make("dd", {}, value instanceof Node ? value : make("bdi", {}, value))]));
const link = (name, text = name) => indexOf.has(name)
  ? make("button", { class: "link", type: "button", onclick: () => showNode(indexOf.get(name)) }, make("bdi", {}, text))
  : make("bdi", {}, text);
const section = (title, kids) => (kids.length ? [make("h3", {}, title), kids.slice(0, MOST_CARDS),
  kids.length > MOST_CARDS ? make("p", { class: "quiet" }, `and ${kids.length - MOST_CARDS} more: the filter beside the search lists all`) : null] : []);

const deviationCard = (each) => make("div", { class: "card" },
  make("p", {}, "▲ ", make("bdi", {}, each.site), `: ${each.requested} → ${each.chosen}`), make("p", {}, `because ${each.reason} [${each.rule}]`),
  each.asked_by ? make("p", {}, `asked by ${each.asked_by}`) : null, cited(each.sources));
const convertCard = (each) => make("div", { class: "card convert" },
  make("p", {}, `◆ convert ${each.source} → ${each.target} from `, link(each.producer), " to ", link(each.user),
    `, ${each.numel === null ? "" : `${plural(each.numel, "element")}, `}cost ${each.price.toLocaleString("en")}`),
  make("p", {}, `because ${each.reason} [${each.rule}]`), cited(each.sources));
const conflictCard = (each) => make("div", { class: "card conflict" }, make("p", {}, each.text),
  make("p", {}, "at ", each.nodes.map((name, at) => [at ? ", " : "", link(name)])),
  make("ol", {}, each.constraints.map((one) => make("li", {}, one))),
  (each.hints ?? []).map((one) => make("p", { class: "quiet" }, `hint: ${one}`)), cited(each.sources));

/** What a candidate costs more than the answer: see `_coded` in explaining.py. */
function offer(price) {
  if (price === false) return "no config has it";
  if (Array.isArray(price)) return `only with more ops on the CPU, and ${price[0].toLocaleString("en")} more`;
  return price ? `legal, the best config that has it costs ${price.toLocaleString("en")} more` : "legal, at the same cost";
}
function whyNot(port) {
  if (port.prices === undefined || doc.sets[port.set].length < 2) return null;
  const told = doc.sets[port.set].map((encoding, place) => {
    if (encoding === port.chosen) return null;
    const steps = (port.refused || {})[place];
    return make("li", {}, make("strong", {}, nameOf(encoding)), `: ${offer(doc.prices[port.prices][place])}`,
      steps === undefined ? null : make("ol", {}, doc.refusals[steps].map((step) => make("li", {}, step))));
  });
  const alike = port.alike === undefined ? null
    : make("p", { class: "quiet" }, "the steps stand at ", link(doc.nodes[port.alike].name), ", a node that looks like this one");
  return make("details", { class: "not" }, make("summary", {}, "why not"), make("ul", {}, told), alike);
}
function portRow(title, port, kind) {
  const candidates = port.set === null ? "" : doc.sets[port.set].map(nameOf).join(", ");
  return [make("tr", {},
    make("th", { scope: "row" }, title, kind ? make("span", { class: "quiet" }, kind) : null),
    make("td", {}, nameOf(port.chosen) || "–"), make("td", {}, nameOf(port.asked) || "–"), make("td", {}, candidates || "–")),
  make("tr", {}, make("td", { colspan: 4 },
    port.why.length ? make("details", {}, make("summary", {}, "why"), make("ol", {}, port.why.map((step) => make("li", {}, step)))) : null,
    whyNot(port)))];
}
function drawPanel() {
  byId("panel").replaceChildren(...(state.node === null ? summary() : aboutNode(doc.nodes[state.node], state.node)).flat(9).filter((each) => each !== null));
  byId("panel").scrollTo(0, 0);
}
function aboutNode(node, at) {
  const line = node.line === null ? "" : `${doc.lines[node.line][0]}:${doc.lines[node.line][1]}: ${doc.lines[node.line][2]}`;
  const ports = node.inputs.map((port, place) =>
    portRow([`input ${place} `, link(port.name)], port, ` ${port.role === "activation" ? "" : `${port.role} `}${port.shape}`));
  if (node.output) ports.push(portRow("output", node.output, ""));
  return [
    make("button", { type: "button", onclick: () => { pick(null); focusGraph(); } }, "◂ summary"),
    make("h3", { id: "about" }, `${called(node)} `, make("bdi", {}, node.name)),
    facts([["module", doc.modules[moduleOf[at]].path], ["aten", node.target], ["runs on", node.placement], ["shape", node.shapes.join(", ")],
      ["line", line], ["cost", node.cost ? node.cost.toLocaleString("en") : "0"]]),
    accuracyOf(at),
    ports.length ? make("table", {}, make("thead", {}, make("tr", {}, ["port", "chosen", "asked", "candidates"].map((each) => make("th", { scope: "col" }, each)))),
      make("tbody", {}, ports)) : null,
    section("Why it is not what was asked for", node.deviations.map(deviationCard)),
    section("Converts", convertsAt[at].map(convertCard)),
    section("Conflicts", doc.conflicts.filter((each) => each.nodes.includes(node.name)).map(conflictCard)),
  ];
}
function summary() {
  const cost = doc.cost === null ? "" : `${doc.cost.toLocaleString("en")}${doc.proof === "optimal" ? ", proven optimal" : doc.proof ? `, at most ${doc.proof} off` : ""}`;
  const wishes = doc.wishes.map((each) => make("p", {}, `${each.words}: ${plural(each.nodes, "node")}, ${each.kept} kept, ${each.missed} missed`));
  return [
    make("h3", {}, "Summary"),
    facts([["chipset", `${doc.soc} (${doc.backend} ${doc.arch})`], ["precision", doc.precision], ["cost", cost], ...doc.breakdown.map(([name, sum]) => [name, sum.toLocaleString("en")]),
      ["stopped by", doc.limit], ["made by", doc.made_by]]),
    doc.notes.map((note) => make("p", {}, note)),
    doc.unpriced.map((note) => make("p", { class: "quiet" }, note)),
    program(),
    accuracy(),
    front(),
    section("Conflicts", doc.conflicts.map(conflictCard)),
    section("Ways out", doc.ways_out.map((each) => make("p", {}, each))),
    section("Wishes", wishes),
    section("Deviations", doc.nodes.flatMap((node) => node.deviations.map((each) => make("p", {}, "▲ ", link(node.name), `: ${each.requested} → ${each.chosen} [${each.rule}]`)))),
    section("Converts", doc.converts.map((each) => make("p", {}, `◆ ${each.source} → ${each.target} before `, link(each.user), `, cost ${each.price.toLocaleString("en")}`))),
    section("Operator facts", doc.facts.map((each) => make("p", { class: "quiet" }, `${each.source}: ${each.used ? "" : "not used, "}${each.detail}`))),
  ];
}
