/** How a provider stands right now, and which of its models are offered. Pure: the clock comes in. */
import type { HeldModel, ProviderInfo } from "./protocol";
import { cut, waitWords } from "./words";

export type ProviderStatus = "ready" | "offline" | "not_ready" | "demoted" | "cooling" | "failing";

/** Not asked in its turn, because of how it fared shortly before. */
export interface Hold {
  /** `demoted`: after the others; `cooling`: not at all. */
  readonly kind: HeldModel["health"];
  /** For how long; `null`: until its key changes, or someone tries it. */
  readonly left_s: number | null;
  /** What went wrong. */
  readonly note: string | null;
}

export interface Standing {
  readonly status: ProviderStatus;
  /** Ready or not, with whose key, at which host, and how it fared last. */
  readonly words: string;
  /** Of that the one that matters, for where there is no room. */
  readonly brief: string;
  /** Set while `status` is `demoted` or `cooling`. */
  readonly hold: Hold | null;
  /** What is wrong and what to do. */
  readonly note: string | null;
}

/** What a standing depends on beside the provider. */
export interface Moment {
  /** When the kernel told of the providers. */
  readonly heard_ms: number;
  readonly now_ms: number;
  /** The only provider of the route that is ready: it is asked however it fared. */
  readonly alone?: string | null;
  /** The only model of the route: the same holds. */
  readonly only?: string | null;
}

/** Whether the kernel said that a provider is not asked in its turn, or one of its models is not. */
export function isHeld(provider: ProviderInfo): boolean {
  return isDown(provider.health) || provider.held.length > 0;
}

function isDown(health: ProviderInfo["health"]): health is Hold["kind"] {
  return health === "demoted" || health === "cooling";
}

export function holdOf(provider: ProviderInfo, moment: Moment): Hold | null {
  const { ready, health, health_note, retry_in_s, name } = provider;
  if (!ready || !isDown(health) || moment.alone === name) return null;
  return holdFor(health, health_note, retry_in_s, moment);
}

/** Of a model of the route that stands worse than its provider. */
export function modelHoldOf(provider: ProviderInfo, model: string, moment: Moment): Hold | null {
  const found = provider.held.find((each) => each.model === model);
  return found && moment.only !== `${provider.name}:${model}`
    ? holdFor(found.health, found.note, found.retry_in_s, moment)
    : null;
}

function holdFor(kind: Hold["kind"], note: string | null, retry_in_s: number | null, moment: Moment): Hold | null {
  const passed_s = Math.max(0, moment.now_ms - moment.heard_ms) / 1000;
  const left_s = retry_in_s === null ? null : Math.max(0, Math.ceil(retry_in_s - passed_s));
  return left_s === 0 ? null : { kind, left_s, note: note && cut(note, 300) };
}

/** "left alone for 40 s" */
export function holdWords({ kind, left_s }: Hold): string {
  if (kind === "cooling" && left_s === null) return "left alone until its key changes";
  return `${kind === "demoted" ? "asked after the others" : "left alone"}${left_s === null ? "" : ` for ${waitWords(left_s)}`}`;
}

/** After the name of a model that was not asked: what had happened to it, and when it is asked again. */
export function skippedWords(happened: string, hold: Hold | null): string {
  if (hold === null) return `${happened}. It can be asked again.`;
  if (hold.left_s !== null) return `${happened}. It is asked again in ${waitWords(hold.left_s)}.`;
  return hold.note ? `is ${holdWords(hold)}. ${hold.note}` : `${happened}. It is ${holdWords(hold)}.`;
}

export function standingOf(provider: ProviderInfo, moment: Moment): Standing {
  const hold = holdOf(provider, moment);
  const basis = !provider.ready ? "not_ready" : provider.offline ? "offline" : "ready";
  const asked = isDown(provider.health) && moment.alone === provider.name;
  const failed = provider.ready && (asked || provider.health === "failing");
  const status = hold ? hold.kind : failed ? "failing" : basis;
  const note = hold ? hold.note : status === "not_ready" ? provider.remedy : failed ? provider.health_note : null;
  const words = [basis === "offline" ? "built in, offline, not a model" : BRIEF[basis]];
  if (provider.key_source) words.push(`key from ${cut(provider.key_source, 60)}`);
  if (provider.host) words.push(`at ${cut(provider.host, 80)}`);
  if (failed) words.push("failed last time");
  else if (provider.ready && provider.health === "ok") words.push("answered last time");
  return { status, words: words.join(", "), brief: BRIEF[status], hold, note: note && cut(note, 300) };
}

export const BRIEF: Record<ProviderStatus, string> = {
  ready: "ready",
  offline: "offline",
  not_ready: "not ready",
  demoted: "asked last",
  cooling: "left alone",
  failing: "failing",
};

/** Whose turn it is however it fared, since the route holds no other that is ready. */
export function aloneIn(route: string, providers: readonly ProviderInfo[]): Pick<Moment, "alone" | "only"> {
  const models = routeModels(canonicalRoute(route));
  const named = new Set(models.map(providerOf));
  const ready = providers.filter((provider) => provider.ready && named.has(provider.name));
  const one = <T>(all: readonly T[]) => (all.length === 1 ? (all[0] ?? null) : null);
  return { alone: one(ready)?.name ?? null, only: one(models) };
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
  // What is held back is shown, also where the provider lists no such model.
  const held = provider.held.map(({ model }) => model).filter((model) => !provider.models.includes(model));
  const found = [...new Set([...held, ...provider.models])].filter((name) => {
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

/** As the kernel writes it: `openai:a, demo:b` for ` OpenAI/a,demo:b`. */
export function canonicalRoute(route: string): string {
  return routeModels(route)
    .map((model) => model.replace(/^([\w.-]+)\s*[:/]\s*/, (_, name: string) => `${name.toLowerCase()}:`))
    .join(", ");
}

/** `openai` of `openai:gpt-5-mini` or `openai/gpt-5-mini`. */
export function providerOf(model: string): string {
  return (model.split(/[:/]/, 1)[0] ?? "").toLowerCase();
}

/** `gpt-5-mini` of `openai:gpt-5-mini`. */
export function modelNameIn(model: string): string {
  return model.replace(/^[^:/]*[:/]\s*/, "");
}
