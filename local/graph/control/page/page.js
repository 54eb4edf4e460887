// The page of the simulator: state once from /_sim/state, then whatever happens from /_sim/live. Texts are only ever set as text.

import { draw, toneOf } from "/_sim/chart.js";

const MOST_ROWS = 200;
const TONES = { "--good": "good", "--warn": "warn", "--bad": "bad" };
const find = (id) => document.getElementById(id);

const shown = { attempts: [], changes: [], subscriptions: [], health: {}, clock: null, received: 0 };

// ---- calling

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await fetch(`/_sim/${path}`, options);
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error || `answered ${answer.status}`);
  return said;
}

async function act(button, path, body) {
  if (button) button.disabled = true;
  try {
    return await ask(path, body);
  } catch (problem) {
    notify(problem.message);
    return null;
  } finally {
    if (button) button.disabled = false;
  }
}

let hiding;
function notify(text) {
  const notice = find("notice");
  notice.textContent = text;
  notice.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { notice.hidden = true; }, 8000);
}

// ---- making elements

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

const cell = (text, className = "") => make("td", { textContent: text ?? "", className });

function fill(list, elements, emptyId) {
  list.replaceChildren(...elements);
  if (emptyId) find(emptyId).hidden = elements.length > 0;
}

// ---- deliveries

function showAttempts() {
  const rows = shown.attempts.slice(-MOST_ROWS).reverse().map((each) => make("tr", {},
    cell(each.at.slice(11, 23)), cell(each.url, "path"), cell(each.attempt, "number"), cell(each.items, "number"),
    cell(each.status, TONES[toneOf(each)]), cell(each.ms.toFixed(1), "number"), cell(each.rule ?? "", "bad")));
  fill(find("attempts"), rows, "no-attempts");
  draw(find("chart"), shown.attempts, shown.clock?.patience ?? 1);
}

// ---- subscriptions

function showSubscriptions() {
  const rows = shown.subscriptions.map((each) => {
    const host = each.notificationUrl.replace(/^EventHub:/, "").replace(/^\w+:\/\//, "").split("/")[0].toLowerCase();
    const state = (shown.health[host] ?? shown.health[each.notificationUrl])?.state ?? "not called yet";
    const left = make("td", { className: "number" });
    left.dataset.ends = each.expirationDateTime;
    return make("tr", { title: `subscription ${each.id} of app ${each.appId}` },
      cell(each.resource, "path"), cell(each.changeType), cell(each.rich ? "encrypted" : "none", "soft"), cell(each.notificationUrl, "path"),
      cell(state, state === "well" ? "good" : state === "not called yet" ? "soft" : "bad"),
      cell(each.authorized ? "yes" : "lapsed", each.authorized ? "good" : "bad"), left,
      make("td", {}, actions(each)));
  });
  fill(find("live"), rows, "no-subscriptions");
  countDown();
}

function actions(subscription) {
  const renew = make("button", { type: "button", textContent: "ask to renew" });
  renew.onclick = () => act(renew, "lifecycle", { subscriptionId: subscription.id, event: "reauthorizationRequired", force: true });
  const end = make("button", { type: "button", textContent: "end" });
  end.onclick = () => act(end, "expire", { subscriptionId: subscription.id });
  return make("span", {}, renew, " ", end);
}

function countDown() {
  if (!shown.clock) return;
  for (const element of document.querySelectorAll("[data-ends]")) {
    element.textContent = duration((Date.parse(element.dataset.ends) - simulatedNow()) / 1000);
  }
}

function duration(seconds) {
  if (seconds <= 0) return "over";
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${Math.floor(seconds) % 60} s`;
}

// ---- clock

function simulatedNow() {
  return Date.parse(shown.clock.now) + (performance.now() - shown.received) * shown.clock.scale;
}

function showClock() {
  if (!shown.clock) return;
  find("now").textContent = new Date(simulatedNow()).toISOString().slice(0, 19).replace("T", " ") + " UTC";
  find("scale").textContent = shown.clock.scale === 1 ? "" : `× ${shown.clock.scale}`;
}

// ---- judgements

function showJudgements(verdict) {
  const items = verdict.findings.map((each) => make("li", {},
    make("strong", { textContent: each.rule }), ` ${each.count === 1 ? "once" : `${each.count} times`}: ${each.says}. `,
    make("span", { className: "soft", textContent: each.example }), " ",
    make("a", { href: each.page, target: "_blank", rel: "noreferrer", textContent: "Graph's page" })));
  fill(find("findings"), items, "no-findings");
}

// ---- tenant

function showTenants(tenants) {
  const options = tenants.flatMap((tenant) => [...tenant.channels, ...tenant.chats, ...tenant.mailboxes]
    .map((place) => make("option", { value: place.address ?? place.name, textContent: `${place.workload}: ${place.name}` })));
  const chosen = find("where").value;
  find("where").replaceChildren(...options);
  if (chosen) find("where").value = chosen;
  find("people").replaceChildren(...tenants.map((tenant) => make("div", {},
    make("h3", { textContent: `${tenant.name}, tenant ${tenant.tenant}` }),
    make("ul", {}, ...tenant.people.map((each) => make("li", { textContent: `${each.name}, ${each.address}` }))),
    make("ul", {}, ...[...tenant.channels, ...tenant.chats, ...tenant.mailboxes].map((place) =>
      make("li", {}, `${place.workload} ${place.name}: `, make("code", { textContent: `/${place.resource}` })))),
    make("h3", { textContent: "Latest messages" }),
    make("ul", {}, ...tenant.latest.map((each) => make("li", { textContent: each.deleted ? "(deleted)" : each.text }))))));
}

function showChanges() {
  const items = shown.changes.slice(-60).reverse().map((each) => make("li", {},
    make("span", { className: "soft", textContent: `${each.at.slice(11, 19)} ` }), make("strong", { textContent: each.changeType }),
    ` ${each.text} `, make("span", { className: "soft", textContent: each.resource.slice(0, 90) })));
  fill(find("changes"), items, "no-changes");
}

function showTallies(tallies) {
  const all = Object.values(tallies);
  const sum = (count) => all.reduce((total, each) => total + count(each), 0);
  for (const name of ["sent", "acknowledged", "duplicates", "lost", "pending"]) find(name).textContent = sum((each) => each[name]);
  find("forged").textContent = sum((each) => Object.values(each.forged).reduce((total, count) => total + count, 0));
}

// ---- knobs

function showKnobs(knobs) {
  const known = find("turn");
  if (known.childElementCount !== knobs.length) known.replaceChildren(...knobs.map(knobElement));
  for (const knob of knobs) {
    const element = find(`knob-${knob.name}`);
    if (document.activeElement !== element) element.value = String(knob.value);
    element.closest(".knob").classList.toggle("turned", knob.value !== knob.default);
  }
}

function knobElement(knob) {
  const choices = Array.isArray(knob.choices) ? knob.choices : knob.choices === "bool" ? ["true", "false"] : null;
  const input = choices
    ? make("select", {}, ...choices.map((each) => make("option", { value: each, textContent: each })))
    : make("input", { type: "number", step: "any", min: 0 });
  input.id = `knob-${knob.name}`;
  input.onchange = async () => {
    const value = knob.choices === "bool" ? input.value === "true" : choices ? input.value : Number(input.value);
    if (!await act(null, "knobs", { [knob.name]: value })) input.value = String(knob.value);
  };
  const label = make("label", { htmlFor: input.id }, make("code", { textContent: knob.name }));
  return make("div", { className: "knob" }, label, input, make("span", { textContent: knob.says }));
}

// ---- repertoire

function showRepertoire(entries) {
  const groups = Map.groupBy ? Map.groupBy(entries, (each) => each.group) : group(entries);
  find("entries").replaceChildren(...[...groups].flatMap(([name, each]) =>
    [make("h3", { textContent: name }), make("div", {}, ...each.map(entryButton))]));
}

function group(entries) {
  const groups = new Map();
  for (const each of entries) groups.set(each.group, [...(groups.get(each.group) ?? []), each]);
  return groups;
}

function entryButton(entry) {
  const button = make("button", { type: "button", textContent: entry.title, title: entry.why });
  button.onclick = async () => {
    const played = await act(button, "play", { name: entry.name });
    if (!played) return;
    find("played-title").textContent = entry.title;
    find("played-why").textContent = entry.why;
    find("played-good").textContent = entry.good;
    find("played-judge").textContent = entry.judge;
    find("played-source").href = entry.source;
    find("played-steps").replaceChildren(...played.steps.map((step) =>
      make("li", { textContent: `${step.says} (${step.status})`, className: step.ok ? "" : "bad" })));
    find("played").showModal();
  };
  return button;
}

// ---- staying up to date

const shows = {
  clock: (clock) => { shown.clock = clock; shown.received = performance.now(); showClock(); countDown(); },
  attempts: ({ rows }) => { shown.attempts = joined(shown.attempts, rows, (each) => `${each.body}/${each.attempt}`); showAttempts(); },
  changes: ({ rows }) => { shown.changes = joined(shown.changes, rows, (each) => each.n); showChanges(); },
  lifecycle: ({ rows }) => {
    const told = rows.map((each) => ({ at: each.at, changeType: each.event, text: "", resource: `subscriptions/${each.subscriptionId}` }));
    shown.changes = [...shown.changes, ...told].slice(-MOST_ROWS);
    showChanges();
  },
  subscriptions: (rows) => { shown.subscriptions = rows; showSubscriptions(); },
  health: (hosts) => { shown.health = hosts; showSubscriptions(); },
  judgements: showJudgements,
  tallies: showTallies,
  knobs: showKnobs,
};

// what happens while the state is being fetched is told twice: by the state and by an event
function joined(known, fresh, key) {
  const names = new Set(known.map(key));
  return [...known, ...fresh.filter((each) => !names.has(key(each)))].slice(-MOST_ROWS);
}

function connect() {
  const source = new EventSource("/_sim/live");
  source.onopen = async () => {
    showState(await ask("state"));
    find("connection").textContent = "live";
    find("connection").className = "on";
  };
  source.onerror = () => {
    find("connection").textContent = "not connected, trying again";
    find("connection").className = "off";
    // a server that refused outright ends the source for good
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
  for (const [name, show] of Object.entries(shows)) source.addEventListener(name, (event) => show(JSON.parse(event.data)));
}

function showState(state) {
  find("subscribe-url").textContent = `${state.urls.http}/v1.0/subscriptions`;
  find("token-url").textContent = `${state.urls.http}/${state.tenants[0].tenant}/oauth2/v2.0/token`;
  showTenants(state.tenants);
  shows.clock(state.clock);
  shown.attempts = state.attempts;
  shown.changes = state.changes;
  shown.health = state.health;
  shows.subscriptions(state.subscriptions);
  showAttempts();
  showChanges();
  showJudgements(state.judgements);
  showTallies(state.tallies);
  showKnobs(state.knobs);
}

find("say").onsubmit = async (event) => {
  event.preventDefault();
  const { where, text } = Object.fromEntries(new FormData(event.target));
  if (await act(event.submitter, "post", { where, text })) find("text").value = "";
};
find("talk").onsubmit = (event) => {
  event.preventDefault();
  const { rate, seconds } = Object.fromEntries(new FormData(event.target));
  act(event.submitter, "chatter", { rate: Number(rate), seconds: Number(seconds) });
};
find("people").closest("details").ontoggle = async (event) => {
  if (event.target.open) showTenants((await ask("state")).tenants);
};
for (const button of document.querySelectorAll("[data-advance]")) {
  button.onclick = async () => {
    const clock = await act(button, "clock", { advance: Number(button.dataset.advance) });
    if (clock) shows.clock(clock);
  };
}
setInterval(() => { showClock(); countDown(); }, 1000);
window.addEventListener("resize", showAttempts);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showAttempts);
ask("repertoire").then(({ repertoire }) => showRepertoire(repertoire), (problem) => notify(problem.message));
connect();
