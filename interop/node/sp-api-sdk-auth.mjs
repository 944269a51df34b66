import assert from 'node:assert/strict';
import { AuthorizationScope, SellingPartnerApiAuth } from '@sp-api-sdk/auth';

const { LWA_CLIENT_ID: clientId, LWA_CLIENT_SECRET: clientSecret, LWA_REFRESH_TOKEN: refreshToken } = process.env;

// One call for all who ask at once, and none while the token lives.
const auth = new SellingPartnerApiAuth({ clientId, clientSecret, refreshToken });
const all = await Promise.all(Array.from({ length: 20 }, () => auth.getAccessToken()));
assert.equal(new Set(all).size, 1);
assert.match(all[0], /^Atza\|/);
assert.equal(await auth.getAccessToken(), all[0]);
assert.ok(Math.abs(auth.accessTokenExpiration - Date.now() - 3_600_000) < 60_000);

// It takes a refresh token from the environment when none is given; without one it asks
// for itself.
delete process.env.LWA_REFRESH_TOKEN;
const own = new SellingPartnerApiAuth({ clientId, clientSecret, scopes: [AuthorizationScope.NOTIFICATIONS] });
assert.match(await own.getAccessToken(), /^Atc\|/);

// What it makes of a refusal.
for (const [wrong, status, error] of [
  [{ clientSecret: 'wrong', refreshToken }, 401, 'invalid_client'],
  [{ clientSecret, scopes: ['sellingpartnerapi::unknown'] }, 400, 'invalid_scope'],
]) {
  await assert.rejects(new SellingPartnerApiAuth({ clientId, ...wrong }).getAccessToken(), (refused) => {
    assert.equal(refused.response.status, status);
    assert.equal(refused.response.data.error, error);
    return true;
  });
}
