// A third-party token issuer for the interop tests: npm `oidc-provider`, configured, nothing else.
//
//   node server.mjs [--life SECONDS]
//
// Prints one JSON line when it listens, serves until its stdin closes. ../README.md has the shapes.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';

import { Provider, errors } from 'oidc-provider';

const SCOPES = ['reports:read', 'reports:write'];
const ACCOUNT = 'ada';
const DAY = 24 * 60 * 60;
const SIGNING_ALG = 'ES256';

// RFC 6749 section 2.3.1: in Basic, id and secret are form-encoded first. A caller that skips
// the step, or percent-encodes only a part, is refused by these values.
const CLIENTS = {
  basic: {
    client_id: 'reports app',
    client_secret: 's3cr:t/+%41 &=?~"\\',
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
  },
  post: {
    client_id: 'billing+post',
    client_secret: 'p&ss=w%rd;+ /:',
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['client_credentials'],
  },
  rotating: {
    client_id: 'calendar sync',
    client_secret: 'r0t:ate/+% me',
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['refresh_token'],
  },
};

const life = readLife();

// What the issuer keeps, for as long as the process lives. `consume` settles the race that the
// package leaves to its adapter: of two requests with one refresh token, the second is refused.
class MemoryAdapter {
  #models = new Map();

  async upsert(id, payload) {
    this.#models.set(id, payload);
  }

  async find(id) {
    const payload = this.#models.get(id);
    return payload && { ...payload };
  }

  async consume(id) {
    const payload = this.#models.get(id);
    if (!payload || payload.consumed) throw new errors.InvalidGrant('refresh token already used');
    payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.#models.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, payload] of this.#models) {
      if (payload.grantId === grantId) this.#models.delete(id);
    }
  }
}

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(origin, configuration());
const counters = {};
provider.use(serveCounters);
provider.use(countTokenRequests);
provider.on('server_error', (_ctx, error) => console.error(error));
server.on('request', provider.callback());

const refreshToken = await firstRefreshToken(CLIENTS.rotating.client_id);
process.stdin.resume().once('end', () => process.exit(0));
console.log(JSON.stringify(announcement()));

function announcement() {
  const secrets = ({ client_id, client_secret }) => ({ client_id, client_secret });
  return {
    token_url: provider.urlFor('token'),
    introspection_url: provider.urlFor('introspection'),
    counters_url: `${origin}/counters`,
    clients: {
      basic: secrets(CLIENTS.basic),
      post: secrets(CLIENTS.post),
      rotating: { ...secrets(CLIENTS.rotating), refresh_token: refreshToken },
    },
    life,
  };
}

function configuration() {
  return {
    adapter: (model) => new MemoryAdapter(model),
    clientDefaults: { id_token_signed_response_alg: SIGNING_ALG },
    clients: Object.values(CLIENTS).map((client) => ({
      ...client,
      redirect_uris: [],
      response_types: [],
      scope: [...SCOPES, 'offline_access'].join(' '),
    })),
    cookies: { keys: [randomUUID()] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    jwks: { keys: [signingKey()] },
    rotateRefreshToken: true,
    scopes: [...SCOPES, 'offline_access'],
    ttl: { AccessToken: life, ClientCredentials: life, RefreshToken: DAY, Grant: DAY },
  };
}

// What a browser login would have left behind: a grant, and a refresh token under it.
async function firstRefreshToken(clientId) {
  const client = await provider.Client.find(clientId);
  const scope = [...SCOPES, 'offline_access'].join(' ');

  const grant = new provider.Grant({ accountId: ACCOUNT, clientId });
  grant.addOIDCScope(scope);
  const grantId = await grant.save();

  const token = new provider.RefreshToken({
    accountId: ACCOUNT, client, grantId, scope, gty: 'authorization_code',
  });
  return token.save();
}

async function serveCounters(ctx, next) {
  if (ctx.path !== '/counters') return next();
  ctx.body = counters;
}

// Per client: tokens issued, refusals by error code, and how the client proved itself.
async function countTokenRequests(ctx, next) {
  await next();
  if (ctx.oidc?.route !== 'token') return;

  const client = ctx.oidc.client?.clientId ?? 'unknown';
  const count = (counters[client] ??= { issued: 0, refused: {}, auth: {} });
  const auth = ctx.get('authorization') ? 'basic' : 'post';
  count.auth[auth] = (count.auth[auth] ?? 0) + 1;
  if (ctx.status === 200) {
    count.issued += 1;
  } else {
    const { error } = ctx.body;
    count.refused[error] = (count.refused[error] ?? 0) + 1;
  }
}

function readLife() {
  const { values } = parseArgs({ options: { life: { type: 'string', default: '60' } } });
  const seconds = Number(values.life);
  if (!Number.isSafeInteger(seconds) || seconds < 1) {
    throw new RangeError(`--life must be a whole number of seconds, at least 1: ${values.life}`);
  }
  return seconds;
}

// Never used by these grants, but the package warns of its built-in key when it is given none.
function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), alg: SIGNING_ALG, use: 'sig' };
}
