/** Values in the user's words. Unknown is left out or called unknown, never shown as 0. */
import type { Attempt, ConversationInfo, ProviderInfo, Response, StoreInfo, Turn } from "./protocol";
import { chosenOf, type ErrorKind, modelName, textOf } from "./turns";

/** After a model's name, as `receipt_sentence` in messages.py says it. */
const KIND: Record<ErrorKind, string> = {
  missing_credentials: "had no key",
  authentication: "rejected the key",
  permission_denied: "refused access",
  insufficient_quota: "was out of credit",
  rate_limited: "was rate limited",
  overloaded: "was overloaded",
  server_error: "had a server error",
  connection_failed: "could not be reached",
  timed_out: "did not answer in time",
  model_not_found: "does not know the model",
  context_too_long: "had too small a window",
  content_filtered: "stopped at its content filter",
  invalid_request: "refused the request",
  protocol_error: "sent something unreadable",
  interrupted: "broke off",
  cancelled: "was stopped",
};

const STATUS: Record<Response["status"], string> = {
  complete: "answered in",
  cancelled: "was stopped after",
  interrupted: "broke off after",
  failed: "failed after",
};

export function kindWords(kind: ErrorKind): string {
  return KIND[kind] ?? kind.replaceAll("_", " ");
}

/** What became of a model that gave no answer: "was rate limited", "was skipped because it was rate limited …". */
export function fateWords({ error_kind, held_back }: Attempt): string {
  if (error_kind === null) return "answered";
  return held_back ? `was skipped because it ${kindWords(error_kind)} shortly before` : kindWords(error_kind);
}

/** One plain sentence: who answered, after whom, in what time. `receipt_sentence` in messages.py says the same. */
export function receiptSentence(response: Response): string {
  const last = answeringAttempt(response);
  const failures = failedAttempts(response)
    .filter((attempt) => attempt.error_kind !== null)
    .map((attempt) => `${modelName(attempt.model)} ${fateWords(attempt)}`)
    .join(", ");
  if (last === null) {
    if (textOf(response.message) !== "") return "Which model answered is not recorded.";
    return failures ? `No model answered: ${failures}.` : "No model was asked.";
  }
  const { duration_s } = last;
  const head = `${modelName(last.model)} ${STATUS[response.status]} ${duration_s < 0.05 ? "under 0.1" : duration_s.toFixed(1)} s`;
  return failures ? `${head}, after ${failures}.` : `${head}.`;
}

export function seconds(value: number): string {
  if (value < 0.05) return "under 0.1 s";
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

/** A countdown: by the second while that is of use. */
export function waitWords(left_s: number): string {
  const [figure, unit] = left_s <= 120 ? [left_s, "s"] : [Math.ceil(left_s / 60), "min"];
  return `${figure}\u00a0${unit}`;
}

export const wholeNumber = new Intl.NumberFormat("en");

export function count(value: number, noun: string): string {
  return `${wholeNumber.format(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Cents, or four places where it is no whole number of them, as `dollars` in _text.py: $1.20, $0.0123. */
export function dollars(decimal: string | number): string | null {
  const value = Number(decimal);
  if (!Number.isFinite(value)) return null;
  if (value > 0 && value < 0.000_1) return "under $0.0001";
  const isCents = Math.abs(value * 100 - Math.round(value * 100)) < 1e-9;
  return `$${value.toFixed(isCents ? 2 : 4)}`;
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

/** "openai:gpt-5-mini was rate limited", "openai:gpt-5-mini was skipped" */
export function attemptInShort(attempt: Attempt): string {
  return `${modelName(attempt.model)} ${attempt.held_back ? "was skipped" : fateWords(attempt)}`;
}

/** "after google:gemini was overloaded, openai:gpt-5 was skipped" */
function failedWords(failed: readonly Attempt[]): string {
  if (failed.length <= 2) return `after ${failed.map(attemptInShort).join(", ")}`;
  const skipped = failed.filter((attempt) => attempt.held_back).length;
  if (skipped === 0) return `after ${failed.length} that failed`;
  return `after ${failed.length} that ${skipped < failed.length ? "failed or " : ""}were skipped`;
}

/** What attempts cost together: the part that is known, and how many it leaves out. As `Cost` in messages.py. */
interface Cost {
  readonly known_usd: number;
  readonly priced: number;
  readonly unpriced: number;
}

function costOf(attempts: readonly Attempt[], providers: readonly ProviderInfo[]): Cost {
  const offline = new Set(providers.filter((provider) => provider.offline).map((provider) => provider.name));
  const charged = attempts.filter((each) => !wasTurnedAway(each) && !offline.has(each.model.provider));
  const prices = charged.map((each) => Number(each.cost_usd ?? Number.NaN)).filter(Number.isFinite);
  return {
    known_usd: prices.reduce((sum, price) => sum + price, 0),
    priced: prices.length,
    unpriced: charged.length - prices.length,
  };
}

/** No model began to work, so that nothing can have been charged. */
function wasTurnedAway(attempt: Attempt): boolean {
  const { error_kind, response_model, time_to_first_chunk_s, status_code, held_back } = attempt;
  if (error_kind === null || response_model !== null || time_to_first_chunk_s !== null) return false;
  return held_back || (status_code !== null && status_code >= 400) || NEVER_BEGUN.has(error_kind);
}

/** `_REFUSALS` in messages.py. */
const NEVER_BEGUN: ReadonlySet<ErrorKind> = new Set([
  "missing_credentials",
  "authentication",
  "permission_denied",
  "insufficient_quota",
  "rate_limited",
  "overloaded",
  "connection_failed",
  "model_not_found",
  "context_too_long",
  "invalid_request",
]);

/** The receipt's parts, in order: who, after whom, how long, how much. */
export function receiptParts(response: Response, providers: readonly ProviderInfo[]): string[] {
  const answering = answeringAttempt(response);
  if (!answering) return [];
  const failed = failedAttempts(response);
  const parts = [modelName(answering.model)];
  if (failed.length > 0) parts.push(failedWords(failed));
  if (response.finish_reason === "length") parts.push("cut at its limit");
  if (response.finish_reason === "content_filter") parts.push("stopped by its content filter");
  parts.push(seconds(answering.duration_s));
  const { output_tokens } = answering.usage;
  if (output_tokens !== null) parts.push(count(output_tokens, "token"));
  const { known_usd, priced, unpriced } = costOf(response.attempts, providers);
  if (priced > 0) parts.push(`${unpriced > 0 ? "at least " : ""}${dollars(known_usd)}`);
  else if (unpriced > 0 && output_tokens !== null) parts.push("cost unknown");
  return parts;
}

/** Under the lines of the opened receipt, where there are several: how many, how long, how much. */
export function sumWords(attempts: readonly Attempt[], providers: readonly ProviderInfo[]): string {
  const skipped = attempts.filter((attempt) => attempt.held_back).length;
  const asked = count(attempts.length - skipped, "attempt");
  const parts = [
    `In all: ${asked}${skipped > 0 ? `, ${skipped} skipped` : ""}`,
    seconds(attempts.reduce((sum, { duration_s }) => sum + duration_s, 0)),
  ];
  const { known_usd, priced, unpriced } = costOf(attempts, providers);
  const without = unpriced > 0 ? `, without ${count(unpriced, "attempt")} of unknown cost` : "";
  if (priced > 0) parts.push(`${dollars(known_usd)}${without}`);
  else if (unpriced > 0) parts.push("cost unknown");
  return parts.join(" · ");
}

/** One attempt's line in the opened receipt, without the model's name. */
export function attemptDetails(attempt: Attempt): string[] {
  const parts: string[] = [];
  if (attempt.held_back && attempt.error_kind !== null) {
    parts.push(`not asked: it ${kindWords(attempt.error_kind)} shortly before`);
    if (attempt.retry_after_s !== null)
      parts.push(`its pause lasted ${waitWords(Math.ceil(attempt.retry_after_s))} more`);
    return parts;
  }
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
  if (attempt.temperature !== null) parts.push(`temperature ${attempt.temperature}`);
  if (attempt.max_output_tokens !== null) parts.push(`at most ${count(attempt.max_output_tokens, "token")}`);
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
      if (wasHeldBack(response)) return "No model was asked: each of them failed shortly before.";
      return response.attempts.length === 0
        ? "No model was asked. Choose one below and press Retry."
        : "No model answered.";
  }
}

/** Whether nothing was sent, since every model had failed shortly before. */
export function wasHeldBack({ status, attempts }: Response): boolean {
  return status === "failed" && attempts.length > 0 && attempts.every((attempt) => attempt.held_back);
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
    case "complete":
      return answeringAttempt(response) ? receiptSentence(response) : "Answered.";
    case "cancelled":
      return "Stopped.";
    case "interrupted":
      return "The answer broke off. Continue and Retry are below it.";
    case "failed":
      return wasHeldBack(response) ? "No model was asked. Try now is below." : "No model answered. Retry is below.";
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

/** What is told when providers that were held back shall be asked again. */
export function againWords(providers: readonly string[]): string {
  return `${providers.map((each) => cut(each, 64)).join(", ")} can be asked again.`;
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
