// Loads several servers in turn for the harness: the users of all of them exist all the time, and each sends only when the
// harness gives its server a turn.
//
// HARNESS_LOAD names a JSON file that says what to do:
//   lanes          targets (see requests.js), each with its users, who send together
//   control        http://host:port of the harness, which every user asks for its next turn
//   sample_every   each user looks at the body of every Nth request
//   kept_bodies    bodies that a user tells of in a turn, of those that differ from the expected one
//
// A user asks POST /turn/<place of the lane>/<place of the user> and waits for the answer, which comes when the turn
// begins: {start_ms, first_ms, until_ms, due_ms}, times of the clock; or {end: true}. It sends one request after another from
// `first_ms` until `until_ms`, or, where `due_ms` is not null, at these milliseconds from `start_ms`. It then asks for its
// next turn, telling what came of this one:
//   begun, lasted   of each success: milliseconds from start_ms to its begin, and microseconds from then to its last byte
//   kinds           of each success: the place of its request, where there are several
//   status, timeout, connection     failures, by what happened
//   statuses        of those that had another status: status → how many
//   opened          connections that were opened for requests
//   matched, unexpected, bodies     samples: equal to the expected body; not; and these, as [kind, iteration, body]
import exec from 'k6/execution';
import http from 'k6/http';
import { sleep } from 'k6';
import { Requests, TIMED_OUT, refused, right, share } from './requests.js';

const load = JSON.parse(open(__ENV.HARNESS_LOAD));
load.lanes.forEach(share);

export const options = {
  scenarios: {
    turns: {
      executor: 'per-vu-iterations',
      vus: load.lanes.reduce((sum, lane) => sum + lane.users, 0),
      iterations: 1,
      maxDuration: '24h',
      gracefulStop: '0s',
    },
  },
  discardResponseBodies: true,
  systemTags: ['status'],
};

let requests = 0;
let iteration = 0;

export default function () {
  let user = exec.vu.idInTest - 1;
  let place = 0;
  while (user >= load.lanes[place].users) {
    user -= load.lanes[place].users;
    place += 1;
  }
  const sender = new Requests(load.lanes[place]);
  sender.user = user;
  const url = `${load.control}/turn/${place}/${user}`;
  const waiting = { responseType: 'text', timeout: '24h' };
  requests = Math.floor(Math.random() * load.sample_every);
  iteration = user;
  let report = '{}';
  for (;;) {
    const answer = http.post(url, report, waiting);
    if (answer.status !== 200) {
      return;
    }
    const turn = JSON.parse(answer.body);
    if (turn.end) {
      return;
    }
    report = JSON.stringify(carriedOut(turn, sender));
  }
}

function carriedOut(turn, sender) {
  const told = {
    begun: [],
    lasted: [],
    kinds: [],
    status: 0,
    statuses: {},
    timeout: 0,
    connection: 0,
    opened: 0,
    matched: 0,
    unexpected: 0,
    bodies: [],
  };
  if (turn.due_ms !== null) {
    for (const after of turn.due_ms) {
      const due = turn.start_ms + after;
      sleepUntil(due);
      send(sender, told, due, turn.start_ms, Math.max(0, Date.now() - due));
    }
    return told;
  }
  sleepUntil(turn.first_ms);
  for (;;) {
    const begun = Date.now();
    if (begun >= turn.until_ms) {
      return told;
    }
    send(sender, told, begun, turn.start_ms, 0);
  }
}

function sleepUntil(moment) {
  const wait = moment - Date.now();
  if (wait > 0) {
    sleep(wait / 1000);
  }
}

function send(sender, told, begun, startMs, late) {
  const place = sender.choose();
  const kind = sender.kinds[place];
  requests += 1;
  const sample = kind.checks_body && requests % load.sample_every === 0;
  if (kind.varies) {
    iteration += sender.target.users;
  }
  const answer = sender.ready(place, iteration, sample)();
  if (answer.timings.connecting > 0) {
    told.opened += 1;
  }
  const succeeded = right(kind, answer);
  const complete = sender.goesOn(place, answer, succeeded);
  if (succeeded) {
    told.begun.push(Math.round(begun - startMs));
    told.lasted.push(Math.round((late + answer.timings.blocked + answer.timings.duration) * 1000));
    if (sender.kinds.length > 1) {
      told.kinds.push(place);
    }
    if (sample || !complete) {
      look(answer.body || '', kind, place, told);
    }
  } else if (answer.status !== 0) {
    told.status += 1;
    told.statuses[answer.status] = (told.statuses[answer.status] || 0) + 1;
  } else if (answer.error_code === TIMED_OUT) {
    told.timeout += 1;
  } else {
    told.connection += 1;
  }
  if (refused(answer)) {
    sleep(0.1);
  }
}

function look(body, kind, place, told) {
  if (kind.expected !== null && body === kind.expected) {
    told.matched += 1;
    return;
  }
  told.unexpected += 1;
  if (told.bodies.length < load.kept_bodies) {
    told.bodies.push([place, kind.varies ? iteration : null, body]);
  }
}

export function handleSummary() {
  return {};
}
