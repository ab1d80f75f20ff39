// Loads one server for the harness, or two at the same time, with requests that the harness describes. What it is told,
// and how requests count: measured.js.
import exec from 'k6/execution';
import http from 'k6/http';
import { sleep } from 'k6';
import { begin, count, endMs, load, metrics, place as placeOfUser, refused } from './measured.js';

export { handleSummary, options } from './measured.js';

// A kind of request with its fixed texts joined, so that nothing is made for each request that need not be.
function ready(kind, to) {
  const params = (more) => ({ timeout: to.timeout_ms, redirects: 0, ...more });
  const headers = Object.entries(kind.headers);
  const fixed = headers.every(([, text]) => typeof text === 'string');
  const given = headers.length > 0 ? { headers: kind.headers } : {};
  return {
    ...kind,
    path: typeof kind.path === 'string' ? to.base + kind.path : [to.base, ...kind.path],
    plain: fixed ? params(given) : null,
    sampling: fixed ? params({ ...given, responseType: 'text' }) : null,
    params,
    varies: !fixed || typeof kind.path !== 'string' || (kind.body !== null && typeof kind.body !== 'string'),
  };
}

const kinds = load.targets.map((to) => to.kinds.map((kind) => ready(kind, to)));
const bounds = load.targets.map((to) => {
  const total = to.kinds.reduce((sum, kind) => sum + kind.weight, 0);
  let below = 0;
  return to.kinds.map((kind) => (below += kind.weight / total));
});

// Of this user, from its first iteration on.
let place = 0;
let feeds = null;
let seen = null;

let startMs = null;
let idleMs = 0;
let flushedMs = 0;
let freeSinceMs = 0;
let requests = 0;
let kept = 0;

export default function () {
  if (startMs === null) {
    startMs = begin();
    place = placeOfUser();
    feeds = load.targets[place].feeds;
    seen = metrics[place];
    requests = Math.floor(Math.random() * load.sample_every);
    if (load.rate === null) {
      sleep((Math.random() * load.warmup_ms) / 1000);
    }
  }

  let late = 0;
  if (load.rate !== null) {
    const due = startMs + (exec.scenario.iterationInTest * 1000) / load.rate;
    const wait = due - Date.now();
    if (wait > 0) {
      sleep(wait / 1000);
    }
    late = Math.max(0, Date.now() - due);
    if (Date.now() - startMs < endMs) {
      seen.sent.add(1);
    }
  }

  const chosen = kinds[place].length === 1 ? 0 : chooseKind();
  const kind = kinds[place][chosen];
  requests += 1;
  const sample = kind.checks_body && requests % load.sample_every === 0;
  const iteration = kind.varies ? exec.scenario.iterationInTest : null;
  const path = kind.varies ? filled(kind.path, iteration) : kind.path;
  const body = kind.varies ? filled(kind.body, iteration) : kind.body;
  const params = kind.plain === null ? made(kind, iteration, sample) : sample ? kind.sampling : kind.plain;
  const begun = Date.now() - startMs;
  idleMs += Math.max(0, Math.min(begun, endMs) - Math.max(freeSinceMs, load.warmup_ms));
  if (begun - flushedMs >= 500) {
    seen.idle_ms.add(idleMs); // a metric costs more than a sum
    idleMs = 0;
    flushedMs = begun;
  }
  const answer = http.request(kind.method, path, body, params);
  const finished = Date.now() - startMs;
  freeSinceMs = finished;

  const right =
    kind.statuses === null ? answer.status >= 200 && answer.status < 300 : kind.statuses.includes(answer.status);
  if (sample && right) {
    look(answer.body, kind, chosen, iteration);
  }
  if (finished >= load.warmup_ms && finished < endMs) {
    // From when it was due; k6's duration leaves out the wait for a connection.
    count(seen, chosen, answer, right, load.rate === null ? 0 : late + answer.timings.blocked);
    if (right && load.rate !== null) {
      seen.lateness.add(late);
    }
  }
  if (refused(answer)) {
    sleep(0.1);
  }
}

function chooseKind() {
  const chance = Math.random();
  const found = bounds[place].findIndex((bound) => chance < bound);
  return found < 0 ? bounds[place].length - 1 : found;
}

function filled(text, iteration) {
  if (text === null || typeof text === 'string') {
    return text;
  }
  return text.map((part) => (typeof part === 'string' ? part : drawn(feeds[part.feed], iteration))).join('');
}

function drawn(draw, iteration) {
  const row = (iteration * draw.step) % draw.count;
  return draw.texts === null ? String(row + 1) : draw.texts[row];
}

function made(kind, iteration, sample) {
  const headers = {};
  for (const [name, text] of Object.entries(kind.headers)) {
    headers[name] = filled(text, iteration);
  }
  return kind.params(sample ? { headers, responseType: 'text' } : { headers });
}

function look(body, kind, chosen, iteration) {
  if (kind.expected !== null && body === kind.expected) {
    seen.matched.add(1);
  } else {
    seen.unexpected.add(1);
    if (kept < load.kept_bodies) {
      kept += 1;
      console.log(JSON.stringify({ unexpected: body, kind: chosen, iteration, target: place }));
    }
  }
}
