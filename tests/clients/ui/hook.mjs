// useChat as pages use it: in a component, mounted by react-dom into jsdom's document.
import { JSDOM } from "jsdom";

const dom = new JSDOM("<!doctype html><body></body>");
globalThis.window = dom.window;
globalThis.document = dom.window.document;
// Node has its own from 21 on.
globalThis.navigator ??= dom.window.navigator;

const { createElement } = await import("react");
const { createRoot } = await import("react-dom/client");
const { flushSync } = await import("react-dom");

// The chat as the component saw it when it was last rendered, with the hook's own methods.
export function mount(useChat, options) {
  let latest;
  const Page = () => {
    latest = useChat(options);
    return createElement(
      "main",
      { "data-status": latest.status },
      latest.messages.map((message) =>
        createElement(
          "p",
          { key: message.id, "data-role": message.role },
          message.parts.filter((part) => part.type === "text").map((part) => part.text).join(""),
        ),
      ),
    );
  };
  const place = document.body.appendChild(document.createElement("div"));
  const root = createRoot(place);
  flushSync(() => root.render(createElement(Page)));
  return {
    get id() {
      return latest.id;
    },
    get status() {
      return latest.status;
    },
    get error() {
      return latest.error;
    },
    get messages() {
      // What is on the page, with what useChat says of it: the two must not differ.
      const shown = [...place.querySelectorAll("p")].map((line) => line.textContent);
      return latest.messages.map((message, index) => ({ ...message, shown: shown[index] }));
    },
    get lastMessage() {
      return latest.messages.at(-1);
    },
    sendMessage: (...arguments_) => latest.sendMessage(...arguments_),
    regenerate: (...arguments_) => latest.regenerate(...arguments_),
    resumeStream: () => latest.resumeStream(),
    stop: async () => latest.stop(),
    addToolApprovalResponse: (...arguments_) => latest.addToolApprovalResponse(...arguments_),
    unmount: () => root.unmount(),
  };
}
