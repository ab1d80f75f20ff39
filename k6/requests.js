// Requests as the harness describes them: what is sent, and whether the answer is right. Shared by the scripts that send.
//
// A target is {base, kinds, feeds, login, timeout_ms}:
//   base          http://host:port
//   kinds         kinds of requests, of which each request is one:
//     method, path, headers, body   texts, or lists of texts and holes (below)
//     bytes                         in the place of `body`: base64 of what is sent as it is
//     weight                        how often, relative to the others; 0 of what only follows another one
//     next                          place of the kind that the same user sends after a right answer, or null
//     saves                         name → where its value is in the answer: keys of JSON, header:NAME or cookie:NAME
//     statuses                      right ones; null: all from 200 to 299
//     checks_body                   whether sampled bodies are checked
//     expected                      the body that was verified before the load; null: every request has another
//   feeds         name → {count, step, texts, per_user}: request i (of per_user: user i) takes row i × step modulo count,
//                 which stands for its text or, where texts is null, for its number counted from 1
//                 (a long list stands in a JSON file, whose name is given: see share)
//   login         place of the kind that each user sends once, before all others, or null
//   timeout_ms    a request that takes longer has failed
//
// A hole is {feed: name}, {saved: name, encoding} with a value of an answer before to the same user, or
// {unique: name, encoding} with a new UUID; `encoding` is path, form, plain, json or whole (a whole JSON value).
import { SharedArray } from 'k6/data';
import http from 'k6/http';
import encoding from 'k6/encoding';

const written = {
  path: (value) => encodeURIComponent(value),
  form: (value) => encodeURIComponent(value),
  plain: (value) => String(value),
  json: (value) => JSON.stringify(String(value)).slice(1, -1),
  whole: (value) => JSON.stringify(value),
};

// Read long lists of texts, once for all users: each user has a copy of everything else. To be called while k6 starts.
export function share(target) {
  for (const feed of Object.values(target.feeds)) {
    if (typeof feed.texts === 'string') {
      const file = feed.texts;
      feed.texts = new SharedArray(file, () => JSON.parse(open(file)));
    }
  }
}

// What one user sends: the requests of a target, with fixed texts joined, so that nothing is made for each request that
// need not be.
export class Requests {
  constructor(target) {
    this.target = target;
    this.user = 0; // place of the user among all; known when it begins
    this.kinds = target.kinds.map((kind) => prepared(kind, target));
    const total = target.kinds.reduce((sum, kind) => sum + kind.weight, 0);
    let below = 0;
    this.bounds = target.kinds.map((kind) => (below += kind.weight / total));
    this.places = target.kinds.flatMap((kind, place) => (kind.weight > 0 ? [place] : []));
    this.next = target.login;
    this.saved = {};
  }

  // Place of a kind: what follows the one before, else drawn by the weights.
  choose() {
    if (this.next !== null) {
      return this.next;
    }
    if (this.places.length === 1) {
      return this.places[0];
    }
    const chance = Math.random();
    const place = this.bounds.findIndex((bound) => chance < bound);
    return place < 0 ? this.places[this.places.length - 1] : place;
  }

  // The function that sends a request of a kind, made ready so that what it takes does not count. `iteration` says
  // which rows of the feeds; `sample` keeps the body of the answer.
  ready(place, iteration, sample) {
    const kind = this.kinds[place];
    const path = kind.varies ? this.filled(kind.path, iteration) : kind.path;
    const body = kind.varies ? this.filled(kind.body, iteration) : kind.body;
    const keeps = sample || kind.reads;
    const params = kind.plain === null ? this.made(kind, iteration, keeps) : keeps ? kind.sampling : kind.plain;
    return () => http.request(kind.method, path, body, params);
  }

  // Takes from an answer what later requests need, and says how the user goes on. Whether all that is needed was there.
  goesOn(place, answer, succeeded) {
    const kind = this.kinds[place];
    if (kind.next === null && !kind.saving && place !== this.target.login) {
      this.next = null;
      return true;
    }
    const values = succeeded ? Object.entries(kind.saves).map(([name, where]) => [name, found(where, answer)]) : [];
    const complete = values.every(([, value]) => value !== undefined && value !== null);
    for (const [name, value] of values) {
      this.saved[name] = value;
    }
    const failed = !succeeded || !complete;
    this.next = !failed ? kind.next : place === this.target.login ? place : null; // who is not logged in tries again
    return complete;
  }

  filled(text, iteration) {
    if (!Array.isArray(text)) {
      return text;
    }
    return text.map((part) => (typeof part === 'string' ? part : this.value(part, iteration))).join('');
  }

  value(part, iteration) {
    if (part.feed !== undefined) {
      const feed = this.target.feeds[part.feed];
      return row(feed, feed.per_user ? this.user : iteration);
    }
    return written[part.encoding](part.unique !== undefined ? crypto.randomUUID() : this.saved[part.saved]);
  }

  made(kind, iteration, keeps) {
    const headers = {};
    for (const [name, text] of Object.entries(kind.headers)) {
      headers[name] = this.filled(text, iteration);
    }
    return kind.params(keeps ? { headers, responseType: 'text' } : { headers });
  }
}

function prepared(kind, target) {
  const params = (more) => ({ timeout: target.timeout_ms, redirects: 0, ...more });
  const headers = Object.entries(kind.headers);
  const fixed = headers.every(([, text]) => typeof text === 'string');
  const given = headers.length > 0 ? { headers: kind.headers } : {};
  return {
    ...kind,
    path: typeof kind.path === 'string' ? target.base + kind.path : [target.base, ...kind.path],
    body: kind.bytes === null ? kind.body : encoding.b64decode(kind.bytes),
    plain: fixed ? params(given) : null,
    sampling: fixed ? params({ ...given, responseType: 'text' }) : null,
    params,
    saving: Object.keys(kind.saves).length > 0,
    reads: Object.values(kind.saves).some((where) => !/^(header|cookie):/.test(where)),
    varies: !fixed || typeof kind.path !== 'string' || (kind.body !== null && typeof kind.body !== 'string'),
  };
}

// The value at a place of an answer; undefined where there is none.
function found(where, answer) {
  const [kind, ...rest] = where.split(':');
  const name = rest.join(':');
  if (kind === 'header' && name !== '') {
    const own = Object.keys(answer.headers).find((each) => each.toLowerCase() === name.toLowerCase());
    return own === undefined ? undefined : answer.headers[own];
  }
  if (kind === 'cookie' && name !== '') {
    return answer.cookies[name] === undefined ? undefined : answer.cookies[name][0].value;
  }
  try {
    return where.split('.').reduce((value, key) => value[key], JSON.parse(answer.body));
  } catch (_) {
    return undefined;
  }
}

function row(feed, iteration) {
  const number = (iteration * feed.step) % feed.count;
  return feed.texts === null ? String(number + 1) : feed.texts[number];
}

export function right(kind, answer) {
  return kind.statuses === null ? answer.status >= 200 && answer.status < 300 : kind.statuses.includes(answer.status);
}

// A server that is gone refuses 100,000 times a second.
export function refused(answer) {
  return answer.status === 0 && answer.error_code !== TIMED_OUT;
}

export const TIMED_OUT = 1050;
