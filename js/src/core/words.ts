/** Values in the user's words. Unknown is left out or called unknown, never shown as 0. */
import type { Attempt, ConversationInfo, ProviderInfo, Response, StoreInfo, Turn } from "./protocol";
import { chosenOf, type ErrorKind, modelName, textOf } from "./turns";

/** After a model's name: "openai:gpt-5-mini rate limited". */
const KIND: Record<ErrorKind, string> = {
  missing_credentials: "has no key",
  authentication: "rejected the key",
  permission_denied: "refused access",
  insufficient_quota: "out of credit",
  rate_limited: "rate limited",
  overloaded: "overloaded",
  server_error: "failed inside",
  connection_failed: "not reachable",
  timed_out: "timed out",
  model_not_found: "unknown model",
  context_too_long: "window too small",
  content_filtered: "stopped by its content filter",
  invalid_request: "refused the request",
  protocol_error: "sent something unreadable",
  interrupted: "broke off",
  cancelled: "stopped",
};

export function kindWords(kind: ErrorKind): string {
  return KIND[kind] ?? kind.replaceAll("_", " ");
}

export function seconds(value: number): string {
  if (value < 0.05) return "under 0.1 s";
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

export const wholeNumber = new Intl.NumberFormat("en");

export function count(value: number, noun: string): string {
  return `${wholeNumber.format(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Two figures that matter: $0.00034, $0.012, $1.20. */
export function dollars(decimal: string): string | null {
  const value = Number(decimal);
  if (!Number.isFinite(value)) return null;
  if (value === 0) return "$0";
  if (value < 0.000_1) return "under $0.0001";
  if (value < 0.01) return `$${value.toFixed(4)}`;
  return `$${value.toFixed(value < 1 ? 3 : 2)}`;
}

/** The attempt whose text the answer is; `null` when none gave any. */
export function answeringAttempt(response: Response): Attempt | null {
  const last = response.attempts.at(-1);
  if (!last) return null;
  return last.error_kind === null || textOf(response.message) !== "" ? last : null;
}

export function failedAttempts(response: Response): readonly Attempt[] {
  return answeringAttempt(response) ? response.attempts.slice(0, -1) : response.attempts;
}

/** "openai:gpt-5-mini rate limited" */
export function attemptInShort(attempt: Attempt): string {
  return `${modelName(attempt.model)} ${attempt.error_kind ? kindWords(attempt.error_kind) : "answered"}`;
}

/** The receipt's parts, in order: who, after whom, how long, how much. */
export function receiptParts(response: Response, providers: readonly ProviderInfo[]): string[] {
  const answering = answeringAttempt(response);
  if (!answering) return [];
  const failed = failedAttempts(response);
  const parts = [modelName(answering.model)];
  if (failed.length > 2) parts.push(`after ${failed.length} that failed`);
  else if (failed.length > 0) parts.push(`after ${failed.map(attemptInShort).join(", ")}`);
  if (response.finish_reason === "length") parts.push("cut at its limit");
  if (response.finish_reason === "content_filter") parts.push("stopped by its content filter");
  parts.push(seconds(answering.duration_s));
  const { output_tokens } = answering.usage;
  if (output_tokens !== null) parts.push(count(output_tokens, "token"));
  const offline = providers.some((provider) => provider.name === answering.model.provider && provider.offline);
  const cost = answering.cost_usd === null ? null : dollars(answering.cost_usd);
  if (cost && !offline) parts.push(cost);
  else if (!offline && output_tokens !== null) parts.push("cost unknown");
  return parts;
}

/** One attempt's line in the opened receipt, without the model's name. */
export function attemptDetails(attempt: Attempt): string[] {
  const parts: string[] = [];
  if (attempt.error_kind === null) {
    parts.push("answered");
  } else {
    const retry = attempt.retry_after_s === null ? "" : `, asks to wait ${Math.ceil(attempt.retry_after_s)} s`;
    const code = attempt.status_code === null ? "" : ` (${attempt.status_code})`;
    parts.push(`${kindWords(attempt.error_kind)}${code}${retry}`);
  }
  if (attempt.time_to_first_chunk_s !== null) parts.push(`first text ${seconds(attempt.time_to_first_chunk_s)}`);
  parts.push(
    attempt.time_to_first_chunk_s === null ? seconds(attempt.duration_s) : `${seconds(attempt.duration_s)} in all`,
  );
  const { input_tokens, cached_input_tokens, output_tokens, reasoning_tokens } = attempt.usage;
  if (input_tokens !== null) {
    parts.push(
      `${count(input_tokens, "token")} read${cached_input_tokens ? ` (${wholeNumber.format(cached_input_tokens)} cached)` : ""}`,
    );
  }
  if (output_tokens !== null) {
    parts.push(
      `${wholeNumber.format(output_tokens)} written${reasoning_tokens ? ` (${wholeNumber.format(reasoning_tokens)} thinking)` : ""}`,
    );
  }
  const cost = attempt.cost_usd === null ? null : dollars(attempt.cost_usd);
  if (cost && attempt.cost_usd !== "0") parts.push(attempt.price_source ? `${cost} by ${attempt.price_source}` : cost);
  if (attempt.response_model && attempt.response_model !== attempt.model.name)
    parts.push(`as ${attempt.response_model}`);
  return parts;
}

/** Why an answer is not whole, with what to do; `null` when it is. */
export function problemOf(response: Response): string | null {
  const last = response.attempts.at(-1);
  switch (response.status) {
    case "complete":
      if (response.finish_reason !== "length") return null;
      return "The answer reached its limit of tokens. Continue it, or allow longer answers in Settings.";
    case "cancelled":
      return "You stopped this answer.";
    case "interrupted":
      return last?.error_message ?? "The connection was lost. Continue the answer, or retry.";
    case "failed":
      return response.attempts.length === 0
        ? "No model was asked. Choose one below and press Retry."
        : "No model answered.";
  }
}

/** Whether there is a part of an answer that another can go on from. */
export function canGoOn(response: Response): boolean {
  const whole = response.status === "complete" && response.finish_reason !== "length";
  return !whole && response.status !== "failed" && textOf(response.message) !== "";
}

/** One line for a screen reader when an answer has come to its end. */
export function endWords(turn: Turn): string {
  const response = chosenOf(turn);
  if (!response) return "";
  switch (response.status) {
    case "complete": {
      const answering = answeringAttempt(response);
      return answering ? `Answered by ${modelName(answering.model)}.` : "Answered.";
    }
    case "cancelled":
      return "Stopped.";
    case "interrupted":
      return "The answer broke off. Continue and Retry are below it.";
    case "failed":
      return "No model answered. Retry is below.";
  }
}

/** Where the conversation is kept. */
export function storeWords(store: StoreInfo): string {
  if (store.place === ":memory:") return "Kept in memory, as long as the kernel runs";
  return `${store.saved ? "Kept in" : "Not kept in"} ${store.place}`;
}

/** What is told when a conversation was exported. */
export function savedWords(path: string): string {
  return `Saved as ${cut(path, 200)}, beside the notebook.`;
}

/** What is told when a provider's models are listed. */
export function listedWords(provider: string, models: number, problem: string | null): string {
  return problem ? cut(problem, 300) : `${cut(provider, 64)} has ${count(models, "model")}.`;
}

// Signs that steer the direction of text, or are not seen, can make one name look like another.
const UNSEEN = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** Text of others on one line: no longer than `limit`, and with a mark where it holds what cannot be seen. */
export function cut(text: string, limit: number): string {
  const short = text.length > limit ? `${text.slice(0, limit).replace(/[\ud800-\udbff]$/, "")}…` : text;
  return short.replace(/\s*\n\s*/g, " ").replace(UNSEEN, "\ufffd");
}

/** A kernel's error message as a sentence: they begin small, as Python's do. */
export function sentence(message: string): string {
  return /^[a-z_]+\s/.test(message) ? message.charAt(0).toUpperCase() + message.slice(1) : message;
}

const DAY_MS = 86_400_000;

/** "today", "yesterday", "Monday", "3 May", "3 May 2024" */
export function dayWords(iso: string, now: Date = new Date()): string {
  const then = new Date(iso);
  if (Number.isNaN(then.getTime())) return "";
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const days = Math.round((midnight(now) - midnight(then)) / DAY_MS);
  if (days <= 0) return "today";
  if (days === 1) return "yesterday";
  if (days < 7) return then.toLocaleDateString("en", { weekday: "long" });
  const sameYear = then.getFullYear() === now.getFullYear();
  return then.toLocaleDateString("en-GB", { day: "numeric", month: "long", ...(sameYear ? {} : { year: "numeric" }) });
}

export function titleOf(conversation: ConversationInfo | null): string {
  return conversation?.title || "New chat";
}

/** The conversation as markdown, for the clipboard. */
export function asMarkdown(title: string, turns: readonly Turn[]): string {
  const body = turns.map((turn) => {
    const response = chosenOf(turn);
    const answering = response && answeringAttempt(response);
    const asked = turn.continues === null ? `**You**\n\n${textOf(turn.prompt)}\n\n` : "";
    const who = answering ? modelName(answering.model) : "Answer";
    return `${asked}**${who}**\n\n${response ? textOf(response.message) : ""}`;
  });
  return `# ${title}\n\n${body.join("\n\n---\n\n")}\n`;
}
