// Puts the account page together: who is signed in, and which section is shown.

import { byId, el, toast } from "../dom.js";
import { Entrance } from "../entrance.js";
import { rememberPlace, wayBack } from "../place.js";
import { Session } from "../session.js";
import { setUpTheme } from "../theme.js";
import { Activity } from "./activity.js";
import { AccountApi } from "./api.js";
import { Data } from "./data.js";
import { Devices } from "./devices.js";
import { Once, Proof, Sure } from "./dialogs.js";
import { Keys } from "./keys.js";
import { Owner } from "./owner.js";
import { Profile } from "./profile.js";
import { Security } from "./security.js";

const session = new Session();
const entrance = new Entrance(session, "account-view", "goodbye-view");
const api = new AccountApi(session);
const owner = new Owner(api);
const proof = new Proof(owner, () => session.signOut("again").catch((error) => toast(error.message)));
const sure = new Sure();
const once = new Once();
const tools = { api, owner, proof, sure, once, renamed, farewell };
const parts = { profile: new Profile(tools), security: new Security(tools), devices: new Devices(tools), keys: new Keys(tools), activity: new Activity(tools), data: new Data(tools) };

// Whose page it is: somebody else who signs in here must find nothing of theirs.
let seenBy = null;
let shown = null;
let isClosed = false;

// Where letters about exports lead.
const wantsExports = location.pathname === "/account/exports";
// What comes back from a provider's page is told before the address is looked at.
const cameBack = "openid_link" in entrance.elsewhere.told;

function nameInAddress() {
  const name = location.hash.slice(1);
  if (Object.hasOwn(parts, name)) return name;
  if (name && shown) return shown; // the link that skips the bar
  return wantsExports ? "data" : cameBack ? "security" : "profile";
}

async function enter() {
  if (seenBy && seenBy !== session.user.id) {
    location.reload();
    return;
  }
  seenBy = session.user.id;
  byId("way-back").href = wayBack();
  showWho();
  entrance.show("account-view");
  once.showAgain();
  const said = await entrance.elsewhere.link();
  if (said) toast(said);
  await open(nameInAddress());
  if (wantsExports && shown === "data" && !location.hash) byId("exports-title").focus();
}

function showWho() {
  byId("account-who").textContent = session.user.name || session.user.email;
}

function renamed(user) {
  session.user = user;
  showWho();
}

async function open(name) {
  if (shown && shown !== name) parts[shown].close();
  shown = name;
  for (const link of byId("account-nav").children) {
    const current = link.hash === `#${name}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (current) link.scrollIntoView({ block: "nearest", inline: "center" });
  }
  const part = parts[name];
  document.title = `${part.title.textContent} · Eloquent AI`;
  await part.open();
}

async function turn() {
  if (!session.user) return;
  const name = nameInAddress();
  if (name === shown) return;
  scrollTo(0, 0);
  const opening = open(name);
  parts[name].title.focus({ preventScroll: true });
  await opening;
}

// The account is closed, and so is this session.
function farewell({ title, words }) {
  byId("goodbye-title").textContent = title;
  byId("goodbye-words").replaceChildren(...words.map((sentence) => el("p", {}, sentence)));
  document.title = `${title} · Eloquent AI`;
  isClosed = true;
  session.left("closed");
  entrance.show("goodbye-view");
  byId("goodbye-title").focus();
}

const NOTES = { expired: "You were signed out. Sign in to go on.", again: "Sign in again, then go on where you were." };

function leave({ detail: { reason } }) {
  proof.close();
  sure.close();
  once.hide();
  if (reason !== "again") rememberPlace("");
  if (reason === "asked") location.assign("/");
  else if (!isClosed) entrance.ask(NOTES[reason]);
}

session.addEventListener("signed-in", enter);
session.addEventListener("signed-out", leave);
addEventListener("hashchange", turn);
byId("sign-out").addEventListener("click", () => session.signOut().catch((error) => toast(error.message)));
setUpTheme(document.querySelectorAll("[data-theme-button]"));
entrance.open();
