// A frontend without a browser: a version of the AI SDK, driven line by line over stdin.
//
//   node agent.mjs VERSION TRANSPORT     VERSION is 5, 6, 6-first or 7; TRANSPORT is http or websocket
//
// Each line is a command {id, op, ...}; each answer is a line {id, result} or {id, error}. A chat is known by the
// handle that `open` was given. With `hook` it is useChat in a component mounted under jsdom, else the Chat class.
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { mount } from "./hook.mjs";

const [version, transportName] = process.argv.slice(2);
const ai = await import(`ai-${version}`);
const [major] = version.split("-");
const react = await import(`@ai-sdk/react-${major}`);
const POLL_MS = 5;
const PATIENCE_MS = 20_000;

const chats = new Map();

function transport({ server, token, whole = true }) {
  const headers = { Authorization: `Bearer ${token}`, "X-AI-SDK-Version": major };
  if (transportName === "http") {
    // Some apps send the last message only.
    const trimmed = ({ id, messages, trigger, messageId }) => ({
      body: { id, trigger, messageId, message: messages.at(-1) },
    });
    return new ai.DefaultChatTransport({
      api: `${server}/api/v1/ui/chat`,
      headers,
      ...(whole ? {} : { prepareSendMessagesRequest: trimmed }),
    });
  }
  return new ai.WebSocketChatTransport({
    url: `${server}/ws/chat`,
    protocols: "eloquent.chat.v1",
    webSocket: WebSocket,
    params: async () => {
      const answer = await fetch(`${server}/api/v1/auth/socket-ticket`, { method: "POST", headers });
      return { ticket: (await answer.json()).ticket };
    },
    prepareSendMessagesRequest: ({ messages, body }) => ({ messages: messages.slice(-1), body }),
  });
}

// A chat with what it told its callbacks.
function opened({ handle, chatId, messages, hook, resume, beside, ...where }) {
  const told = { data: [], errors: [], finished: 0 };
  const options = {
    ...(chatId ? { id: chatId } : {}),
    messages,
    // One transport may serve many chats.
    transport: beside
      ? chats.get(beside).transport
      : where.replay
        ? replaying(where.replay)
        : transport(where),
    // From version 6 on: goes on by itself when the user has decided about every call that waits.
    sendAutomaticallyWhen: ai.lastAssistantMessageIsCompleteWithApprovalResponses,
    onData: (part) => told.data.push(part),
    onError: (error) => told.errors.push(error.message),
    onFinish: () => (told.finished += 1),
  };
  // A chat that its page does not own goes on when the page is left.
  const chat =
    hook === "kept"
      ? mount(react.useChat, { chat: new react.Chat(options), resume })
      : hook
        ? mount(react.useChat, { ...options, resume })
        : new react.Chat(options);
  chats.set(handle, { chat, told, transport: options.transport, atWork: 0 });
  if (resume && !hook) started(handle, chat.resumeStream());
  return seen(handle);
}

// Answers a send with a recorded stream, through the version's own transport and parser.
function replaying(events) {
  return new ai.DefaultChatTransport({
    api: "http://recorded.invalid/",
    fetch: async () => new Response(events, { headers: { "content-type": "text/event-stream" } }),
  });
}

function started(handle, work) {
  // A chat tells its callbacks; a rejection is a misuse and is kept to be asked for.
  const open = chats.get(handle);
  open.atWork += 1;
  work
    .catch((error) => open.told.errors.push(`rejected: ${error.message}`))
    .finally(() => (open.atWork -= 1));
}

function seen(handle) {
  const { chat, told } = chats.get(handle);
  return { id: chat.id, status: chat.status, error: chat.error?.message ?? null, messages: chat.messages, told };
}

async function until(handle, wanted, what) {
  const open = chats.get(handle);
  for (const began = Date.now(); !wanted(open.chat, open); await new Promise((done) => setTimeout(done, POLL_MS))) {
    if (Date.now() - began > PATIENCE_MS) throw new Error(`not ${what}: ${JSON.stringify(seen(handle))}`);
  }
  return seen(handle);
}

const textOf = (message) =>
  (message?.parts ?? []).filter((part) => part.type === "text").map((part) => part.text).join("");

const operations = {
  open: opened,
  send: ({ handle, text, messageId, options }) =>
    started(handle, chats.get(handle).chat.sendMessage({ text, messageId }, options)),
  regenerate: ({ handle, messageId }) => started(handle, chats.get(handle).chat.regenerate({ messageId })),
  resume: ({ handle }) => started(handle, chats.get(handle).chat.resumeStream()),
  stop: ({ handle }) => started(handle, chats.get(handle).chat.stop()),
  approve: ({ handle, approvalId, approved, reason }) =>
    started(handle, chats.get(handle).chat.addToolApprovalResponse({ id: approvalId, approved, reason })),
  seen: ({ handle }) => seen(handle),
  until_text: ({ handle, text }) =>
    until(handle, (chat) => chat.lastMessage?.role === "assistant" && textOf(chat.lastMessage).includes(text), text),
  until_rest: ({ handle }) =>
    until(handle, (chat, { atWork }) => !atWork && ["ready", "error"].includes(chat.status), "at rest"),
  unmount: ({ handle }) => chats.get(handle).chat.unmount(),
  // As a page that is closed: nothing is said, the connection is gone.
  async leave({ handle }) {
    const { chat, transport: used } = chats.get(handle);
    chat.unmount?.();
    if (used.close) used.close();
    else await chat.stop();
    chats.delete(handle);
  },
  validate: async ({ messages }) => (await ai.validateUIMessages({ messages })).length,
  versions: () => ({ node: process.version, chat: typeof react.Chat, hook: typeof react.useChat }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, ...fields } = JSON.parse(line);
  // Each in its own time: one that waits holds up none of the others.
  Promise.resolve()
    .then(() => operations[op](fields))
    .then((result) => ({ id, result: result ?? null }))
    .catch((error) => ({ id, error: error.stack }))
    .then((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`));
}
process.exit(0);
