// What the harness' load scripts share: one scenario from warm-up to the end of the window, and how requests count.
//
// HARNESS_LOAD names a JSON file that says what to do:
//   target          base, kinds, feeds, timeout_ms: see requests.js (no kinds where a script of the user's sends)
//   script          a k6 script of the user's, or null
//   users           virtual users
//   rate            open load: requests per second; null: closed load, each user sends one request after another
//   due             open load: a JSON file of the moments (ms from the start) at which requests are due, one after another
//   judging         open load: null, or {slice_ms, slices, limits_ms, tail_ms}: requests are counted by the slice of the
//                   window in which they were due, and by the limits beyond which an answer is late; so that they can be,
//                   the load goes on for the tail after the window
//   warmup_ms       from the start of the scenario; users begin at random moments of it
//   window_ms       a request counts when it completes inside the window
//   sample_every    each user looks at the body of every Nth request
//   kept_bodies     unexpected bodies that a user keeps; what differs beyond them is counted as unchecked
//   percentiles     which percentiles the summary holds
//   summary         file to write the summary to
//
// One scenario, because a second one would begin with nothing in flight. The log (standard error) carries one line
// {"scenario_started": <epoch ms>} and, for each unexpected body, {"unexpected": "<body>", "kind": <place>,
// "iteration": <number or null>}. Metrics are called cell_<what>, and of one of several kinds of requests
// cell_<what>_<place of the kind>.
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { TIMED_OUT } from './requests.js';

export const load = JSON.parse(open(__ENV.HARNESS_LOAD));
export const endMs = load.warmup_ms + load.window_ms;

// k6 requires scenarios of at least a second; the last 0.3 s keep the connections while the harness counts them.
export const options = {
  scenarios: {
    cell: {
      executor: 'constant-vus',
      vus: load.users,
      duration: `${Math.max(1000, endMs + Math.max(300, load.judging === null ? 0 : load.judging.tail_ms))}ms`,
      gracefulStop: '0s',
    },
  },
  discardResponseBodies: load.script === null,
  noCookiesReset: load.script === null, // users keep their cookies, as those of turns.js do
  systemTags: ['status', 'scenario', ...(load.script === null ? [] : ['check', 'group'])], // by which checks are told apart
  summaryTrendStats: ['min', 'avg', 'max', 'count', ...load.percentiles.map((p) => `p(${p})`)],
};

const counters = [
  'succeeded',
  'timeouts',
  'connection_failures',
  'status_failures',
  'sent',
  'idle_ms', // time of the window between a user's requests
  'receiving_ms', // from the first byte of a right answer to its last,
  'received', // and of how many answers that is
  'matched',
  'unexpected',
];

const ofKind = (kind) => ({
  latency: new Trend(`cell_latency_${kind}`, true),
  succeeded: new Counter(`cell_succeeded_${kind}`),
  failed: new Counter(`cell_failed_${kind}`),
});

// Statuses that are counted one by one; metrics must be there before the load.
const STATUSES = [
  ...[300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 415, 421, 422],
  ...[425, 428, 429, 431, 499, 500, 501, 502, 503, 504, 507, 508],
];

const ofSlices = (make) => (load.judging === null ? [] : Array.from({ length: load.judging.slices }, (_, slice) => make(slice)));

export const metrics = {
  due: ofSlices((slice) => new Trend(`cell_due_${slice}`, true)),
  late: (load.judging === null ? [] : load.judging.limits_ms).map((_, limit) =>
    ofSlices((slice) => new Counter(`cell_late_${limit}_${slice}`)),
  ),
  latency: new Trend('cell_latency', true),
  blocked: new Trend('cell_blocked', true),
  lateness: new Trend('cell_lateness', true),
  ...Object.fromEntries(counters.map((name) => [name, new Counter(`cell_${name}`)])),
  statuses: Object.fromEntries(STATUSES.map((status) => [status, new Counter(`cell_status_${status}`)])),
  kinds: load.target.kinds.length > 1 ? load.target.kinds.map((_, kind) => ofKind(kind)) : null,
};

// Of a user's first iteration: when the scenario began, in milliseconds of the clock.
export function begin() {
  const startMs = exec.scenario.startTime;
  if (exec.vu.idInTest === 1) {
    console.log(JSON.stringify({ scenario_started: startMs }));
  }
  return startMs;
}

// Counts a request of the window that has ended. `waited` (ms) is added to its latency.
export function count(kind, answer, right, waited) {
  const own = metrics.kinds === null ? null : metrics.kinds[kind];
  if (right) {
    const latency = waited + answer.timings.duration;
    metrics.succeeded.add(1);
    metrics.latency.add(latency);
    metrics.blocked.add(answer.timings.blocked);
    if (own !== null) {
      own.succeeded.add(1);
      own.latency.add(latency);
    }
    return;
  }
  if (answer.status !== 0) {
    metrics.status_failures.add(1);
    if (metrics.statuses[answer.status] !== undefined) {
      metrics.statuses[answer.status].add(1);
    }
  } else if (answer.error_code === TIMED_OUT) {
    metrics.timeouts.add(1);
  } else {
    metrics.connection_failures.add(1);
  }
  if (own !== null) {
    own.failed.add(1);
  }
}

// Counts a right answer by when its request was due (ms from the start), whenever it ended.
export function judge(dueMs, latency) {
  const { slice_ms: sliceMs, slices, limits_ms: limitsMs } = load.judging;
  const slice = Math.floor((dueMs - load.warmup_ms) / sliceMs);
  if (slice < 0 || slice >= slices) {
    return;
  }
  metrics.due[slice].add(latency);
  limitsMs.forEach((limit, place) => {
    if (latency > limit) {
      metrics.late[place][slice].add(1);
    }
  });
}

// [name, passed, failed] of each check of a script, those of its groups too.
function named(group) {
  const { checks = [], groups = [] } = group || {};
  return [...checks.map((check) => [check.name, check.passes, check.fails]), ...groups.flatMap(named)];
}

export function handleSummary(data) {
  const own = {};
  for (const [name, metric] of Object.entries(data.metrics)) {
    if (name.startsWith('cell_')) {
      own[name] = name.startsWith('cell_due_') ? { count: metric.values.count, 'p(50)': metric.values['p(50)'] } : metric.values;
    }
  }
  own.named_checks = named(data.root_group);
  return { [load.summary]: JSON.stringify(own) };
}
