// Who is signed in, and requests in their name. The access token lives in this module's memory only; the refresh
// token is an HttpOnly cookie that no script can read.

const REQUEST_TIMEOUT_MS = 20_000;
const FILE_TIMEOUT_MS = 120_000;
const REFRESH_EARLY_MS = 60_000;
// A reply that got lost leaves a cookie whose token was exchanged: for 10 s the server answers it all the same, later it
// takes it for a stolen one. So the last try, which may take its time, is sent well within that.
const REFRESH_TIMEOUTS_MS = [4_000, 4_000, REQUEST_TIMEOUT_MS];
const REFRESH_AGAIN_MS = 30_000;

// A refused or failed request. `detail` is a sentence for the user; `fields` maps a field's name to what is wrong with it;
// `retryAfterS` is when another try makes sense, where the server knows.
export class ApiError extends Error {
  constructor(status, { code = "error", detail = "", errors = [], retry_after_s: wait = null } = {}) {
    super(detail || "Something went wrong. Please try again.");
    this.status = status;
    this.code = code;
    this.retryAfterS = wait;
    this.fields = new Map();
    for (const fault of Array.isArray(errors) ? errors : []) {
      const place = Array.isArray(fault.loc) ? fault.loc.at(-1) : String(fault.loc ?? "").split(".").at(-1);
      if (place === undefined || !fault.msg) continue;
      const before = this.fields.get(String(place));
      this.fields.set(String(place), before ? `${before} ${sentence(fault.msg)}` : sentence(fault.msg));
    }
  }

  // True when no server answered, or one that cannot serve now: worth another try later.
  get unreachable() {
    return this.status === 0 || this.status >= 500;
  }
}

function sentence(text) {
  const clean = String(text).replace(/^Value error, /, "");
  const upper = clean.charAt(0).toUpperCase() + clean.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

// Events: "signed-in", "signed-out" (detail.reason: "asked", "expired", or what `left` was given).
export class Session extends EventTarget {
  user = null;
  #token = null;
  #refreshing = null;
  #ending = false;
  #timer = null;
  // Tabs of one browser share the cookie: each says whom it has, or that it has nobody now.
  #tabs = new BroadcastChannel("eloquent-session");

  constructor(base = "/api/v1") {
    super();
    this.base = base;
    this.#tabs.addEventListener("message", ({ data: id }) => {
      if (this.user && this.user.id !== id) this.check().catch(() => {});
    });
  }

  // Signs in from the cookie of an earlier visit. Resolves to false when there is none or it is no longer good;
  // throws ApiError when the server cannot be asked.
  async restore() {
    try {
      await this.#refresh();
      return true;
    } catch (error) {
      if (error.unreachable || error.status === 429) throw error;
      return false;
    }
  }

  // Resolves to null, or to what is to be shown next: {challenge, methods, expires_in}, for `answerChallenge`.
  async signIn(email, password) {
    const answer = await this.#fetch("POST", "/auth/login", { email, password, cookie: true });
    if (answer.challenge) return answer;
    this.#accept(answer);
    return null;
  }

  // With the one-use code of a sign-in at a provider. Resolves as `signIn` does.
  async exchange(code) {
    const answer = await this.#fetch("POST", "/auth/openid/exchange", { code, cookie: true });
    if (answer.challenge) return answer;
    this.#accept(answer);
    return null;
  }

  // The second step. `answer` has one of `code`, `recovery_code` and `passkey`.
  async answerChallenge(challenge, answer) {
    this.#accept(await this.#fetch("POST", "/auth/second-factor", { challenge, ...answer, cookie: true }));
  }

  // What a passkey is to sign: in answer to a challenge, or without one to sign in alone.
  async passkeyOptions(challenge = null) {
    return (await this.#fetch("POST", "/auth/passkey/options", { challenge })).options;
  }

  async signInWithPasskey(passkey) {
    this.#accept(await this.#fetch("POST", "/auth/passkey", { passkey, cookie: true }));
  }

  // Resolves to nothing, or, where emails are proven first, to {email}: where a letter says how it goes on.
  async signUp(name, email, password) {
    const answer = await this.#fetch("POST", "/auth/register", { ...(name && { name }), email, password, cookie: true });
    if (answer.verification) return answer;
    this.#accept(answer);
    return null;
  }

  // `reason` is what those are told who listen.
  async signOut(reason = "asked") {
    try {
      await this.ending(() => this.request("POST", "/auth/logout"), reason);
    } catch (error) {
      // A session that is already gone is what was asked for; a server that cannot be told is not.
      if (error.status !== 401) throw error;
    }
    this.#forget(reason);
  }

  // Asks for what ends this session, too. Until the answer is there nobody is forgotten, though a closed socket or another
  // tab may tell of the end before: the answer is for the user.
  async ending(ask, reason = "expired") {
    this.#ending = true;
    let refused = false;
    try {
      return await ask();
    } catch (error) {
      refused = error.status === 401;
      throw error;
    } finally {
      this.#ending = false;
      if (refused) this.#forget(reason);
    }
  }

  // All other devices are signed out; this one goes on with fresh tokens. `fields` has both passwords.
  async changePassword(fields) {
    this.#accept(await this.request("POST", "/auth/password/change", { ...fields, cookie: true }));
  }

  // What was asked for has ended this session, too: all devices were signed out, or the account is closed.
  left(reason) {
    this.#forget(reason);
  }

  // The parsed JSON answer, or null for an empty one.
  request(method, path, body) {
    return this.#signed(() => this.#fetch(method, path, body));
  }

  // A file that is to be kept: {name, content}. A large one takes its time.
  download(path, timeout = FILE_TIMEOUT_MS) {
    return this.#signed(async () => {
      const response = await this.#ask("GET", path, undefined, timeout);
      return { name: nameIn(response.headers.get("content-disposition") ?? ""), content: await whole(response.blob()) };
    });
  }

  // Sends a file as it is, telling `moved` which share of it has gone; `signal` ends it. The parsed JSON answer.
  upload(path, content, { moved, signal }) {
    return this.#signed(() => sent(this.base + path, content, { token: this.#token, moved, signal }));
  }

  // A token that ran out is replaced once, then the request is repeated: for the same user, who may have left meanwhile.
  async #signed(ask) {
    const token = this.#token;
    const asker = this.user?.id;
    let answer;
    try {
      answer = await ask();
    } catch (error) {
      if (error.status !== 401) throw error;
      // Another request may have replaced the token while this one was on its way.
      if (token === this.#token) await this.#refreshOrForget();
      this.#verify(asker);
      answer = await ask();
    }
    this.#verify(asker);
    return answer;
  }

  // What was on its way to somebody who has left is for nobody, least of all for who sits here now.
  #verify(asker) {
    if (asker && asker !== this.user?.id) throw new ApiError(401, { code: "signed_out", detail: "You were signed out." });
  }

  // Called when the session may be over, as the server's closing of the socket or another tab says: the cookie decides.
  async check() {
    await this.#refreshOrForget();
  }

  async #refreshOrForget() {
    try {
      await this.#refresh();
    } catch (error) {
      if (!error.unreachable && error.status !== 429) this.#forget("expired");
      if (this.user) this.#refreshIn(REFRESH_AGAIN_MS);
      throw error;
    }
  }

  // One refresh at a time: in this tab by sharing the promise, between tabs by a lock, as each use replaces the cookie.
  #refresh() {
    this.#refreshing ??= this.#refreshNow().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refreshNow() {
    const ask = async () => this.#accept(await this.#exchanged());
    if (navigator.locks) await navigator.locks.request("eloquent-refresh", ask);
    else await ask();
  }

  async #exchanged() {
    let failure;
    for (const timeout of REFRESH_TIMEOUTS_MS) {
      try {
        return await this.#fetch("POST", "/auth/refresh", { cookie: true }, timeout);
      } catch (error) {
        if (!error.unreachable) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  #accept(answer) {
    const before = this.user;
    this.user = answer.user;
    this.#token = answer.access_token;
    this.#refreshIn(Math.max(answer.expires_in * 1000 - REFRESH_EARLY_MS, 5_000));
    if (before?.id === this.user.id) return;
    this.#tabs.postMessage(this.user.id);
    this.dispatchEvent(new Event("signed-in"));
  }

  #refreshIn(wait) {
    clearTimeout(this.#timer);
    // A failure here is no news: the next request asks again and tells.
    this.#timer = setTimeout(() => this.#refreshOrForget().catch(() => {}), wait);
  }

  #forget(reason) {
    if (!this.user || this.#ending) return;
    clearTimeout(this.#timer);
    this.user = null;
    this.#token = null;
    this.#tabs.postMessage(null);
    this.dispatchEvent(new CustomEvent("signed-out", { detail: { reason } }));
  }

  async #fetch(method, path, body, timeout = REQUEST_TIMEOUT_MS) {
    return jsonOf(await this.#ask(method, path, body, timeout));
  }

  // The response, whose body is still to be read; one that is no success is thrown as ApiError.
  async #ask(method, path, body, timeout) {
    const headers = { Accept: "application/json" };
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const asked = fetch(this.base + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(timeout),
    });
    const response = await whole(asked);
    if (!response.ok) throw new ApiError(response.status, (await jsonOf(response)) ?? {});
    return response;
  }
}

// What a connection gives, to its end. Throws ApiError when it breaks or takes too long.
async function whole(promise) {
  try {
    return await promise;
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new ApiError(0, {
      code: late ? "timeout" : "offline",
      detail: late ? "The server takes too long to answer." : "The server cannot be reached. Check your connection and try again.",
    });
  }
}

// `fetch` tells nothing of how far an upload is.
function sent(address, content, { token, moved, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const offline = { code: "offline", detail: "The upload was interrupted. Check your connection and try again." };
    request.open("POST", address);
    request.responseType = "json";
    request.timeout = FILE_TIMEOUT_MS;
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && moved(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response);
      else reject(new ApiError(request.status, request.response ?? {}));
    });
    for (const way of ["error", "abort", "timeout"]) request.addEventListener(way, () => reject(new ApiError(0, offline)));
    signal.addEventListener("abort", () => request.abort());
    request.send(content);
  });
}

async function jsonOf(response) {
  const text = await whole(response.text());
  return text && /json/.test(response.headers.get("content-type") ?? "") ? whole(new Response(text).json()) : null;
}

// A file's name as the header gives it, in letters of any script or in plain ones.
function nameIn(disposition) {
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(disposition)?.[1];
  if (encoded) return decodeURIComponent(encoded);
  return /filename="((?:[^"\\]|\\.)*)"/.exec(disposition)?.[1].replace(/\\(.)/g, "$1") ?? "conversation";
}
