// Runs a k6 script of the user's inside the harness' warm-up and window, and counts each request that it makes through
// the default export of k6/http. Its options are left aside; it finds the server in __ENV.BASE_URL.
import http from 'k6/http';
import { check, sleep } from 'k6';
import { begin, count, endMs, load } from './measured.js';
import { refused } from './requests.js';

export { handleSummary, options } from './measured.js';

// Of this user, from its first iteration on.
let startMs = null;

// What the script says is right: k6 knows it, and does not tell.
const statusesOf = new Map();
let expected = null;
const expectedStatuses = http.expectedStatuses;
http.expectedStatuses = (...statuses) => {
  const callback = expectedStatuses.apply(http, statuses);
  statusesOf.set(callback, statuses);
  return callback;
};
const setResponseCallback = http.setResponseCallback;
http.setResponseCallback = (callback) => {
  expected = callback;
  return setResponseCallback.call(http, callback);
};

// Whether an answer is right: by the callback of its request, else by that of the script, else from 200 to 399.
function right(answer, given) {
  const own = given.find((each) => each !== null && typeof each === 'object' && each.responseCallback !== undefined);
  const statuses = statusesOf.get(own === undefined ? expected : own.responseCallback);
  if (statuses === undefined) {
    return answer.status >= 200 && answer.status < 400;
  }
  return statuses.some((each) =>
    typeof each === 'number' ? answer.status === each : answer.status >= each.min && answer.status <= each.max,
  );
}

function counted(answer, given) {
  const finished = Date.now() - startMs;
  if (startMs !== null && finished >= load.warmup_ms && finished < endMs) {
    count(0, answer, right(answer, given), 0);
  }
  if (startMs !== null && refused(answer)) {
    sleep(0.1);
  }
  return answer;
}

for (const name of ['get', 'head', 'post', 'put', 'patch', 'del', 'options', 'request']) {
  const send = http[name];
  http[name] = (...given) => counted(send.apply(http, given), given);
}
const sendAsync = http.asyncRequest;
http.asyncRequest = async (...given) => counted(await sendAsync.apply(http, given), given);
const sendBatch = http.batch;
http.batch = (...given) => {
  const answers = sendBatch.apply(http, given);
  Object.values(answers).forEach((answer) => counted(answer, []));
  return answers;
};

// Before each user reads the script, and again later, since k6 makes __ENV anew when the load begins.
function tell() {
  __ENV.BASE_URL = load.target.base;
}
tell();
const own = require(load.script);

export function setup() {
  tell();
  return own.setup === undefined ? undefined : own.setup();
}

// What the script throws is a check that failed, named by its message: without that nobody would hear of it.
function threw(error) {
  const said = String(error).split('\n')[0].slice(0, 150).replace(/\d+/g, '#').replace(/::/g, ':');
  check(null, { [`no exception (${said})`]: false });
  throw error;
}

export default function (data) {
  if (startMs === null) {
    tell();
    startMs = begin();
    sleep((Math.random() * load.warmup_ms) / 1000);
  }
  try {
    const done = own.default(data);
    return done instanceof Promise ? done.catch(threw) : done;
  } catch (error) {
    return threw(error);
  }
}

export function teardown(data) {
  tell();
  return own.teardown === undefined ? undefined : own.teardown(data);
}
