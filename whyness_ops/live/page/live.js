"use strict";
// Asks for the numbers once a second while the tab is visible, and shows them.

const ASK_EACH_MS = 1000;
const SIGNS = { well: "✓", warn: "!", ill: "✕", unclear: "?" };
// After '#': a browser sends it nowhere.
const headers = { "X-Whyness-Token": location.hash.slice(1) };
const at = id => document.getElementById(id);
const shown = new Map();
let newest, timer;

function make(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// What has not changed is left alone: the selection stays, and a screen reader is not told again.
function ifChanged(id, value, show) {
  const text = JSON.stringify(value);
  if (shown.get(id) !== text) show(at(id), value);
  shown.set(id, text);
}

const list = (id, items, one) => ifChanged(id, items, place => place.replaceChildren(...items.map(one)));

const latest = (id, items, one) =>
  ifChanged(id, items, place => {
    const text = items ? "None in the last 15 minutes." : "Not known.";
    place.replaceChildren(...(items?.length ? items.map(one) : [make("li", { className: "none" }, text)]));
  });

function headline({ level, text, do: command }) {
  ifChanged("how", { level, text, command }, place => {
    at("headline").dataset.level = level;
    at("sign").textContent = SIGNS[level];
    place.textContent = text;
    at("do").hidden = !command;
    at("do").textContent = `whyness-mixpanel ${command}`;
    document.title = `${SIGNS[level]} ${text}`;
  });
}

const isIll = ({ name, value }) => (name === "Breaker" && value === "open") || (name === "Dead letters" && !["0", "?"].includes(value));
const tile = found =>
  make("div", { className: isIll(found) ? "ill" : "" }, make("dt", {}, found.name),
    make("dd", { className: "value" }, found.value), make("dd", { className: "note" }, found.note));

const failure = ({ at: time, reason, is_dead, detail, times, of, ids }) =>
  make("li", { className: is_dead ? "died" : "waits" }, make("time", {}, time),
    make("div", {}, make("p", {}, make("strong", {}, reason), times > 1 ? ` ${times} times: ` : " ", detail),
      ids.length ? make("p", { className: "ids" }, `${of} such as ${ids.join(", ")}`) : ""));
const invocation = ({ at: time, text }) => make("li", {}, make("time", {}, time), make("p", {}, text));

const row = (head, ...cells) =>
  make("tr", {}, make("th", { scope: "row" }, head), ...cells.map(cell => make("td", {}, cell)));

function deadTable(dead) {
  ifChanged("dead", dead, place => {
    const rows = (dead ?? []).map(({ reason, lately, in_a_day }) => row(reason, String(lately), in_a_day === null ? "not here" : String(in_a_day)));
    place.tBodies[0].replaceChildren(...(rows.length ? rows : [dead ? row("none", "0", "") : row("not known")]));
  });
}

// Half a minute a row: who listens to a table does not want sixty.
function steps(chart) {
  if (!at("as-table").open) return;
  const rows = [];
  for (let first = chart.in.length - 6; first >= 0; first -= 6) {
    const mean = name => (chart[name].slice(first, first + 6).reduce((sum, value) => sum + value, 0) / 6).toFixed(1);
    const until = chart.from_ms + (first + 6) * chart.step_ms;
    const sample = chart.samples.filter(([when]) => when <= until && when > until - 6 * chart.step_ms).at(-1);
    const time = new Date(until).toISOString().slice(11, 19);
    rows.push(row(time, mean("in"), mean("out"), mean("dead"), sample ? String(sample[1] + sample[2]) : "–"));
  }
  ifChanged("steps", rows.map(({ textContent }) => textContent), place => place.replaceChildren(...rows));
}

function controls(buttons) {
  at("controls").hidden = !buttons;
  for (const { name, label, help, is_on, group } of buttons ?? []) {
    let button = document.querySelector(`button[data-name=${name}]`);
    if (!button) {
      button = make("button", { type: "button", title: help }, label);
      button.dataset.name = name;
      button.addEventListener("click", () => press(button));
      document.querySelector(`[data-group=${group}]`).append(button);
    }
    if (is_on !== null) button.setAttribute("aria-pressed", is_on);
  }
}

async function press(button) {
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  at("said").textContent = `${button.textContent} …`;
  try {
    const answer = await fetch(`press/${button.dataset.name}`, { method: "POST", headers });
    const { said, error } = await answer.json();
    at("said").textContent = said ?? error;
  } catch {
    at("said").textContent = "Nothing answers.";
  }
  button.ariaDisabled = null;
  look();
}

function show(found) {
  newest = found;
  at("stack").textContent = found.stack;
  headline(found.headline);
  list("faults", found.faults, text => make("li", {}, text));
  controls(found.buttons);
  list("tiles", found.tiles, tile);
  draw(at("chart"), found.chart, found.now_ms);
  steps(found.chart);
  deadTable(found.dead);
  latest("failures", found.failures, failure);
  latest("invocations", found.invocations, invocation);
  at("cost").textContent = found.cost;
}

function complain(text) {
  headline({ level: "unclear", text, do: "" });
  list("faults", [], String);
  controls(null);
}

// A hidden tab asks for nothing, and so does the server at AWS.
async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const answer = await fetch("numbers", { headers });
    const found = await answer.json();
    if (answer.ok) show(found);
    else complain(found.error);
  } catch (error) {
    complain(error instanceof TypeError ? "Nothing answers. Start whyness-mixpanel live again." : String(error));
  }
  clearTimeout(timer);
  timer = setTimeout(look, ASK_EACH_MS);
}

document.addEventListener("visibilitychange", look);
at("as-table").addEventListener("toggle", () => newest && steps(newest.chart));
new ResizeObserver(() => newest && draw(at("chart"), newest.chart, newest.now_ms)).observe(at("chart"));
look();
