import http from 'k6/http';
import { check, sleep } from 'k6';

export const options = { vus: 1, duration: '1h' };
const atStart = __ENV.BASE_URL;

export function setup() {
  return { limit: http.get(`${__ENV.BASE_URL}/items`).json('items').length };
}

export default function (data) {
  const answer = http.get(`${atStart}/items?limit=${data.limit}`);
  check(answer, { 'as many items as in setup': (each) => each.json('items').length === data.limit });
  http.batch([`${__ENV.BASE_URL}/items/1`, `${__ENV.BASE_URL}/items/2`]);
  sleep(0.02);
}
