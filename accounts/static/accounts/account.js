// A page that a letter leads to: a form, what came of it, and where to go on. The token stands behind `#` until it is used.

import { get, post } from "./asking.js";
import { receiptOf } from "./receipt.js";

const byId = (id) => document.getElementById(id);
const form = byId("form");
const CHAT = ["Go to the chat", "/"];
const ANOTHER = ["Have a new link sent", "/account/forgot-password"];
let token = tokenIn(location.hash);

const PAGES = {
  "verify-email": {
    needsToken: true,
    send: () => post("/auth/verify-email", { token, current_password: form.elements.current_password.value || null }),
    refused: ({ code }) => {
      // Not signed in here: whoever reads the letter need not be who made the account.
      const field = byId("current-field");
      if (code !== "wrong_password" || !field.hidden) return false;
      field.hidden = false;
      form.elements.current_password.focus();
      return true;
    },
    done: ({ email }) => end("Your email address is confirmed", [`${email} is yours. You can close this page.`], CHAT),
    dead: () => end("This link is not valid any more", ["It works once, within three days. If you have opened it before, all is done.", "If not, sign in: another letter can be sent from there."], CHAT),
  },
  "confirm-email": {
    needsToken: true,
    send: () => post("/auth/confirm-email", { token }),
    done: ({ new_email: email, changed, waits_for: other }) => {
      if (changed) end("Your email address has changed", [`It is ${email} now. Sign in with it from now on.`], CHAT);
      else end("Half of it is done", [other === "current" ? "Now open the link in the letter to your current address, too." : `Now open the link in the letter to ${email}, too.`]);
    },
    dead: () => end("This link is not valid any more", ["It works once, within a day, and not after a change of password. If you have opened it before, all is done.", "If not, ask for the change again."], CHAT),
  },
  "reset-password": {
    needsToken: true,
    send: () => post("/auth/password/reset", { token, new_password: form.elements.password.value, cookie: true }),
    done: ({ challenge, user }) => {
      // Whoever has a second factor shows it at the sign-in.
      const next = challenge ? "Sign in with it, and with your second factor. All devices were signed out." : `You are signed in here as ${user.email}. All other devices were signed out.`;
      end("Your new password is set", [next], CHAT);
    },
    dead: () => end("This link is not valid any more", ["It works once, within an hour, and only until the password has changed."], ANOTHER),
  },
  "forgot-password": {
    send: () => post("/auth/password/forgot", { email: form.elements.email.value }),
    done: ({ email }) => end("Look at your mail", [`If there is an account with ${email}, a letter with a link is on its way there. The link works for an hour.`, "Nothing came? Look where unwanted mail is kept, and whether this is the address that you signed up with."], CHAT),
  },
  "own-password": {
    send: () => {
      const { email, given_password: given, password } = form.elements;
      return post("/auth/password/own", { email: email.value.trim(), given_password: given.value, new_password: password.value, cookie: true });
    },
    done: ({ challenge, user }) => {
      const next = challenge ? "Sign in with it, and with your second factor." : `You are signed in here as ${user.email}.`;
      end("Your own password is set", [next], CHAT);
    },
  },
  "accept-invitation": {
    needsLink: true,
    look: () => post("/auth/invitation", { token }),
    looked: ({ email }) => {
      form.elements.email.value = email;
      form.elements.email.readOnly = Boolean(email);
    },
    send: () => {
      const { name, email, password } = form.elements;
      return post("/auth/register", { name: name.value.trim(), email: email.value.trim(), password: password.value, invitation: token, cookie: true });
    },
    done: (answer) => {
      if (answer.verification) end("One step is left", [`A letter is on its way to ${answer.email}. Open its link, then sign in.`], CHAT);
      else location.replace("/");
    },
    dead: () => end("This invitation is not valid any more", ["It works once, and for a while only. Ask whoever invited you for another one."], CHAT),
  },
  "erasure-cancel": {
    needsToken: true,
    send: () => post("/auth/erasure/cancel", { token }),
    done: () => end("Your account stays", ["Nothing was erased. Sign in as before.", "If it was not you who asked for the erasure, somebody knows your password: change it in your account."], CHAT),
    dead: () => end("This link is not valid any more", ["It works once, until the erasure begins. If you have opened it before, your account is there: sign in."], CHAT),
  },
  "erased": {
    needsToken: true,
    keepsToken: true, // it opens the receipt for years
    send: () => get(`/erasures/${encodeURIComponent(token)}`),
    done: (receipt) => {
      const { state, due_at: due, finished_at: at } = receipt;
      if (state === "cancelled") return end("Your account was not erased", ["The erasure was taken back before it began."], CHAT);
      if (state === "waiting") return end("The erasure waits", [`It begins after ${moment(due)}. Until then the link in the letter takes it back.`, "Look again later: the receipt is written when all is done."]);
      if (state !== "complete") return end("The erasure is at work", ["Look again in a while: the receipt is written when all is done."]);
      end("Your account was erased", [`All was done on ${moment(at)}. This receipt does not say who you were.`]);
      byId("told").append(...receiptOf(receipt));
    },
    dead: () => end("There is no such receipt", ["Receipts are kept for three years. See that the link is complete."]),
  },
};
const DEAD = new Set(["link_not_valid", "invitation_invalid", "not_found"]);
const page = PAGES[document.body.dataset.page];

function moment(iso) {
  return new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" }).format(new Date(iso));
}

// What stands behind the last #, be it of a link or alone.
function tokenIn(text) {
  return text.trim().replace(/^.*#/, "");
}

// The form goes, and what happened takes its place, with one way on.
function end(title, sentences, onward) {
  // Neither the history nor whoever looks over a shoulder has a use for a token that was used.
  if (!page.keepsToken) history.replaceState(null, "", location.pathname);
  form.hidden = true;
  byId("title").textContent = title;
  document.title = `${title} · Eloquent AI`;
  say(...sentences);
  if (onward) {
    const [words, path] = onward;
    const link = document.createElement("a");
    link.textContent = words;
    link.href = path;
    link.className = "primary";
    byId("onward").replaceChildren(link);
    byId("onward").hidden = false;
  }
  byId("title").focus();
}

function say(...sentences) {
  const paragraphs = sentences.map((sentence) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = sentence;
    return paragraph;
  });
  byId("told").replaceChildren(...paragraphs);
}

function mark(field, sentence) {
  const place = byId(`${field.name}-fault`);
  place.textContent = sentence;
  if (sentence) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

function inputs() {
  return [...form.elements].filter((field) => field instanceof HTMLInputElement);
}

function refuse(error) {
  if (DEAD.has(error.code)) return page.dead();
  if (page.refused?.(error)) return null;
  let first = null;
  for (const field of inputs()) {
    const sentence = error.fields.get(field.name) ?? (field.name === "password" ? error.fields.get("new_password") : null);
    if (!sentence) continue;
    mark(field, sentence);
    first ??= field;
  }
  byId("fault").textContent = error.message;
  byId("fault").hidden = Boolean(first);
  (first ?? byId("submit")).focus();
}

async function busy(work) {
  byId("submit").disabled = true;
  byId("fault").hidden = true;
  for (const field of inputs()) mark(field, "");
  try {
    return await work();
  } catch (error) {
    refuse(error);
    return null;
  } finally {
    byId("submit").disabled = false;
  }
}

function missing() {
  const sentences = { email: "Enter your email address.", given_password: "Enter the password that you were given.", password: "Enter a password.", current_password: "Enter your password.", link: "Paste the link, or what stands behind its #." };
  const field = inputs().find((each) => each.name in sentences && !each.closest("[hidden]") && !each.value.trim());
  if (!field) return false;
  mark(field, sentences[field.name]);
  field.focus();
  return true;
}

// For whoever comes with an invitation: is it good, and for whom?
async function look() {
  const invitation = await busy(page.look);
  if (!invitation) return;
  showAccount(true);
  page.looked(invitation);
  inputs().find((field) => !field.closest("[hidden]") && !field.value)?.focus();
}

function showAccount(shown) {
  for (const field of document.querySelectorAll("[data-account]")) field.hidden = !shown;
  byId("link-field").hidden = shown;
  byId("submit").textContent = shown ? "Make the account" : "Go on";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  for (const field of inputs()) mark(field, "");
  if (missing()) return;
  if (page.needsLink && !byId("link-field").hidden) {
    token = tokenIn(form.elements.link.value);
    await look();
    return;
  }
  const answer = await busy(page.send);
  if (answer) page.done(answer);
});
form.addEventListener("input", ({ target }) => target.hasAttribute("aria-invalid") && mark(target, ""));
byId("show-password")?.addEventListener("click", ({ currentTarget }) => {
  const field = form.elements.password;
  const shown = field.type === "text";
  field.type = shown ? "password" : "text";
  currentTarget.setAttribute("aria-pressed", String(!shown));
  currentTarget.textContent = shown ? "Show" : "Hide";
  field.focus();
});
// A second letter's link opened in the same tab changes nothing but what stands behind #.
addEventListener("hashchange", () => location.hash && location.reload());

if (page.needsToken && !token) {
  end("This link is not complete", ["Open it from the letter once more, or copy all of it, to its end."], CHAT);
} else {
  form.hidden = false;
  if (page.needsLink) {
    showAccount(false);
    if (token) look();
    else form.elements.link.focus();
  } else {
    (inputs()[0] ?? byId("submit")).focus();
  }
}
