// Requests as the harness describes them: what is sent, and whether the answer is right. Shared by the scripts that send.
//
// A target is {base, kinds, feeds, timeout_ms}:
//   base          http://host:port
//   kinds         kinds of requests, of which each request is one:
//     method, path, headers, body   texts, or lists of texts and {feed: name}, where a value of a feed goes
//     weight                        how often, relative to the others
//     statuses                      right ones; null: all from 200 to 299
//     checks_body                   whether sampled bodies are checked
//     expected                      the body that was verified before the load; null: every request has another
//   feeds         name → {count, step, texts}: request i takes row i × step modulo count, which stands for its text or,
//                 where texts is null, for its number counted from 1
//   timeout_ms    a request that takes longer has failed
import http from 'k6/http';

// The requests of a target, with fixed texts joined, so that nothing is made for each request that need not be.
export class Requests {
  constructor(target) {
    this.target = target;
    this.kinds = target.kinds.map((kind) => prepared(kind, target));
    const total = target.kinds.reduce((sum, kind) => sum + kind.weight, 0);
    let below = 0;
    this.bounds = target.kinds.map((kind) => (below += kind.weight / total));
  }

  // Place of a kind, drawn by the weights.
  choose() {
    if (this.kinds.length === 1) {
      return 0;
    }
    const chance = Math.random();
    const place = this.bounds.findIndex((bound) => chance < bound);
    return place < 0 ? this.bounds.length - 1 : place;
  }

  // The function that sends a request of a kind, made ready so that what it takes does not count. `iteration` says
  // which rows of the feeds; `sample` keeps the body of the answer.
  ready(place, iteration, sample) {
    const kind = this.kinds[place];
    const path = kind.varies ? this.filled(kind.path, iteration) : kind.path;
    const body = kind.varies ? this.filled(kind.body, iteration) : kind.body;
    const params = kind.plain === null ? this.made(kind, iteration, sample) : sample ? kind.sampling : kind.plain;
    return () => http.request(kind.method, path, body, params);
  }

  filled(text, iteration) {
    if (text === null || typeof text === 'string') {
      return text;
    }
    return text.map((part) => (typeof part === 'string' ? part : row(this.target.feeds[part.feed], iteration))).join('');
  }

  made(kind, iteration, sample) {
    const headers = {};
    for (const [name, text] of Object.entries(kind.headers)) {
      headers[name] = this.filled(text, iteration);
    }
    return kind.params(sample ? { headers, responseType: 'text' } : { headers });
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
    plain: fixed ? params(given) : null,
    sampling: fixed ? params({ ...given, responseType: 'text' }) : null,
    params,
    varies: !fixed || typeof kind.path !== 'string' || (kind.body !== null && typeof kind.body !== 'string'),
  };
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
