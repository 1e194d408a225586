// Pure: folds the chunks of the AI SDK's UI message stream into the state of one answer.

// status: "waiting" (nothing yet) | "streaming" | "complete" | "stopped" | "failed".
// progress: what the server says while it is waiting ({state: "loading" | "queued", ...}), or null.
// context: what the language model is shown ({used, limit, dropped, ...}), or null.
export function emptyAnswer() {
  return { id: null, parts: [], status: "waiting", progress: null, error: null, finishReason: null, metadata: {}, title: null, context: null };
}

// The answer after one more chunk; the one given is not changed. A type that is not known changes nothing.
export function withChunk(answer, chunk) {
  const { type } = chunk;
  if (type.startsWith("data-")) return withData(answer, chunk);
  if (type.startsWith("tool-")) return withTool(answer, chunk);
  switch (type) {
    case "start":
      // A replay begins with the start again: what was half-built is thrown away.
      return { ...emptyAnswer(), title: answer.title, id: chunk.messageId ?? answer.id, metadata: { ...chunk.messageMetadata } };
    case "start-step":
      return { ...answer, parts: [...answer.parts, { type: "step-start" }] };
    case "reset-step":
      return { ...answer, parts: answer.parts.slice(0, answer.parts.findLastIndex((part) => part.type === "step-start") + 1) };
    case "text-start":
    case "reasoning-start":
      return streaming(answer, [...answer.parts, { type: kindOf(type), id: chunk.id, text: "", done: false }]);
    case "text-delta":
    case "reasoning-delta":
      return streaming(answer, changed(answer.parts, kindOf(type), chunk.id, (part) => ({ ...part, text: part.text + chunk.delta })));
    case "text-end":
    case "reasoning-end":
      return { ...answer, parts: changed(answer.parts, kindOf(type), chunk.id, (part) => ({ ...part, done: true })) };
    case "source-url":
      return { ...answer, parts: [...answer.parts, { type, url: chunk.url, title: chunk.title ?? chunk.url }] };
    case "source-document":
      return { ...answer, parts: [...answer.parts, { type, title: chunk.title }] };
    case "message-metadata":
      return { ...answer, metadata: { ...answer.metadata, ...chunk.messageMetadata } };
    case "finish":
      return {
        ...answer,
        status: answer.status === "failed" || answer.status === "stopped" ? answer.status : "complete",
        progress: null,
        finishReason: chunk.finishReason ?? null,
        metadata: { ...answer.metadata, ...chunk.messageMetadata },
      };
    case "abort":
      return { ...answer, status: "stopped", progress: null };
    case "error":
      return { ...answer, status: "failed", progress: null, error: chunk.errorText };
    default:
      return answer;
  }
}

// All text of a message's parts. The same for a live answer and for a stored message.
export function textOf(parts) {
  return parts.filter((part) => part.type === "text").map((part) => part.text).join("\n\n");
}

export function reasoningOf(parts) {
  return parts.filter((part) => part.type === "reasoning").map((part) => part.text).join("\n\n");
}

// The tool calls of a message, in their order.
export function toolsOf(parts) {
  return parts.filter((part) => part.type === "dynamic-tool");
}

// What people should know of the answer itself (another model stepped in): sentences.
export function noticesOf(parts) {
  return parts.filter((part) => part.type === "data-notice" && part.data?.detail).map((part) => String(part.data.detail));
}

function kindOf(type) {
  return type.slice(0, type.indexOf("-"));
}

function streaming(answer, parts) {
  return { ...answer, parts, status: "streaming", progress: null };
}

function changed(parts, type, id, change) {
  const at = parts.findLastIndex((part) => part.type === type && part.id === id && !part.done);
  return at < 0 ? parts : parts.with(at, change(parts[at]));
}

function withData(answer, chunk) {
  if (chunk.type === "data-status") return { ...answer, progress: answer.status === "waiting" ? chunk.data : answer.progress };
  if (chunk.type === "data-title") return { ...answer, title: chunk.data.title };
  if (chunk.type === "data-context") return { ...answer, context: chunk.data };
  if (chunk.type === "data-notice" && chunk.data.code === "truncated_by_provider") {
    return { ...answer, context: { ...answer.context, truncated_by_provider: true } };
  }
  if (chunk.transient) return answer;
  const part = { type: chunk.type, id: chunk.id, data: chunk.data };
  const at = chunk.id === undefined ? -1 : answer.parts.findIndex((other) => other.type === part.type && other.id === part.id);
  return { ...answer, parts: at < 0 ? [...answer.parts, part] : answer.parts.with(at, part) };
}

// The ids of the tool calls that wait for the user's agreement.
export function waitingIn(parts) {
  return toolsOf(parts).filter((part) => part.state === "approval-requested").map((part) => part.toolCallId);
}

// A tool call as the server keeps it: `state` is where it is, `output` or `errorText` what the tool said; while it waits
// for the user's agreement, `approval.id` is what the question is called.
function withTool(answer, chunk) {
  const asks = chunk.type === "tool-approval-request";
  const state = asks ? "approval-requested" : chunk.type.slice("tool-".length);
  const at = answer.parts.findLastIndex((part) => part.type === "dynamic-tool" && part.toolCallId === chunk.toolCallId);
  const before = at < 0 ? { type: "dynamic-tool", toolCallId: chunk.toolCallId, toolName: "" } : answer.parts[at];
  const told = Object.fromEntries(["toolName", "input", "output", "errorText"].filter((name) => name in chunk).map((name) => [name, chunk[name]]));
  if (asks) told.approval = { id: chunk.approvalId };
  return streaming(answer, at < 0 ? [...answer.parts, { ...before, ...told, state }] : answer.parts.with(at, { ...before, ...told, state }));
}
