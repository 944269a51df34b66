import assert from 'node:assert/strict';
import { SellingPartner } from 'amazon-sp-api';
import { advance, agent } from './check.mjs';

const { LWA_CLIENT_ID, LWA_CLIENT_SECRET, LWA_REFRESH_TOKEN, LWA_CODE } = process.env;
const make = (more, secret = LWA_CLIENT_SECRET) =>
  new SellingPartner({
    region: 'na',
    credentials: { SELLING_PARTNER_APP_CLIENT_ID: LWA_CLIENT_ID, SELLING_PARTNER_APP_CLIENT_SECRET: secret },
    ...more,
    options: { https_proxy_agent: agent, retry_remote_timeout: false, ...more.options },
  });
const call = { api_path: '/sellers/v1/marketplaceParticipations', method: 'GET' };

// A code, once.
const client = make({ refresh_token: LWA_REFRESH_TOKEN });
const tokens = await client.exchange(LWA_CODE);
assert.match(tokens.refresh_token, /^Atzr\|/);
assert.equal(tokens.expires_in, 3600);
await assert.rejects(client.exchange(LWA_CODE), {
  code: 'invalid_grant',
  message: 'The request has an invalid grant parameter : code',
});

// A token for the first call, and another once that has expired.
assert.deepEqual((await client.callAPI(call)).scopes, ['profile']);
const first = client.access_token;
await client.callAPI(call);
assert.equal(client.access_token, first);
await advance('61m');
await client.callAPI(call);
assert.notEqual(client.access_token, first);

// For itself.
const own = make({ options: { only_grantless_operations: true } });
await own.refreshAccessToken('sellingpartnerapi::notifications');

// What it makes of a refusal.
await assert.rejects(make({ refresh_token: LWA_REFRESH_TOKEN }, 'wrong').refreshAccessToken(), {
  code: 'invalid_client',
  message: 'Client authentication failed',
});
