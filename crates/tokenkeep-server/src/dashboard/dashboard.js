"use strict";
// All of it comes from routes that any caller can ask, so it shows what this caller may see. The key stays in this page.
const find = (id) => document.getElementById(id);
const EVERY_MS = 5000;
const ROWS = 200;
const RANK = ["refused", "login_required", "backing_off", "expired", "expiring", "absent", "due", "fresh"];
const MOOD = { fresh: "good", due: "good", expiring: "soon", expired: "soon", absent: "quiet" };
const seen = [];
let key = "";
let timer = 0;
let round = 0;
let tokens = { tokens: [], next: null };

async function ask(path) {
  const headers = key === "" ? {} : { "X-API-Key": key };
  const answer = await fetch(path, { headers, cache: "no-store", credentials: "omit", redirect: "error" });
  // An unhealthy server says so with its sums.
  if (!answer.ok && !(path === "/health" && answer.status === 503)) throw await refusal(answer);
  return answer;
}

async function refusal(answer) {
  const problem = await answer.json().catch(() => ({}));
  const error = new Error(problem.detail ?? `${answer.status} ${answer.statusText}`);
  return Object.assign(error, { status: answer.status, after: Number(answer.headers.get("Retry-After")) || 0 });
}

// Every 5 seconds as long as somebody can look. One round at a time; a later one, e.g. with another key, takes the place of one that is under way.
async function look() {
  clearTimeout(timer);
  const mine = ++round;
  let pause = EVERY_MS;
  try {
    const state = find("filter").value;
    const list = `/tokens?limit=${ROWS}${state === "" ? "" : `&state=${state}`}`;
    // Alone, so that a key which is none is refused once.
    const stats = await ask("/tokens/stats").then((answer) => answer.json());
    const [health, page, metrics] = await Promise.all([
      ask("/health").then((answer) => answer.json()),
      ask(list).then((answer) => answer.json()),
      ask("/metrics").then((answer) => answer.text()),
    ]);
    if (mine !== round) return;
    tokens = page;
    const measured = new Metrics(metrics);
    showSums(health, stats, measured);
    showProviders(measured);
    showKeys();
    open(true);
    say(`${health.status}, ${new Date().toLocaleTimeString()}`, health.status !== "healthy");
    document.body.classList.remove("stale");
  } catch (error) {
    if (mine !== round) return;
    pause = Math.max(pause, (error.after ?? 0) * 1000);
    if (error.status === 401) {
      forget();
      open(false);
      say(key === "" ? "An API key is needed." : "No caller has this API key.", true);
    } else {
      say(error.status === undefined ? "The server does not answer." : error.message, true);
      document.body.classList.add("stale");
    }
    // A key that is refused is not tried again by itself.
    if (error.status === 401) return;
  }
  if (!document.hidden) timer = setTimeout(look, pause);
}

function say(text, isBad) {
  const state = find("state");
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("bad", isBad);
}

function forget() {
  tokens = { tokens: [], next: null };
  seen.length = 0;
  find("sums").replaceChildren();
  find("providers").hidden = true;
  find("list").hidden = true;
  showKeys();
}

// Whether the keys are shown, or what is needed to see them.
function open(isOpen) {
  find("list").hidden = !isOpen;
  find("closed").hidden = isOpen;
}

// The text format of Prometheus: lines of `name{label="text"} value`.
class Metrics {
  constructor(text) {
    this.samples = [];
    for (const line of text.split("\n")) {
      const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (found === null) continue;
      const labels = {};
      for (const [, name, value] of (found[2] ?? "").matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) {
        labels[name] = value.replace(/\\(.)/g, (_, sign) => (sign === "n" ? "\n" : sign));
      }
      this.samples.push({ name: found[1], labels, value: Number(found[3]) });
    }
  }

  of(name, labels = {}) {
    const fits = (sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
    return this.samples.filter((sample) => sample.name === name && fits(sample));
  }

  has(name, labels) {
    return this.of(name, labels).length > 0;
  }

  sum(name, labels) {
    return this.of(name, labels).reduce((sum, sample) => sum + sample.value, 0);
  }

  // The bound that this share of what was measured lies within, in seconds; undefined if nothing was measured.
  within(name, labels, share) {
    const buckets = this.of(`${name}_bucket`, labels);
    const all = buckets.find((bucket) => bucket.labels.le === "+Inf")?.value ?? 0;
    return all === 0 ? undefined : buckets.find((bucket) => bucket.value >= share * all)?.labels.le;
  }
}

const HAND_OUTS = "tokenkeep_hand_outs_total";
const LOGINS = "tokenkeep_issuer_requests_total";
const ISSUER = "tokenkeep_issuer_request_duration_seconds";

function usage(measured, labels = {}) {
  const calls = measured.sum(HAND_OUTS, labels);
  const hits = measured.sum(HAND_OUTS, { ...labels, result: "hit" });
  // All requests to issuers, also those that brought no token.
  const logins = measured.sum(LOGINS, labels);
  const failed = logins - measured.sum(LOGINS, { ...labels, result: "token" });
  const answered = measured.sum(`${ISSUER}_count`, labels);
  const mean = answered === 0 ? undefined : measured.sum(`${ISSUER}_sum`, labels) / answered;
  return { calls, hits, logins, failed, mean };
}

function showSums(health, stats, measured) {
  const all = usage(measured);
  const seesProviders = measured.has(`${ISSUER}_count`);
  seen.push({ at: performance.now(), calls: all.calls });
  while (seen.length > 1 && seen[0].at < performance.now() - 60000) seen.shift();
  const past = seen[0];
  const minutes = (performance.now() - past.at) / 60000;
  const pace = minutes > 0.05 ? `${number((all.calls - past.calls) / minutes)} a minute` : "since the start";
  const cards = [
    ["Tokens", number(stats.total_cached), `${number(stats.valid_tokens)} valid`],
    ["Expiring soon", number(stats.expiring_soon), `${number(stats.expired_tokens)} expired`],
    ["Calls for a token", number(all.calls), pace],
    ["Hit ratio", percent(all.hits, all.calls), `${number(all.hits)} did not wait`],
    ["Failures in a row", number(health.consecutive_failures), "the most of any key"],
  ];
  if (seesProviders) {
    cards.push(["Logins per call", ratio(all.logins, all.calls), `${number(all.logins)} logins, ${number(all.failed)} of them failed`]);
    cards.push(["Issuers answer in", seconds(all.mean), "on average"]);
  }
  if (measured.has("tokenkeep_http_requests_total")) {
    const connections = measured.sum("tokenkeep_connections");
    cards.push(["HTTP requests", number(measured.sum("tokenkeep_http_requests_total")), `${number(connections)} connections`]);
  }
  if (measured.has("tokenkeep_store_failing")) {
    cards.push(["Store", measured.sum("tokenkeep_store_failing") === 0 ? "works" : "fails", ""]);
  }
  find("sums").replaceChildren(...cards.map(([name, value, more]) => {
    return element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, more)));
  }));
}

function showProviders(measured) {
  const rows = measured.of("tokenkeep_keys_in_memory").map(({ labels: { provider }, value }) => {
    const labels = { provider };
    const { calls, hits, logins, failed, mean } = usage(measured, labels);
    const budget = measured.of("tokenkeep_budget_requests", labels)[0];
    const left = measured.sum("tokenkeep_budget_left_requests", labels);
    const within = measured.within(ISSUER, labels, 0.95);
    const cells = [
      number(value), number(calls), percent(hits, calls), number(logins), number(failed), ratio(logins, calls),
      seconds(mean), within === "+Inf" ? "longer" : seconds(within),
      number(measured.sum("tokenkeep_waiters", labels)), budget === undefined ? "–" : `${number(left)} of ${number(budget.value)}`,
    ];
    const row = element("tr", {}, element("th", { scope: "row" }, provider), ...cells.map((cell) => element("td", {}, cell)));
    if (failed > 0) row.children[5].className = "soon";
    if (budget !== undefined && left === 0) row.lastChild.className = "bad";
    return row;
  });
  find("providers").hidden = rows.length === 0;
  fill("providers", rows);
}

function showKeys() {
  const wanted = find("find").value;
  const fails = (token) => token.consecutive_failures > 0;
  // What fails comes first, the worst states before the others; then states that this page does not know.
  const rank = (token) => RANK.indexOf(token.state) - (fails(token) ? RANK.length : 0);
  const mood = (token) => (fails(token) && MOOD[token.state] === "good" ? "soon" : (MOOD[token.state] ?? "bad"));
  const shown = tokens.tokens.filter((token) => token.key.includes(wanted));
  shown.sort((one, other) => rank(one) - rank(other));
  fill("keys", shown.map((token) => {
    const state = element("td", {}, element("span", { class: `word ${mood(token)}` }, token.state));
    const left = element("td", {}, token.expires_in === null ? "–" : life(token.expires_in));
    if (token.expires_at !== null) left.title = token.expires_at;
    const failures = element("td", { class: fails(token) ? "bad" : "" }, number(token.consecutive_failures));
    const more = [token.failure?.next, ...token.warnings.map((warning) => warning.detail)].filter(Boolean);
    const why = element("td", {}, token.reason, ...more.map((text) => element("small", {}, text)));
    const [provider] = token.key.split(":");
    return element("tr", {}, element("th", { scope: "row" }, token.key), state, element("td", {}, provider), left,
      element("td", {}, number(token.generation)), failures, why);
  }));
  const rest = tokens.next === null ? "" : ` of the first ${ROWS}; a state leaves fewer`;
  find("count").textContent = `${number(shown.length)} ${shown.length === 1 ? "key" : "keys"}${rest}`;
}

// A narrow window shows each row as a block, where each cell says what it is.
function fill(section, rows) {
  const names = [...find(section).querySelectorAll("thead th")].map((head) => head.textContent);
  for (const row of rows) [...row.cells].forEach((cell, at) => (cell.dataset.name = names[at]));
  find(section).querySelector("tbody").replaceChildren(...rows);
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

function number(value) {
  return value.toLocaleString(undefined, { maximumFractionDigits: 1 });
}

function percent(part, whole) {
  return whole === 0 ? "–" : `${number((100 * part) / whole)} %`;
}

function ratio(part, whole) {
  return whole === 0 ? "–" : (part / whole).toLocaleString(undefined, { maximumSignificantDigits: 2 });
}

function seconds(value) {
  if (value === undefined) return "–";
  return Number(value) < 1 ? `${number(Number(value) * 1000)} ms` : `${number(Number(value))} s`;
}

function life(left) {
  const parts = [[Math.floor(left / 86400), "d"], [Math.floor(left / 3600) % 24, "h"], [Math.floor(left / 60) % 60, "min"],
    [left % 60, "s"]];
  const first = parts.findIndex(([count]) => count > 0);
  return first < 0 ? "0 s" : parts.slice(first, first + 2).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

find("who").addEventListener("submit", (event) => {
  event.preventDefault();
  key = find("key").value;
  forget();
  look();
});
find("filter").addEventListener("change", look);
find("find").addEventListener("input", showKeys);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});
look();
