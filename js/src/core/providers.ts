/** How a provider stands right now, and which of its models are offered. Pure: the clock comes in. */
import type { ProviderInfo } from "./protocol";
import { cut, wholeNumber } from "./words";

export type ProviderStatus = "ready" | "offline" | "not_ready" | "cooling" | "failing";

export interface Standing {
  readonly status: ProviderStatus;
  /** Ready or not, with whose key, at which host, and how it fared last. */
  readonly words: string;
  /** Of that the one that matters, for where there is no room. */
  readonly brief: string;
  /** How long it is still cooling. */
  readonly left_s: number;
  /** What is wrong and what to do. */
  readonly note: string | null;
}

/** How long a provider still wants to be left alone, in whole seconds; 0 when it does not. `heard_ms`: when it was said. */
export function coolingLeft_s(provider: ProviderInfo, heard_ms: number, now_ms: number): number {
  if (!provider.ready || provider.health !== "cooling" || provider.retry_in_s === null) return 0;
  return Math.max(0, Math.ceil(provider.retry_in_s - Math.max(0, now_ms - heard_ms) / 1000));
}

export function standingOf(provider: ProviderInfo, heard_ms: number, now_ms: number): Standing {
  const left_s = coolingLeft_s(provider, heard_ms, now_ms);
  const status = statusOf(provider, left_s);
  const note = status === "not_ready" ? provider.remedy : HAS_NOTE.has(status) ? provider.health_note : null;
  const words = [provider.ready && provider.offline ? "built in, offline, not a model" : BRIEF[basisOf(provider)]];
  if (provider.key_source) words.push(`key from ${cut(provider.key_source, 60)}`);
  if (provider.host) words.push(`at ${cut(provider.host, 80)}`);
  if (status === "cooling") words.push(`cooling down for ${wholeNumber.format(left_s)} s`);
  else if (status === "failing") words.push("failed last time");
  else if (provider.ready && provider.health === "ok") words.push("answered last time");
  return { status, words: words.join(", "), brief: BRIEF[status], left_s, note: note && cut(note, 300) };
}

const BRIEF: Record<ProviderStatus, string> = {
  ready: "ready",
  offline: "offline",
  not_ready: "not ready",
  cooling: "cooling",
  failing: "failing",
};

const HAS_NOTE: ReadonlySet<ProviderStatus> = new Set(["cooling", "failing"]);

function statusOf(provider: ProviderInfo, left_s: number): ProviderStatus {
  if (!provider.ready) return "not_ready";
  if (left_s > 0) return "cooling";
  return provider.health === "failing" ? "failing" : basisOf(provider);
}

function basisOf(provider: ProviderInfo): "ready" | "offline" | "not_ready" {
  if (!provider.ready) return "not_ready";
  return provider.offline ? "offline" : "ready";
}

/** The models of one provider that match what is typed, as many as can be shown. */
export interface Offer {
  readonly provider: ProviderInfo;
  readonly models: readonly string[];
  /** How many match beside those. */
  readonly more: number;
}

/** More rows than this are no help to the eye, and slow. */
export const MAX_ROWS = 50;

/**
 * What each provider offers for `query`: every word of it is in `provider:model`. Those that begin with it come first.
 * A provider with many models leaves room for the others.
 */
export function offersFor(providers: readonly ProviderInfo[], query: string, limit = MAX_ROWS): Offer[] {
  const typed = query.trim().toLowerCase();
  const matches = providers.map((provider) => (provider.ready ? matching(provider, typed) : []));
  let left = limit;
  let waiting = matches.length;
  const rooms = new Map<number, number>();
  // The shortest first: what they do not need goes to the longer ones.
  for (const [index, { length }] of [...matches.entries()].sort(([, a], [, b]) => a.length - b.length)) {
    const room = Math.min(length, Math.floor(left / waiting));
    rooms.set(index, room);
    left -= room;
    waiting -= 1;
  }
  return providers.map((provider, index) => {
    const all = matches[index] ?? [];
    const room = rooms.get(index) ?? 0;
    return { provider, models: all.slice(0, room), more: all.length - room };
  });
}

function matching(provider: ProviderInfo, typed: string): string[] {
  const words = typed.split(/\s+/);
  const found = [...new Set(provider.models)].filter((name) => {
    if (!canBeRouted(name)) return false;
    // As both are accepted: `openai:gpt-5-mini` and `openai/gpt-5-mini`.
    const full = `${provider.name}:${name} ${provider.name}/${name}`.toLowerCase();
    return words.every((word) => full.includes(word));
  });
  if (typed === "") return found;
  const begins = (name: string) =>
    `${provider.name}:${name}`.toLowerCase().startsWith(typed) || startsWith(name, typed);
  return [...found.filter(begins), ...found.filter((name) => !begins(name))];
}

function startsWith(name: string, typed: string): boolean {
  return name.toLowerCase().startsWith(typed);
}

/** A route is written with commas: an id that holds one cannot be named in it. */
function canBeRouted(name: string): boolean {
  return name.trim() === name && name !== "" && !/[,\p{Cc}]/u.test(name);
}

/** A route being typed: the model at the cursor, and those around it. */
export interface TypedRoute {
  readonly before: readonly string[];
  readonly query: string;
  readonly after: readonly string[];
}

export function typedRoute(text: string, cursor: number): TypedRoute {
  const start = text.lastIndexOf(",", cursor - 1) + 1;
  const comma = text.indexOf(",", cursor);
  const end = comma < 0 ? text.length : comma;
  return {
    before: routeModels(text.slice(0, start)),
    query: text.slice(start, end).trim(),
    after: routeModels(text.slice(end)),
  };
}

/** The route with `model` in place of what is being typed. */
export function completed({ before, after }: TypedRoute, model: string): string {
  const others = (models: readonly string[]) => models.filter((each) => each !== model);
  return [...others(before), model, ...others(after)].join(", ");
}

/** The models of a route as they are written, in order. */
export function routeModels(route: string): string[] {
  return route
    .split(",")
    .map((model) => model.trim())
    .filter((model) => model !== "");
}

/** `openai` of `openai:gpt-5-mini` or `openai/gpt-5-mini`. */
export function providerOf(model: string): string {
  return (model.split(/[:/]/, 1)[0] ?? "").toLowerCase();
}
