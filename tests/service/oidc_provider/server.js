// A certified OpenID provider on a free port of this machine. It gives a client access tokens in the form of JWTs,
// each signed by the algorithm that the client's name says. Its address is the first line that it writes.
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

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: Object.keys(pairs).map((alg) => ({
      client_id: alg, client_secret: "secret", grant_types: ["client_credentials"], redirect_uris: [],
      response_types: [],
    })),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
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
