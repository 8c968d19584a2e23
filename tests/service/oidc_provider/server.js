// A certified OpenID provider on a free port of this machine. It gives a client access tokens in the form of JWTs,
// each signed by the algorithm that the client's name says; with an argument, it logs people in for a page that they
// go back to at that address. Its address is the first line that it writes.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";

import Provider from "oidc-provider";

const pairs = {
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: generateKeyPairSync("ed25519"),
};
const keys = Object.entries(pairs).map(([alg, pair]) => ({
  ...pair.privateKey.export({ format: "jwk" }), alg, kid: alg.toLowerCase(), use: "sig",
}));

const wayBack = process.argv[2];
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: Object.keys(pairs).map((alg) => ({
      client_id: alg, client_secret: "secret", grant_types: ["client_credentials"], redirect_uris: [],
      response_types: [],
    })).concat(wayBack ? [{
      client_id: "page", client_secret: "a secret/of the page", redirect_uris: [wayBack],
      id_token_signed_response_alg: "ES256",
    }] : []),
    // A log-in by any name, and consent; names are claims of the ID token, as with most providers.
    conformIdTokenClaims: false,
    claims: { profile: ["preferred_username"], email: ["email", "email_verified"] },
    findAccount: (_, name) => ({
      accountId: name,
      claims: () => ({ sub: name, preferred_username: name, email: `${name}@example.org`, email_verified: true }),
    }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "https://scoreboard.example",
        getResourceServerInfo: (_, __, client) => ({
          scope: "play", audience: "scoreboard", accessTokenFormat: "jwt", accessTokenTTL: 300,
          jwt: { sign: { alg: client.clientId } },
        }),
      },
    },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
