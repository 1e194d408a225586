// What a frontend may write with the types that are made of our OpenAPI document: it must compile, and only as it stands.
import createClient from "openapi-fetch";
import type { components, operations, paths } from "./openapi";

const api = createClient<paths>({ baseUrl: "http://127.0.0.1:8000" });

export async function signIn(email: string, password: string): Promise<string> {
  const { data, error } = await api.POST("/api/v1/auth/login", { body: { email, password } });
  if (error) throw new Error(`${error.code}: ${error.detail}`);
  if ("challenge" in data) throw new Error(`a second factor is asked for: ${data.methods.join(", ")}`);
  return data.access_token;
}

export async function titles(): Promise<string[]> {
  const { data } = await api.GET("/api/v1/conversations", { params: { query: { limit: 10, archived: false } } });
  return data?.items.map((conversation) => conversation.title) ?? [];
}

export async function begin(conversation_id: string, text: string): Promise<components["schemas"]["RunOut"] | string> {
  const { data, error, response } = await api.POST("/api/v1/conversations/{conversation_id}/runs", {
    params: { path: { conversation_id }, header: { "Idempotency-Key": "once" } },
    body: { parts: [{ type: "text", text }] },
  });
  if (error?.code === "branch_busy" && response.status === 409) return error.detail;
  if (!data || !("status" in data)) throw new Error("a stream was not asked for");
  return data;
}

export async function send(id: string, text: string): Promise<Response> {
  const { response } = await api.POST("/api/v1/ui/chat", {
    params: { header: { "X-AI-SDK-Version": "7" } },
    body: { id, messages: [{ role: "user", parts: [{ type: "text", text }] }] },
    parseAs: "stream",
  });
  return response;
}

type Chunk = components["schemas"]["UIMessageChunk"];

export function shown(chunk: Chunk): string {
  switch (chunk.type) {
    case "text-delta":
    case "reasoning-delta":
      return chunk.delta;
    case "data-context":
      return `${chunk.data.used} of ${chunk.data.limit}`;
    case "finish":
      return chunk.finishReason ?? "";
    case "error":
      return chunk.errorText;
    default:
      return "";
  }
}

export type Stopped = operations["ui_stop"]["responses"][200]["content"]["application/json"];

// What is wrong must not compile.
export async function wrong(): Promise<void> {
  // @ts-expect-error - there is no such path
  await api.GET("/api/v1/nothing");
  // @ts-expect-error - the body needs parts
  await api.POST("/api/v1/conversations/{conversation_id}/runs", { params: { path: { conversation_id: "" } }, body: {} });
  // @ts-expect-error - a chunk of this type has no such field
  const text: string = ({ type: "abort" } as components["schemas"]["AbortChunk"]).delta;
  void text;
}
