/** What a view shows, as one immutable state and one pure reducer over the kernel's events and the user's actions. */
import { crc32 } from "./crc32";
import type {
  Attempt,
  Continue,
  ConversationInfo,
  Delta,
  Event,
  Exported,
  ModelRef,
  ModelsListed,
  ProviderInfo,
  Rejected,
  Response,
  Retry,
  SettingsInfo,
  Snapshot,
  StatusChanged,
  StoreInfo,
  Submit,
  Turn,
  TurnEnded,
} from "./protocol";
import { canonicalRoute, isHeld } from "./providers";
import type { Dispose, LinkStatus } from "./transport";
import { pathWith, textOf, withStreamedText } from "./turns";
import { againWords, listedWords, savedWords } from "./words";

export const PROTOCOL_VERSION = 1;

/** `waiting`: something was sent and nothing has come back for a while; most often a cell is running. */
export type Phase = "connecting" | "waiting" | "ready" | "kernel_gone";

/** The answer being written. */
export interface Running {
  readonly turn_id: string;
  readonly model: ModelRef | null;
  readonly attempts: readonly Attempt[];
  readonly text: string;
  readonly reasoning: string;
  readonly started_ms: number;
  /** When `model` is asked again, which has failed before; `null` while it is being asked. */
  readonly again_ms: number | null;
  readonly stopping: boolean;
}

/** Asked, and not yet heard of again. Shown at once; sent again after a lost connection. */
export interface Pending {
  readonly command: Submit | Retry | Continue;
  /** What was asked, for the bubble. */
  readonly text: string;
  readonly conversation_id: string | null;
  readonly asked_ms: number;
  readonly stopping: boolean;
}

export interface Notice {
  readonly id: number;
  readonly text: string;
  /** Where it is said: beside the question box, in the model picker, or above the conversation. */
  readonly place: "composer" | "settings" | "top";
  readonly kind: "refused" | "done";
}

/** A provider was asked which models it has. */
export interface Listing {
  readonly busy: boolean;
  /** Why there is no list, with the remedy. */
  readonly problem: string | null;
}

export interface State {
  readonly phase: Phase;
  readonly seq: number | null;
  /** Whether the state follows the kernel's events without a gap. */
  readonly sync: "wanted" | "asked" | "synced";
  readonly conversation: ConversationInfo | null;
  readonly turns: readonly Turn[];
  readonly has_earlier: boolean;
  readonly loading_earlier: boolean;
  readonly running: Running | null;
  readonly pending: Pending | null;
  readonly settings: SettingsInfo | null;
  /** Sent to the kernel and not yet confirmed. */
  readonly configuring: Partial<SettingsInfo> | null;
  /** How often the kernel has confirmed such a change. */
  readonly confirmed: number;
  readonly providers: readonly ProviderInfo[];
  /** When that was heard: a countdown goes on from there. */
  readonly providers_ms: number;
  /** By provider; absent: never asked. */
  readonly listings: ReadonlyMap<string, Listing>;
  /** Providers that shall be asked again at once, and the kernel has not said so yet. */
  readonly trying: ReadonlySet<string>;
  readonly store: StoreInfo | null;
  readonly resumable: ConversationInfo | null;
  readonly draft: string;
  readonly notices: readonly Notice[];
  readonly next_notice: number;
  /** What a screen reader is told of what is not an answer. */
  readonly said: string;
}

export type Action =
  | { readonly type: "event"; readonly event: Event; readonly now_ms: number }
  | { readonly type: "link"; readonly status: LinkStatus }
  | { readonly type: "hello_sent" }
  | { readonly type: "late" }
  | { readonly type: "asked"; readonly pending: Pending }
  | { readonly type: "stop_sent" }
  | { readonly type: "configure_sent"; readonly change: Partial<SettingsInfo> }
  | { readonly type: "load_earlier_sent" }
  | { readonly type: "list_models_sent"; readonly provider: string }
  | { readonly type: "try_now_sent"; readonly provider: string }
  | { readonly type: "draft"; readonly text: string }
  | { readonly type: "notice_closed"; readonly id: number };

export const INITIAL: State = {
  phase: "connecting",
  seq: null,
  sync: "wanted",
  conversation: null,
  turns: [],
  has_earlier: false,
  loading_earlier: false,
  running: null,
  pending: null,
  settings: null,
  configuring: null,
  confirmed: 0,
  providers: [],
  providers_ms: 0,
  listings: new Map(),
  trying: new Set(),
  store: null,
  resumable: null,
  draft: "",
  notices: [],
  next_notice: 1,
  said: "",
};

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "event":
      return onEvent(state, action.event, action.now_ms);
    case "link":
      if (action.status === "gone") return cutOff(state);
      return state.phase === "kernel_gone" ? { ...state, phase: "connecting", sync: "wanted" } : state;
    case "hello_sent":
      // Asked to be sure: what comes meanwhile is taken as long as nothing is missing.
      return state.sync === "wanted" ? { ...state, sync: "asked" } : state;
    case "late":
      return state.phase === "kernel_gone" ? state : { ...state, phase: "waiting" };
    case "asked":
      return {
        ...state,
        pending: action.pending,
        draft: action.pending.text === state.draft ? "" : state.draft,
        notices: without(state.notices, "composer"),
      };
    case "stop_sent":
      return {
        ...state,
        running: state.running && { ...state.running, stopping: true },
        pending: state.pending && { ...state.pending, stopping: true },
      };
    case "configure_sent":
      return {
        ...state,
        configuring: { ...state.configuring, ...action.change },
        notices: without(state.notices, "settings"),
      };
    case "load_earlier_sent":
      return { ...state, loading_earlier: true };
    case "list_models_sent":
      return {
        ...state,
        listings: new Map(state.listings).set(action.provider, { busy: true, problem: null }),
        said: "Listing models.",
      };
    case "try_now_sent":
      return { ...state, trying: new Set(state.trying).add(action.provider) };
    case "draft":
      return { ...state, draft: action.text };
    case "notice_closed":
      return { ...state, notices: state.notices.filter((notice) => notice.id !== action.id) };
  }
}

function onEvent(before: State, event: Event, now_ms: number): State {
  // Anything heard means that somebody is there.
  const state: State = before.phase === "ready" ? before : { ...before, phase: "ready" };
  if (event.type === "snapshot") return fromSnapshot(state, event, now_ms);
  const step = state.sync === "synced" && state.seq !== null ? event.seq - state.seq : null;
  if (step !== null && step <= 0) return before;
  if (step === 1) return onNext({ ...state, seq: event.seq }, event, now_ms);
  const lost: State = step === null ? state : { ...state, sync: "wanted" };
  // The snapshot that follows holds everything but this.
  return event.type === "rejected" ? onRejected(lost, event) : lost;
}

function onNext(state: State, event: Exclude<Event, Snapshot>, now_ms: number): State {
  switch (event.type) {
    case "turn_started":
      return onTurnStarted(state, event.turn, now_ms);
    case "attempt_begun":
      // What a failed model thought aloud is not part of the next one's answer.
      return running(state, event.turn_id, (run) => ({
        ...run,
        model: event.model,
        again_ms: null,
        reasoning: "",
      }));
    case "attempt_over":
      return running(state, event.turn_id, (run) => ({
        ...run,
        attempts: [...run.attempts.slice(0, event.index), event.attempt],
      }));
    case "retry_scheduled":
      return running(state, event.turn_id, (run) => ({
        ...run,
        model: event.model,
        again_ms: now_ms + event.delay_s * 1000,
      }));
    case "delta":
      return running(state, event.turn_id, (run) => extended(run, event));
    case "turn_ended":
      return onTurnEnded(state, event);
    case "earlier_turns":
      return {
        ...state,
        turns: [...event.turns.filter((turn) => !state.turns.some((each) => each.id === turn.id)), ...state.turns],
        has_earlier: event.has_earlier,
        loading_earlier: false,
      };
    case "status_changed":
      return onStatusChanged(state, event, now_ms);
    case "exported":
      return onExported(state, event);
    case "models_listed":
      return onModelsListed(state, event);
    case "rejected":
      return onRejected(state, event);
    default:
      // A newer kernel may say more than this view understands.
      return state;
  }
}

function onStatusChanged(state: State, event: StatusChanged, now_ms: number): State {
  const { configuring, trying } = state;
  const confirmed = configuring !== null && isConfirmed(configuring, state.settings, event.settings);
  const again = event.providers.filter((each) => trying.has(each.name) && !isHeld(each)).map((each) => each.name);
  return {
    ...state,
    conversation: event.conversation,
    settings: event.settings,
    providers: event.providers,
    providers_ms: now_ms,
    trying: NOBODY,
    store: event.store,
    configuring: confirmed ? null : configuring,
    confirmed: state.confirmed + (confirmed ? 1 : 0),
    said: again.length > 0 ? againWords(again) : state.said,
  };
}

const NOBODY: ReadonlySet<string> = new Set();

/** Whether a status answers the change that was sent. One that another session caused leaves the settings as they were. */
function isConfirmed(sent: Partial<SettingsInfo>, before: SettingsInfo | null, now: SettingsInfo): boolean {
  const same = (a: Partial<SettingsInfo>, b: SettingsInfo) =>
    (a.route === undefined || canonicalRoute(a.route) === canonicalRoute(b.route)) &&
    (a.system === undefined || a.system === b.system) &&
    (a.temperature === undefined || a.temperature === b.temperature) &&
    (a.max_output_tokens === undefined || a.max_output_tokens === b.max_output_tokens);
  return same(sent, now) || before === null || !same(before, now);
}

/** Nothing will be heard any more: what has come of the answer stands, what was asked goes back into the box. */
function cutOff(state: State): State {
  const { running: run, pending } = state;
  const turns = run
    ? state.turns.map((turn) =>
        turn.id === run.turn_id
          ? withStreamedText({ ...turn, responses: [BROKEN_OFF] }, run.text, run.reasoning)
          : turn,
      )
    : state.turns;
  return {
    ...state,
    phase: "kernel_gone",
    sync: "wanted",
    turns,
    running: null,
    pending: null,
    configuring: null,
    loading_earlier: false,
    listings: ended(state.listings, null),
    trying: NOBODY,
    draft: pending?.command.type === "submit" ? joined(pending.text, state.draft) : state.draft,
  };
}

const BROKEN_OFF: Response = {
  message: { role: "assistant", parts: [] },
  status: "interrupted",
  attempts: [],
  finish_reason: null,
};

function fromSnapshot(state: State, event: Snapshot, now_ms: number): State {
  const { pending } = state;
  const known = (id: string) => event.running?.turn_id === id || event.turns.some((turn) => turn.id === id);
  const elsewhere =
    pending !== null && pending.conversation_id !== null && pending.conversation_id !== event.conversation.id;
  const kept = pending === null || known(pending.command.turn_id) || elsewhere ? null : pending;
  const draft = elsewhere && pending?.command.type === "submit" ? joined(pending.text, state.draft) : state.draft;
  const run = event.running;
  return {
    ...state,
    seq: event.seq,
    sync: "synced",
    conversation: event.conversation,
    turns: event.turns,
    has_earlier: event.has_earlier,
    loading_earlier: false,
    running: run && {
      turn_id: run.turn_id,
      model: run.model,
      attempts: run.attempts,
      text: run.text,
      reasoning: run.reasoning,
      started_ms: now_ms - run.elapsed_s * 1000,
      again_ms: run.retry_in_s === null ? null : now_ms + run.retry_in_s * 1000,
      stopping: state.running?.turn_id === run.turn_id && state.running.stopping,
    },
    pending: kept,
    draft,
    settings: event.settings,
    configuring: null,
    providers: event.providers,
    providers_ms: now_ms,
    listings: ended(state.listings, null),
    trying: NOBODY,
    store: event.store,
    resumable: event.resumable,
    notices: event.conversation.id === state.conversation?.id ? state.notices : state.notices.filter(isRefusal),
  };
}

/** What was done to one conversation is not said over another. */
const isRefusal = (notice: Notice) => notice.kind === "refused";

function onTurnStarted(state: State, turn: Turn, now_ms: number): State {
  const turns = pathWith(state.turns, turn);
  if (turns === null) return { ...state, sync: "wanted" };
  const mine = state.pending?.command.turn_id === turn.id ? state.pending : null;
  return {
    ...state,
    turns,
    pending: mine ? null : state.pending,
    resumable: null,
    running: {
      turn_id: turn.id,
      model: null,
      attempts: [],
      text: "",
      reasoning: "",
      started_ms: mine?.asked_ms ?? now_ms,
      again_ms: null,
      stopping: mine?.stopping ?? false,
    },
  };
}

function onTurnEnded(state: State, event: TurnEnded): State {
  const run = state.running;
  if (run?.turn_id !== event.turn.id) return { ...state, sync: "wanted" };
  const turns = pathWith(state.turns, withStreamedText(event.turn, run.text, run.reasoning));
  const whole =
    turns !== null &&
    run.text.length === event.text_length &&
    run.reasoning.length === event.reasoning_length &&
    crc32(run.text) === event.text_crc32;
  return { ...state, turns: turns ?? state.turns, running: null, sync: whole ? "synced" : "wanted" };
}

/** `null` from `change`: what came does not fit, ask for a snapshot. */
function running(state: State, turn_id: string, change: (run: Running) => Running | null): State {
  const run = state.running?.turn_id === turn_id ? change(state.running) : null;
  return run ? { ...state, running: run } : { ...state, sync: "wanted" };
}

function extended(run: Running, delta: Delta): Running | null {
  if (delta.text_offset !== run.text.length || delta.reasoning_offset !== run.reasoning.length) return null;
  return { ...run, text: run.text + delta.text, reasoning: run.reasoning + delta.reasoning };
}

function onExported(state: State, event: Exported): State {
  return noticed(state, savedWords(event.path), "top", "done");
}

function onModelsListed(state: State, { provider, models, problem }: ModelsListed): State {
  return {
    ...state,
    // The next status says the same: what was asked for should not wait for it.
    providers: state.providers.map((each) => (each.name === provider && problem === null ? { ...each, models } : each)),
    listings: new Map(state.listings).set(provider, { busy: false, problem }),
    said: listedWords(provider, models.length, problem),
  };
}

/** Nothing more will be heard of what was being listed. */
function ended(listings: State["listings"], problem: string | null): State["listings"] {
  const over = [...listings].filter(([, each]) => !each.busy || problem !== null);
  return new Map(over.map(([provider, each]) => [provider, each.busy ? { busy: false, problem } : each]));
}

function onRejected(state: State, event: Rejected): State {
  const { pending } = state;
  const listing = event.command === "list_models" && [...state.listings.values()].some((each) => each.busy);
  if (listing) return { ...state, listings: ended(state.listings, event.message), said: event.message };
  const mine = pending !== null && event.turn_id === pending.command.turn_id;
  const asks = event.command === "submit" || event.command === "retry" || event.command === "continue";
  const place = event.command === "configure" ? "settings" : asks ? "composer" : "top";
  return {
    ...noticed(state, event.message, place, "refused"),
    pending: mine ? null : pending,
    draft: mine && pending.command.type === "submit" ? joined(pending.text, state.draft) : state.draft,
    configuring: event.command === "configure" ? null : state.configuring,
    trying: event.command === "try_now" ? NOBODY : state.trying,
    loading_earlier: event.command === "load_earlier" ? false : state.loading_earlier,
    running: event.command === "cancel" && state.running ? { ...state.running, stopping: false } : state.running,
  };
}

/** What is said beside the question box or in a panel is an alert of its own. */
function noticed(state: State, text: string, place: Notice["place"], kind: Notice["kind"]): State {
  return {
    ...state,
    notices: [...without(state.notices, place), { id: state.next_notice, text, place, kind }],
    next_notice: state.next_notice + 1,
    said: place === "top" ? text : state.said,
  };
}

function without(notices: readonly Notice[], place: Notice["place"]): readonly Notice[] {
  return notices.filter((notice) => notice.place !== place);
}

/** What was asked before what has been typed since. */
function joined(asked: string, draft: string): string {
  return draft.trim() === "" || draft === asked ? asked : `${asked}\n\n${draft}`;
}

/** Newest first, without repeats: what ArrowUp recalls. */
export function promptHistory(turns: readonly Turn[]): string[] {
  const prompts = turns.filter((turn) => turn.continues === null).map((turn) => textOf(turn.prompt));
  return [...new Set(prompts.reverse())].filter((text) => text !== "");
}

export interface Store {
  get(): State;
  dispatch(action: Action): void;
  subscribe(listener: () => void): Dispose;
}

export function createStore(initial: State = INITIAL): Store {
  let state = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => state,
    dispatch(action) {
      const next = reduce(state, action);
      if (next === state) return;
      state = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
