/** The living half of the state: sends commands, listens to events, notices silence, keeps the draft over a reload. */
import type { Command, Export, SettingsInfo, Turn } from "./protocol";
import { createStore, type Pending, PROTOCOL_VERSION, type Store } from "./store";
import type { Dispose, Transport } from "./transport";
import { chosenOf, textOf } from "./turns";

/** After this long without an answer the user is told that the chat waits. */
const LATE_MS = 2_500;
/** While nothing comes, hello is said again after these pauses; the last one repeats. */
const HELLO_AGAIN_MS = [6_000, 12_000, 24_000, 60_000];
/** A running answer that says nothing for this long may have lost its end on the way. */
const SILENCE_MS = 20_000;
/** Listing asks a provider, which may take its time; after this long the list is taken for lost. */
const LISTING_MS = 60_000;
/** A page hidden for this long may have slept through events. */
const HIDDEN_MS = 30_000;

export interface Chat {
  readonly store: Store;
  /** Asks what is in the draft, or `text`. False when there is nothing to ask or no way to ask it now. */
  submit(text?: string): boolean;
  retry(turn: Turn, route?: string): void;
  /** Asks again, those who are held back as well. */
  retryNow(turn: Turn): void;
  continueAnswer(turn: Turn, route?: string): void;
  stop(): void;
  configure(change: Partial<SettingsInfo>): void;
  rename(title: string): void;
  newConversation(): void;
  openConversation(id: string): void;
  loadEarlier(): void;
  /** Writes the stored conversation into a new file beside the notebook. */
  exportTo(suffix: Export["suffix"]): void;
  /** Asks a provider for all of its models. Nothing else ever does. */
  listModels(provider: string): void;
  /** Lets the next question go to a provider that is held back. */
  tryNow(provider: string): void;
  setDraft(text: string): void;
  closeNotice(id: number): void;
  dispose(): void;
}

export interface ChatOptions {
  readonly transport: Transport;
  /** Known before the first snapshot, so that the draft is there at once. */
  readonly conversationId?: string | null;
  /** Where drafts are kept over a reload; `null` keeps none. */
  readonly storage?: Storage | null;
}

export function createChat({ transport, conversationId = null, storage = sessionStore() }: ChatOptions): Chat {
  const store = createStore();
  const drafts = keepDrafts(store, storage, conversationId);
  const line = listenAndSend(store, transport);

  const ask = (command: Pending["command"], text: string): boolean => {
    const { phase, pending, running, conversation } = store.get();
    if (phase === "kernel_gone" || pending || running) return false;
    const asked_ms = Date.now();
    store.dispatch({
      type: "asked",
      pending: { command, text, conversation_id: conversation?.id ?? null, asked_ms, stopping: false },
    });
    line.send(command);
    return true;
  };

  const tryNow = (provider: string) => {
    const { phase, trying } = store.get();
    if (phase === "kernel_gone" || trying.has(provider)) return;
    store.dispatch({ type: "try_now_sent", provider });
    line.send({ type: "try_now", provider });
  };

  const retry = (turn: Turn, route: string | null) => {
    const ids = { turn_id: newId(), source_turn_id: turn.id };
    ask({ type: "retry", ...ids, route }, textOf(turn.prompt));
  };

  return {
    store,
    submit(text) {
      const asked = text ?? store.get().draft;
      if (asked.trim() === "") return false;
      return ask({ type: "submit", turn_id: newId(), text: asked }, asked);
    },
    retry: (turn, route) => retry(turn, route ?? null),
    retryNow(turn) {
      const skipped = chosenOf(turn)?.attempts.filter((attempt) => attempt.held_back) ?? [];
      const known = store.get().providers.map((provider) => provider.name);
      // First, since the kernel carries out one command after the other.
      for (const name of new Set(skipped.map((attempt) => attempt.model.provider))) {
        if (known.includes(name)) tryNow(name);
      }
      retry(turn, null);
    },
    continueAnswer(turn, route) {
      const ids = { turn_id: newId(), source_turn_id: turn.id };
      ask({ type: "continue", ...ids, route: route ?? null }, "");
    },
    stop() {
      if (!store.get().running && !store.get().pending) return;
      store.dispatch({ type: "stop_sent" });
      line.send({ type: "cancel" });
    },
    configure(change) {
      store.dispatch({ type: "configure_sent", change });
      line.send({ type: "configure", ...change });
    },
    rename(title) {
      const trimmed = title.trim().slice(0, 200);
      if (trimmed && trimmed !== store.get().conversation?.title) line.send({ type: "rename", title: trimmed });
    },
    newConversation: () => line.send({ type: "new_conversation" }),
    openConversation: (id) => line.send({ type: "open_conversation", conversation_id: id }),
    loadEarlier() {
      const { turns, has_earlier, loading_earlier } = store.get();
      const first = turns[0];
      if (!first || !has_earlier || loading_earlier) return;
      store.dispatch({ type: "load_earlier_sent" });
      line.send({ type: "load_earlier", before_turn_id: first.id });
    },
    exportTo: (suffix) => line.send({ type: "export", suffix }),
    listModels(provider) {
      const { phase, listings } = store.get();
      if (phase === "kernel_gone" || listings.get(provider)?.busy) return;
      store.dispatch({ type: "list_models_sent", provider });
      line.send({ type: "list_models", provider });
    },
    tryNow,
    setDraft: (text) => store.dispatch({ type: "draft", text }),
    closeNotice: (id) => store.dispatch({ type: "notice_closed", id }),
    dispose() {
      line.dispose();
      drafts();
    },
  };
}

function listenAndSend(store: Store, transport: Transport): { send(command: Command): void; dispose: Dispose } {
  let late: Timer;
  let again: Timer;
  let silence: Timer;
  let hellos = 0;

  const quiet = () => {
    clearTimeout(late);
    clearTimeout(again);
    late = again = undefined;
  };

  /** Something was sent that will be answered: be ready to say that it is not. */
  const expectAnswer = () => {
    late ??= setTimeout(() => store.dispatch({ type: "late" }), LATE_MS);
    again ??= setTimeout(hello, HELLO_AGAIN_MS.at(Math.min(Math.max(hellos - 1, 0), HELLO_AGAIN_MS.length - 1)));
  };

  const send = (command: Command) => {
    try {
      transport.send(command);
      if (command.type === "list_models") watchSilence();
      else expectAnswer();
    } catch {
      quiet();
      store.dispatch({ type: "link", status: "gone" });
    }
  };

  function hello() {
    if (store.get().phase === "kernel_gone") return;
    again = undefined;
    hellos += 1;
    store.dispatch({ type: "hello_sent" });
    send({ type: "hello", protocol_version: PROTOCOL_VERSION, last_seq: store.get().seq });
  }

  const watchSilence = () => {
    clearTimeout(silence);
    const { running, listings } = store.get();
    const listing = [...listings.values()].some((each) => each.busy);
    const patience = running ? SILENCE_MS : listing ? LISTING_MS : null;
    silence = patience === null ? undefined : setTimeout(hello, patience);
  };

  const disposers: Dispose[] = [
    transport.onEvent((event) => {
      quiet();
      hellos = 0;
      store.dispatch({ type: "event", event, now_ms: Date.now() });
      watchSilence();
      if (event.type !== "snapshot") return;
      // What was asked while the line was down. Harmless when it did arrive: the kernel knows the turn's id.
      const { pending } = store.get();
      if (pending) send(pending.command);
    }),
    transport.onStatus((status) => {
      quiet();
      store.dispatch({ type: "link", status });
    }),
    store.subscribe(() => {
      const state = store.get();
      if (state.sync === "wanted" && state.phase !== "kernel_gone") hello();
    }),
    whenBack(hello),
    quiet,
    () => clearTimeout(silence),
  ];
  hello();
  return { send, dispose: () => disposers.forEach((dispose) => void dispose()) };
}

type Timer = ReturnType<typeof setTimeout> | undefined;

/** Calls back when the page is online again, or is seen again after a longer while. */
function whenBack(callback: () => void): Dispose {
  if (typeof window === "undefined") return () => undefined;
  let hidden_ms: number | null = null;
  const seen = () => {
    if (document.visibilityState === "hidden") {
      hidden_ms = Date.now();
    } else if (hidden_ms !== null && Date.now() - hidden_ms > HIDDEN_MS) {
      hidden_ms = null;
      callback();
    }
  };
  window.addEventListener("online", callback);
  document.addEventListener("visibilitychange", seen);
  return () => {
    window.removeEventListener("online", callback);
    document.removeEventListener("visibilitychange", seen);
  };
}

function keepDrafts(store: Store, storage: Storage | null, conversationId: string | null): Dispose {
  let id = conversationId;
  let kept = "";
  const read = () => (id && storage?.getItem(keyOf(id))) || "";
  const write = (text: string) => {
    if (!id || !storage) return;
    try {
      if (text) storage.setItem(keyOf(id), text);
      else storage.removeItem(keyOf(id));
    } catch {
      // Full or forbidden: the draft then lives as long as the page.
    }
  };
  const restore = () => {
    kept = read();
    if (kept) store.dispatch({ type: "draft", text: kept });
  };
  restore();
  return store.subscribe(() => {
    const state = store.get();
    const now = state.conversation?.id ?? id;
    if (now !== id) {
      // A draft goes along into the conversation that is opened; otherwise the one left there comes back.
      if (state.draft) write("");
      id = now;
      kept = "";
      if (!state.draft) return restore();
    }
    if (state.draft === kept) return;
    kept = state.draft;
    write(kept);
  });
}

const keyOf = (id: string) => `convoscope:draft:${id}`;

function sessionStore(): Storage | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null; // A sandboxed frame, as in VS Code, may forbid it.
  }
}

/** `crypto.randomUUID` is missing where Jupyter is served over plain http. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
