"use strict";
// The chart: two panels over the same minutes, drawn anew with each answer.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 44, RIGHT = 10, TOP = 24, RATES = 150, GAP = 38, BACKLOG = 96, BOTTOM = 24;
const MINUTE_MS = 60_000, CHART_MS = 5 * MINUTE_MS;
// Lines of the log come some seconds late: a younger step would be too low.
const SETTLED_MS = 4000;
// A line is broken where nobody asked for longer.
const BREAK_MS = 20_000;

function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The next round number: the axis does not jump with each event.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 3, 4, 6, 8, 10].map(step => step * power).find(step => step >= value);
}

const short = value => (value >= 10_000 ? `${(value / 1000).toLocaleString("en")}k` : value.toLocaleString("en"));
const most = values => values.reduce((high, value) => Math.max(high, value), 0);

function panel(svg, name, top, height, width, high) {
  svg.append(node("text", { class: "name", x: LEFT, y: top - 9 }, name));
  for (const share of [0, 0.5, 1]) {
    const y = top + height * (1 - share);
    svg.append(node("line", { class: share ? "grid" : "axis", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
    svg.append(node("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, short(high * share)));
  }
  return value => top + height * (1 - value / high);
}

// Points that belong together, each run as a path of its own.
function runs(points) {
  const found = [];
  for (const point of points) {
    const run = found.at(-1);
    if (run && point.at - run.at(-1).at <= BREAK_MS) run.push(point);
    else found.push([point]);
  }
  return found;
}

function line(svg, points, x, y, kind, area) {
  for (const run of runs(points)) {
    const path = run.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join("L");
    const [first, last] = [run[0], run.at(-1)].map(({ at }) => x(at).toFixed(1));
    if (area) svg.append(node("path", { class: `${kind}-area`, d: `M${first},${y(0)}L${path}L${last},${y(0)}Z` }));
    svg.append(node("path", { class: `line ${kind}`, d: `M${path}` }));
  }
}

function describe(chart) {
  const [now, before] = [chart.samples.at(-1), chart.samples.at(-3)].map(sample => sample && sample[1] + sample[2]);
  const half = name => chart[name].slice(-6).reduce((sum, value) => sum + value, 0) / 6;
  const trend = before === undefined || now === before ? "" : now > before ? ", growing" : ", shrinking";
  const backlog = now === undefined ? "not known" : `${now} messages${trend}`;
  const rates = chart.in.length ? `In ${half("in").toFixed(1)} and out ${half("out").toFixed(1)} events a second` : "Rates not known";
  return `${rates}; backlog ${backlog}.`;
}

function draw(place, chart, now) {
  const width = Math.max(place.clientWidth, 260), lower = TOP + RATES + GAP, height = lower + BACKLOG + BOTTOM;
  const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": describe(chart) });
  const x = at => LEFT + ((at - now + CHART_MS) / CHART_MS) * (width - LEFT - RIGHT);
  for (let minute = 0; minute <= 5; minute += 1) {
    const at = x(now - minute * MINUTE_MS);
    svg.append(node("line", { class: "grid", x1: at, x2: at, y1: TOP, y2: lower + BACKLOG }));
    const anchor = minute ? "middle" : "end";
    const label = minute ? `−${minute} min` : "now";
    if (width > 480 || minute % 2 === 0) svg.append(node("text", { x: at, y: height - 6, "text-anchor": anchor }, label));
  }

  // Each step at its end.
  const steps = name =>
    chart[name]
      .map((value, step) => ({ at: chart.from_ms + (step + 1) * chart.step_ms, value }))
      .filter(({ at }) => x(at) >= LEFT && at <= now - SETTLED_MS);
  const rate = panel(svg, "events a second", TOP, RATES, width, roundUp(most([...chart.in, ...chart.out])));
  line(svg, steps("out"), x, rate, "out", true);
  line(svg, steps("in"), x, rate, "in", false);

  const samples = chart.samples.filter(([at]) => x(at) >= LEFT);
  const depth = panel(svg, "messages in the queue", lower, BACKLOG, width, roundUp(most(samples.map(([, visible, hidden]) => visible + hidden))));
  line(svg, samples.map(([at, visible, hidden]) => ({ at, value: visible + hidden })), x, depth, "visible", true);
  line(svg, samples.map(([at, , hidden]) => ({ at, value: hidden })), x, depth, "hidden-messages", false);
  place.replaceChildren(svg);
}
