// Loads one path of one server for the harness, or two servers at the same time: warm-up and window in one scenario.
//
// HARNESS_LOAD names a JSON file that says what to do:
//   destinations    one or two, which users take in turn:
//     url           what to request: one text, or two between which the drawn number goes
//     draw          {count, step}: request i draws 1 + i × step modulo count; null: every request is the same
//     expected      the body that was verified before the load; null: every request has another
//     timeout_ms    a request that takes longer has failed
//   users           virtual users of each destination
//   rate            open load: requests per second; null: closed load, each user sends one request after another
//   warmup_ms       from the start of the scenario; users begin at random moments of it
//   window_ms       a request counts when it completes inside the window
//   sample_every    each user looks at the body of every Nth request
//   kept_bodies     unexpected bodies that a user keeps; what differs beyond them is counted as unchecked
//   percentiles     which percentiles the summary holds
//   summary         file to write the summary to
//
// One scenario, because a second one would begin with nothing in flight. The log (standard error) carries one line
// {"scenario_started": <epoch ms>} and, for each unexpected body, {"unexpected": "<body>", "drawn": <number or null>,
// "destination": <its place>}. Metrics are called cell_<what>_<place of the destination>.
import exec from 'k6/execution';
import http from 'k6/http';
import { sleep } from 'k6';
import { Counter, Trend } from 'k6/metrics';

const load = JSON.parse(open(__ENV.HARNESS_LOAD));
const endMs = load.warmup_ms + load.window_ms;

// k6 requires scenarios of at least a second; the last 0.3 s keep the connections while the harness counts them.
export const options = {
  scenarios: {
    cell: {
      executor: 'constant-vus',
      vus: load.users * load.destinations.length,
      duration: `${Math.max(1000, endMs + 300)}ms`,
      gracefulStop: '0s',
    },
  },
  discardResponseBodies: true,
  systemTags: ['status', 'scenario'],
  summaryTrendStats: ['min', 'avg', 'max', 'count', ...load.percentiles.map((p) => `p(${p})`)],
};

const counters = [
  'succeeded',
  'timeouts',
  'connection_failures',
  'status_failures',
  'sent',
  'idle_ms', // time of the window between a user's requests
  'matched',
  'unexpected',
];
const metrics = load.destinations.map((_, place) => ({
  latency: new Trend(`cell_latency_${place}`, true),
  blocked: new Trend(`cell_blocked_${place}`, true),
  lateness: new Trend(`cell_lateness_${place}`, true),
  ...Object.fromEntries(counters.map((name) => [name, new Counter(`cell_${name}_${place}`)])),
}));

// Of this user, from its first iteration on.
let place = 0;
let to = load.destinations[0];
let seen = metrics[0];
let plain = null;
let sampling = null;

let startMs = null;
let idleMs = 0;
let flushedMs = 0;
let freeSinceMs = 0;
let requests = 0;
let kept = 0;

export default function () {
  if (startMs === null) {
    startMs = exec.scenario.startTime;
    place = (exec.vu.idInTest - 1) % load.destinations.length;
    to = load.destinations[place];
    seen = metrics[place];
    plain = { timeout: to.timeout_ms };
    sampling = { timeout: to.timeout_ms, responseType: 'text' };
    if (exec.vu.idInTest === 1) {
      console.log(JSON.stringify({ scenario_started: startMs }));
    }
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

  requests += 1;
  const sample = requests % load.sample_every === 0;
  const drawn = to.draw === null ? null : 1 + ((exec.scenario.iterationInTest * to.draw.step) % to.draw.count);
  const url = drawn === null ? to.url[0] : to.url[0] + drawn + to.url[1];
  const begun = Date.now() - startMs;
  idleMs += Math.max(0, Math.min(begun, endMs) - Math.max(freeSinceMs, load.warmup_ms));
  if (begun - flushedMs >= 500) {
    seen.idle_ms.add(idleMs); // a metric costs more than a sum
    idleMs = 0;
    flushedMs = begun;
  }
  const answer = http.get(url, sample ? sampling : plain);
  const finished = Date.now() - startMs;
  freeSinceMs = finished;

  if (sample && answer.status === 200) {
    look(answer.body, drawn);
  }
  if (finished >= load.warmup_ms && finished < endMs) {
    if (answer.status === 200) {
      seen.succeeded.add(1);
      // From when it was due; k6's duration leaves out the wait for a connection.
      const waited = load.rate === null ? 0 : late + answer.timings.blocked;
      seen.latency.add(waited + answer.timings.duration);
      seen.blocked.add(answer.timings.blocked);
      if (load.rate !== null) {
        seen.lateness.add(late);
      }
    } else if (answer.status !== 0) {
      seen.status_failures.add(1);
    } else if (answer.error_code === 1050) {
      seen.timeouts.add(1);
    } else {
      seen.connection_failures.add(1);
    }
  }
  if (answer.status === 0 && answer.error_code !== 1050) {
    sleep(0.1); // a server that is gone refuses 100,000 times a second
  }
}

function look(body, drawn) {
  if (body === to.expected) {
    seen.matched.add(1);
  } else {
    seen.unexpected.add(1);
    if (kept < load.kept_bodies) {
      kept += 1;
      console.log(JSON.stringify({ unexpected: body, drawn, destination: place }));
    }
  }
}

export function handleSummary(data) {
  const own = {};
  for (const [name, metric] of Object.entries(data.metrics)) {
    if (name.startsWith('cell_')) {
      own[name] = metric.values;
    }
  }
  return { [load.summary]: JSON.stringify(own) };
}
