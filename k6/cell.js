// Loads a server for the harness with requests that the harness describes. What it is told, and how requests count:
// measured.js.
import exec from 'k6/execution';
import { SharedArray } from 'k6/data';
import { sleep } from 'k6';
import { begin, count, endMs, judge, load, metrics } from './measured.js';
import { Requests, refused, right, share } from './requests.js';

export { handleSummary, options } from './measured.js';

share(load.target);
const sender = new Requests(load.target);
const due = load.rate === null ? null : new SharedArray('due', () => JSON.parse(open(load.due)));

// Of this user, from its first iteration on.
let startMs = null;
let idleMs = 0;
let flushedMs = 0;
let receivingMs = 0;
let received = 0;
let freeSinceMs = 0;
let requests = 0;
let kept = 0;

export default function () {
  if (startMs === null) {
    startMs = begin();
    sender.user = exec.vu.idInTest - 1;
    requests = Math.floor(Math.random() * load.sample_every);
    if (load.rate === null) {
      sleep((Math.random() * load.warmup_ms) / 1000);
    }
  }

  let late = 0;
  let dueMs = 0;
  let own = 0; // of the generator: while all users wait for answers it is the server that is late
  if (load.rate !== null) {
    dueMs = due[Math.min(exec.scenario.iterationInTest, due.length - 1)];
    const moment = startMs + dueMs;
    const wait = moment - Date.now();
    if (wait > 0) {
      sleep(wait / 1000);
    }
    const now = Date.now();
    late = Math.max(0, now - moment);
    own = Math.max(0, now - Math.max(moment, startMs + freeSinceMs));
    if (Date.now() - startMs < endMs) {
      metrics.sent.add(1);
    }
  }

  const chosen = sender.choose();
  const kind = sender.kinds[chosen];
  requests += 1;
  const sample = kind.checks_body && requests % load.sample_every === 0;
  const iteration = kind.varies ? exec.scenario.iterationInTest : null;
  const send = sender.ready(chosen, iteration, sample);
  const begun = Date.now() - startMs;
  idleMs += Math.max(0, Math.min(begun, endMs) - Math.max(freeSinceMs, load.warmup_ms));
  if (begun - flushedMs >= 500) {
    metrics.idle_ms.add(idleMs); // a metric costs more than a sum
    metrics.receiving_ms.add(receivingMs);
    metrics.received.add(received);
    idleMs = receivingMs = received = 0;
    flushedMs = begun;
  }
  const answer = send();
  const finished = Date.now() - startMs;
  freeSinceMs = finished;

  const succeeded = right(kind, answer);
  const complete = sender.goesOn(chosen, answer, succeeded);
  if ((sample || !complete) && succeeded) {
    look(answer.body || '', kind, chosen, iteration);
  }
  if (succeeded && load.judging !== null) {
    judge(dueMs, late + answer.timings.blocked + answer.timings.duration);
  }
  if (finished >= load.warmup_ms && finished < endMs) {
    // From when it was due; k6's duration leaves out the wait for a connection.
    count(chosen, answer, succeeded, load.rate === null ? 0 : late + answer.timings.blocked);
    if (succeeded) {
      receivingMs += answer.timings.receiving;
      received += 1;
      if (load.rate !== null) {
        metrics.lateness.add(own);
      }
    }
  }
  if (refused(answer)) {
    sleep(0.1);
  }
}

function look(body, kind, chosen, iteration) {
  if (kind.expected !== null && body === kind.expected) {
    metrics.matched.add(1);
  } else {
    metrics.unexpected.add(1);
    if (kept < load.kept_bodies) {
      kept += 1;
      console.log(JSON.stringify({ unexpected: body, kind: chosen, iteration }));
    }
  }
}
