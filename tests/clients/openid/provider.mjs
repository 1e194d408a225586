// A certified provider of OpenID Connect on loopback, with its own forms for signing in. Whoever signs in as NAME has the
// subject NAME and the email NAME@example.org. Takes its clients as JSON in the first argument; prints its issuer.

import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";

import Provider from "oidc-provider";

const jwk = (kind, options, kid) => ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }), kid, use: "sig" });

let answer;
const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1", () => {
  const provider = new Provider(`http://127.0.0.1:${server.address().port}`, {
    clients: JSON.parse(process.argv[2]),
    jwks: {
      keys: [
        jwk("rsa", { modulusLength: 2048 }, "rsa"),
        jwk("ec", { namedCurve: "P-256" }, "ec"),
        jwk("ed25519", {}, "okp"),
      ],
    },
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    cookies: { keys: ["of a test"] },
    features: { backchannelLogout: { enabled: true } },
    // Ours is on this machine, which its own dispatcher would not ask.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    pkce: { required: () => true },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, name: `${id} of Node` }),
    }),
  });
  provider.on("backchannel.error", (_, error) => console.error(error));
  answer = provider.callback();
  console.log(provider.issuer);
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
