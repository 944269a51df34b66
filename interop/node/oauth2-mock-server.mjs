// Starts oauth2-mock-server at the paths of Login with Amazon, says where, and ends when
// its input does.
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server(undefined, undefined, {
  endpoints: { token: '/auth/o2/token', authorize: '/ap/oa' },
});
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');
console.log(`http://127.0.0.1:${server.address().port}`);
process.stdin.resume().on('end', () => server.stop());
