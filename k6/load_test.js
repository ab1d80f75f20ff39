// A load test to run by hand, with nothing but k6 and a server that listens:
//
//   TARGET_VUS=10000 k6 run k6/load_test.js
//
// Ramps up to TARGET_VUS users (50 by default) in 1 s and holds them for 30 s, one GET after another.
// URL says what to request; the default is where `harness serve` listens.
import http from 'k6/http';
import { check } from 'k6';

const users = Number(__ENV.TARGET_VUS || 50);
const url = __ENV.URL || 'http://127.0.0.1:8000/async/sleep?ms=1000';

if (!Number.isInteger(users) || users < 1) {
  throw new Error(`TARGET_VUS=${__ENV.TARGET_VUS}: give a whole number of users, at least 1`);
}

export const options = {
  stages: [
    { duration: '1s', target: users },
    { duration: '30s', target: users },
  ],
};

export default function () {
  check(http.get(url), { 'status is 200': (answer) => answer.status === 200 });
}
