// Puts the page together: who is signed in, which conversation is open, and what the parts tell each other.

import { Answers } from "./answers.js";
import { Api } from "./api.js";
import { Composer } from "./composer.js";
import { Conversations } from "./conversations.js";
import { byId, composing, el, toast } from "./dom.js";
import { Entrance } from "./entrance.js";
import { Notices } from "./notices.js";
import { rememberPlace } from "./place.js";
import { Search } from "./search.js";
import { Session } from "./session.js";
import { Drawer } from "./sidebar.js";
import { ChatSocket } from "./socket.js";
import { setUpTheme } from "./theme.js";
import { Thread } from "./thread.js";
import { Tray } from "./tray.js";

// A socket that comes back at once is not worth a word.
const BANNER_AFTER_MS = 1_200;

const session = new Session();
const api = new Api(session);
const socket = new ChatSocket(() => api.socketTicket());
const notices = new Notices(() => api.socketTicket());
const answers = new Answers(socket, api);
const conversations = new Conversations(api);
const search = new Search(api);
const tray = new Tray(api);
const composer = new Composer(tray);
const thread = new Thread(api, answers, conversations);
const entrance = new Entrance(session, "app-view");
const drawer = new Drawer();

let bannerTimer = null;
let wasLost = false;
// The model chosen for a conversation that does not exist yet.
let chosenModel = null;
let seenBy = null;
// Whether a conversation is being made for a first question.
let making = false;

async function enter() {
  // A page that somebody else has used begins anew: nothing of theirs stays in it.
  if (seenBy && seenBy !== session.user.id) {
    dropDraft(); // browsers fill a form in again that is reloaded
    location.reload();
    return;
  }
  seenBy = session.user.id;
  entrance.show("app-view");
  const { user } = session;
  byId("user-name").textContent = user.name || user.email;
  byId("user-email").textContent = user.name ? user.email : "";
  byId("user-initial").textContent = (user.name || user.email).trim().charAt(0).toUpperCase();
  byId("staff-link").hidden = !user.is_staff;
  socket.open();
  notices.open();
  openFromAddress();
  const [said] = await Promise.all([entrance.elsewhere.link(), loadModels(), loadList(), remindOfEmail()]);
  if (said) toast(said);
}

// Where emails are proven by letter, whoever has not done so can have the letter sent again.
async function remindOfEmail() {
  const reminder = byId("unverified");
  reminder.hidden = true;
  if (session.user.email_verified) return;
  try {
    reminder.hidden = (await api.registration()).email_verification === "off";
  } catch {
    // The next visit asks again.
  }
}

async function loadList() {
  const fault = byId("list-fault");
  const { user } = session;
  try {
    await conversations.load();
    fault.hidden = true;
  } catch (error) {
    if (session.user?.id !== user.id) return;
    fault.replaceChildren(el("p", {}, error.message), el("button", { type: "button", class: "small-button", onclick: loadList }, "Try again"));
    fault.hidden = false;
  }
  showTitle();
}

async function loadModels() {
  try {
    conversations.models = await api.models();
  } catch {
    // The page works with the server's default; the picker appears when the list can be had.
    conversations.models = [];
  }
  showModels();
}

function leave({ detail }) {
  const expired = detail.reason === "expired";
  document.querySelector("dialog[open]")?.close();
  conversations.menu.close();
  socket.close();
  notices.close();
  answers.clear();
  conversations.clear();
  conversations.models = [];
  thread.addresses.clear();
  rememberPlace("");
  search.clear();
  thread.open(null);
  hideBanner();
  drawer.close();
  // Whoever did not want to leave goes on where they were; for anybody else the page begins anew.
  if (!expired) dropDraft();
  document.title = "Eloquent AI";
  entrance.ask(expired ? "You were signed out. Sign in to go on." : "");
}

// What is not sent yet, and where it was being written.
function dropDraft() {
  chosenModel = null;
  composer.text = "";
  tray.clear();
  thread.clear();
  history.replaceState(null, "", location.pathname);
}

// The conversation, and the message in it that is to be looked at.
function wantedByAddress() {
  const [, id = null, message = null] = /^#\/c\/([0-9a-f]{24})(?:\/m\/([0-9a-f]{24}))?$/.exec(location.hash) ?? [];
  return { id, message };
}

async function openFromAddress() {
  const { id, message } = wantedByAddress();
  drawer.close();
  conversations.select(id);
  // Asked for once: a reload, or a visit later on, begins at the newest message as always.
  if (message) history.replaceState(null, "", `#/c/${id}`);
  if (id === thread.id && id) {
    if (message) await thread.seek(message);
    return;
  }
  const opening = thread.open(id);
  showTitle();
  showModels();
  composer.focus();
  await opening;
  if (message && id === thread.id) await thread.seek(message);
  // A conversation further down the list than was loaded.
  if (id && id === thread.id && !conversations.get(id)) {
    try {
      conversations.put(await api.conversation(id));
    } catch (error) {
      toast(error.message);
    }
  }
}

function startAnew() {
  if (location.hash) history.pushState(null, "", location.pathname);
  openFromAddress();
}

function showTitle() {
  const title = thread.id ? conversations.get(thread.id)?.title || "New conversation" : "New conversation";
  byId("thread-title").textContent = title;
  document.title = thread.id ? `${title} · Eloquent AI` : "Eloquent AI";
}

function showModels() {
  const { models } = conversations;
  const picker = byId("model-picker");
  const wanted = (thread.id && conversations.get(thread.id)?.model) || (thread.id ? null : chosenModel);
  const selected = models.find((model) => model.id === wanted) ?? models.find((model) => model.default) ?? models[0];
  byId("model-field").hidden = models.length < 2;
  byId("model-only").hidden = models.length !== 1;
  byId("model-only").textContent = models[0]?.name ?? "";
  picker.replaceChildren(...models.map((model) => el("option", { value: model.id, selected: model === selected }, model.name)));
  if (selected) picker.value = selected.id;
}

// What follows from the thread's state, and nothing else.
function showState() {
  composer.setState({ running: thread.running, stopping: thread.stopping, waiting: making && !thread.id });
  const empty = thread.isEmpty && !byId("messages").hasAttribute("aria-busy") && !byId("messages").childElementCount;
  byId("welcome").hidden = !empty;
  byId("main").classList.toggle("empty", empty);
}

function send({ text, files = [] }) {
  if (thread.id) thread.ask(text, { files });
  else begin(text, files);
}

// A first question makes its conversation, which may take its time on a bad line.
async function begin(question, files) {
  if (making) return;
  making = true;
  showState();
  const unsent = thread.pend(question, files);
  composer.focus();
  let made;
  try {
    made = await api.createConversation(chosenModel ? { model: chosenModel } : {});
  } catch (error) {
    thread.refuse(unsent, error.message);
    return;
  } finally {
    making = false;
    showState();
  }
  thread.withdraw(unsent);
  conversations.put(made);
  chosenModel = null;
  if (thread.id) {
    // Another one was opened meanwhile, and stays.
    answers.ask(made.id, question, { files });
    return;
  }
  history.pushState(null, "", `#/c/${made.id}`);
  conversations.select(made.id);
  thread.begin(made.id);
  showTitle();
  showModels();
  thread.ask(question, { files });
}

// Other tabs and devices may have said something meanwhile.
function catchUp() {
  conversations.load().catch(() => {});
  if (!thread.running) thread.refresh();
}

// Something happened in another tab or on another device.
async function hear(notice) {
  const { type, conversation_id: id } = notice;
  if (answers.knows(notice.run_id)) return;
  if (type === "session-reused") {
    toast(`${notice.device} was signed out: its sign-in was used twice. A letter says more.`);
    return;
  }
  if (type === "import-finished") {
    if (notice.added) conversations.load().catch(() => {});
    return;
  }
  if (type === "conversation-deleted") {
    if (!conversations.deleted(id) || id !== thread.id) return;
    toast("This conversation was deleted elsewhere.");
    startAnew();
    return;
  }
  if (type === "answer-started") conversations.setBusy(id, true);
  if (type === "answer-finished") conversations.setBusy(id, false);
  if (notice.changes?.archived) {
    conversations.remove(id);
  } else if (!conversations.get(id)) {
    try {
      conversations.put(await api.conversation(id));
    } catch {
      return; // It is gone already, or the next look at the list tells.
    }
  } else if (type === "conversation-changed") {
    conversations.put({ ...conversations.get(id), ...notice.changes });
  } else if (type === "answer-started") {
    conversations.put({ ...conversations.get(id), updated_at: notice.at });
  }
  if (notice.run_id && id === thread.id && !thread.running) thread.refresh();
}

function hideBanner() {
  clearTimeout(bannerTimer);
  bannerTimer = null;
  byId("banner").hidden = true;
}

notices.addEventListener("notice", ({ detail }) => session.user && hear(detail));
notices.addEventListener("listening", () => session.user && catchUp());
session.addEventListener("signed-in", enter);
session.addEventListener("signed-out", leave);
socket.addEventListener("open", () => {
  hideBanner();
  if (wasLost) catchUp();
  wasLost = false;
});
socket.addEventListener("closed", () => {
  wasLost = true;
  bannerTimer ??= setTimeout(() => {
    byId("banner").hidden = false;
  }, BANNER_AFTER_MS);
});
socket.addEventListener("refused", () => session.check().catch(() => {}));
answers.addEventListener("started", ({ detail }) => conversations.setBusy(detail.conversationId, true));
answers.addEventListener("finished", async ({ detail: { conversationId } }) => {
  conversations.setBusy(conversationId, false);
  try {
    conversations.put(await api.conversation(conversationId));
  } catch {
    // It was deleted while it was answered, or the server is away: the next look at the list tells.
  }
});
answers.addEventListener("fault", ({ detail }) => toast(detail));
answers.addEventListener("title", ({ detail }) => conversations.retitle(detail.id, detail.title));
conversations.addEventListener("changed", ({ detail }) => {
  if (detail !== thread.id) return;
  showTitle();
  showModels();
});
conversations.addEventListener("deleted", ({ detail }) => {
  if (detail === thread.id) startAnew();
  else byId("new-chat").focus();
});
search.addEventListener("chosen", () => drawer.close());
conversations.addEventListener("fault", ({ detail }) => toast(detail));
thread.addEventListener("changed", showState);
thread.addEventListener("fault", ({ detail }) => toast(detail));
thread.addEventListener("resend", ({ detail }) => {
  if (making) return;
  thread.withdraw(detail);
  begin(detail.question, detail.files);
});
thread.addEventListener("acted", () => composer.focus());
thread.addEventListener("missing", () => {
  if (conversations.isDeleting(thread.id)) return;
  conversations.deleted(thread.id);
  toast("This conversation does not exist any more.");
  startAnew();
});
composer.addEventListener("send", ({ detail }) => {
  composer.text = "";
  tray.sent();
  send(detail);
});
tray.addEventListener("fault", ({ detail }) => toast(detail));
composer.addEventListener("stop", () => thread.stop());
for (const way of ["hashchange", "popstate"]) addEventListener(way, () => session.user && openFromAddress());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && session.user) catchUp();
});
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && session.user && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    drawer.open();
    search.focus();
    return;
  }
  if (event.key !== "Escape" || composing(event) || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (drawer.isOpen) drawer.close();
  else thread.stop();
});
// Its address would be taken for a conversation's.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  composer.box.focus();
});
byId("banner-retry").addEventListener("click", () => socket.connectNow());
byId("new-chat").addEventListener("click", () => {
  drawer.close();
  startAnew();
});
byId("sign-out").addEventListener("click", async () => {
  try {
    await session.signOut();
  } catch (error) {
    toast(error.message);
  }
});
byId("verify-again").addEventListener("click", async () => {
  try {
    const { email } = await api.sendVerification();
    toast(`A letter is on its way to ${email}.`);
  } catch (error) {
    // It was confirmed meanwhile, in another tab.
    if (error.status === 409) byId("unverified").hidden = true;
    toast(error.message);
  }
});
byId("model-picker").addEventListener("change", ({ target }) => {
  if (thread.id) conversations.change(thread.id, { model: target.value });
  else chosenModel = target.value;
});
for (const example of document.querySelectorAll("#welcome button")) {
  example.addEventListener("click", () => send({ text: example.dataset.question }));
}
for (const link of document.querySelectorAll("[data-account-link]")) link.addEventListener("click", () => rememberPlace(location.hash));
setUpTheme(document.querySelectorAll("[data-theme-button]"));
entrance.open();
