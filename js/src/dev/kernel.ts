/** A kernel made of nothing, to look at the chat in a page without Jupyter. Never shipped. */
import type { Attempt, Command, Event, ProviderInfo, Response, Snapshot, Turn } from "../core/protocol";
import type { LinkStatus, Transport } from "../core/transport";

type Unnumbered<E> = E extends Event ? Omit<E, "seq"> : never;

export interface FakeKernel extends Transport {
  readonly commands: Command[];
  /** Says something, with the next number. */
  say(event: Unnumbered<Event>): void;
  /** Numbers start after this snapshot's. */
  snapshot(change?: Partial<Snapshot>): void;
  status(status: LinkStatus): void;
}

export function fakeKernel(): FakeKernel {
  const events = new Set<(event: Event) => void>();
  const statuses = new Set<(status: LinkStatus) => void>();
  const commands: Command[] = [];
  let seq = 0;
  const tell = (event: Event) => {
    for (const listener of events) listener(event);
  };
  return {
    commands,
    send: (command) => void commands.push(command),
    onEvent(listener) {
      events.add(listener);
      return () => events.delete(listener);
    },
    onStatus(listener) {
      statuses.add(listener);
      return () => statuses.delete(listener);
    },
    say: (event) => {
      seq += 1;
      tell({ ...event, seq } as Event);
    },
    snapshot: (change = {}) => tell({ ...SNAPSHOT, ...change, seq }),
    status: (status) => {
      for (const listener of statuses) listener(status);
    },
  };
}

export function provider(name: string, change: Partial<ProviderInfo> = {}): ProviderInfo {
  return {
    name,
    ready: true,
    key_source: "OPENAI_API_KEY",
    host: null,
    remedy: null,
    offline: false,
    models: [],
    health: "unknown",
    health_note: null,
    retry_in_s: null,
    held: [],
    ...change,
  };
}

export const PROVIDERS: ProviderInfo[] = [
  provider("demo", { offline: true, key_source: null, models: ["tour", "echo", "slow", "fail-429", "drop-midway"] }),
  provider("openai", { models: ["gpt-5-mini", "gpt-5"] }),
  provider("anthropic", {
    ready: false,
    key_source: null,
    remedy: 'Set ANTHROPIC_API_KEY, or run cv.set_key("anthropic").',
  }),
  provider("google", {
    ready: false,
    key_source: null,
    remedy: 'Set GEMINI_API_KEY, or run cv.set_key("google").',
  }),
];

export const SNAPSHOT: Snapshot = {
  type: "snapshot",
  seq: 0,
  protocol_version: 1,
  conversation: { id: "c-1", title: "", updated_at: "2026-11-22T10:00:00Z", turn_count: 0 },
  turns: [],
  has_earlier: false,
  running: null,
  settings: { route: "openai:gpt-5-mini, demo:tour", system: null, temperature: null, max_output_tokens: null },
  providers: PROVIDERS,
  store: { saved: true, place: "~/.local/share/convoscope/convoscope.sqlite", problem: null },
  resumable: null,
};

export function attempt(model: string, change: Partial<Attempt> = {}): Attempt {
  const [provider = "", name = ""] = model.split(":");
  return {
    model: { provider, name },
    started_at: "2026-11-22T10:00:00Z",
    duration_s: 2.1,
    error_kind: null,
    error_message: null,
    status_code: null,
    retry_after_s: null,
    time_to_first_chunk_s: 0.4,
    response_model: null,
    response_id: null,
    request_id: null,
    raw_finish_reason: "stop",
    usage: { input_tokens: 1204, output_tokens: 412, cached_input_tokens: null, reasoning_tokens: null },
    cost_usd: "0.000301",
    price_source: "genai-prices 2026-11",
    temperature: null,
    max_output_tokens: null,
    held_back: false,
    ...change,
  };
}

export const RATE_LIMITED = attempt("openai:gpt-5-mini", {
  duration_s: 0.3,
  error_kind: "rate_limited",
  error_message: "openai:gpt-5-mini is rate limited. Wait 20 s, or add another model to the route.",
  status_code: 429,
  retry_after_s: 20,
  time_to_first_chunk_s: null,
  usage: { input_tokens: null, output_tokens: null, cached_input_tokens: null, reasoning_tokens: null },
  cost_usd: null,
  price_source: null,
});

/** A model that was not asked, because of what happened shortly before. */
export function skipped(model: string, change: Partial<Attempt> = {}): Attempt {
  return attempt(model, {
    duration_s: 0,
    held_back: true,
    error_kind: "rate_limited",
    error_message: "Nothing was sent: it failed shortly before. It is asked again in 18 s. Wait, or try it now.",
    retry_after_s: 18,
    time_to_first_chunk_s: null,
    usage: RATE_LIMITED.usage,
    cost_usd: null,
    price_source: null,
    raw_finish_reason: null,
    ...change,
  });
}

export function response(text: string, change: Partial<Response> = {}): Response {
  return {
    message: { role: "assistant", parts: text ? [{ type: "text", text }] : [] },
    status: "complete",
    attempts: [attempt("openai:gpt-5-mini")],
    finish_reason: "stop",
    ...change,
  };
}

export function turn(id: string, prompt: string, responses: Response[] = [], change: Partial<Turn> = {}): Turn {
  return {
    id,
    parent_id: null,
    prompt: { role: "user", parts: [{ type: "text", text: prompt }] },
    created_at: "2026-11-22T10:00:00Z",
    responses,
    chosen: 0,
    continues: null,
    ...change,
  };
}
