import assert from 'node:assert/strict';
import https from 'node:https';
import { HttpsProxyAgent } from 'https-proxy-agent';

export const agent = new HttpsProxyAgent(process.env.HTTPS_PROXY);

// advance moves the sandbox's clock on, by a duration such as 61m.
export function advance(duration) {
  return new Promise((resolve, reject) => {
    const request = https.request(`https://clock.test/?advance=${duration}`, { agent }, (response) => {
      response.resume().on('end', () => resolve(assert.equal(response.statusCode, 200)));
    });
    request.on('error', reject).end();
  });
}
