// Passkeys in the browser: from the server's options, as JSON, to the authenticator's answer, as JSON.
// https://www.w3.org/TR/webauthn-3/

// Whether this browser, on this page, can have passkeys. An IP address is no domain that they could be made for.
export function passkeysWork() {
  return Boolean(globalThis.isSecureContext && globalThis.PublicKeyCredential) && !/^[\d.]+$|:|^\[/.test(location.hostname);
}

// What the server asks for at `POST /me/passkeys`.
export async function createPasskey(options) {
  const { user, challenge, excludeCredentials = [], ...rest } = options;
  const publicKey = { ...rest, challenge: bytes(challenge), user: { ...user, id: bytes(user.id) }, excludeCredentials: excludeCredentials.map(described) };
  const made = await asked(() => navigator.credentials.create({ publicKey }));
  const { clientDataJSON, attestationObject } = made.response;
  return shape(made, {
    clientDataJSON: text(clientDataJSON),
    attestationObject: text(attestationObject),
    transports: made.response.getTransports?.() ?? [],
  });
}

// What the server asks for as `passkey`.
export async function showPasskey(options) {
  const { challenge, allowCredentials = [], ...rest } = options;
  const publicKey = { ...rest, challenge: bytes(challenge), allowCredentials: allowCredentials.map(described) };
  const shown = await asked(() => navigator.credentials.get({ publicKey }));
  const { clientDataJSON, authenticatorData, signature, userHandle } = shown.response;
  return shape(shown, {
    clientDataJSON: text(clientDataJSON),
    authenticatorData: text(authenticatorData),
    signature: text(signature),
    userHandle: userHandle?.byteLength ? text(userHandle) : null,
  });
}

// Browsers say little about why, on purpose. What they say becomes a sentence for the user.
async function asked(ask) {
  try {
    return await ask();
  } catch (error) {
    const sentences = {
      NotAllowedError: "No passkey was used: it was cancelled, took too long, or there is none here.",
      InvalidStateError: "This device has a passkey for your account already.",
      SecurityError: "Passkeys are not possible at this address.",
    };
    throw new Error(sentences[error.name] ?? "The passkey could not be used.", { cause: error });
  }
}

function shape({ id, rawId, type }, response) {
  return { id, rawId: text(rawId), type, response };
}

function described(credential) {
  return { ...credential, id: bytes(credential.id) };
}

function bytes(base64url) {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  let binary = "";
  for (const byte of new Uint8Array(buffer)) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
