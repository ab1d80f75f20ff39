// Loads two targets at the same time with equal users, and counts what each answered.
import http from 'k6/http';
import { Counter } from 'k6/metrics';

const pair = JSON.parse(__ENV.PAIR);
const counts = { first: new Counter('first'), second: new Counter('second') };
const scenario = (name) => ({
  executor: 'constant-vus',
  vus: pair.users,
  duration: `${pair.seconds}s`,
  gracefulStop: '5s',
  exec: name,
});

export const options = {
  scenarios: { first: scenario('first'), second: scenario('second') },
  discardResponseBodies: true,
  systemTags: ['status', 'scenario'],
};

function load(name) {
  if (http.get(pair[name]).status === 200) {
    counts[name].add(1);
  }
}

export function first() {
  load('first');
}

export function second() {
  load('second');
}

export function handleSummary(data) {
  const of = (name) => data.metrics[name].values.count;
  return { stdout: JSON.stringify({ first: of('first'), second: of('second') }) };
}
