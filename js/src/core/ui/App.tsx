import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Chat } from "../chat";
import type { State } from "../store";
import { chosenOf, modelName } from "../turns";
import { endWords } from "../words";
import { Banners } from "./Banners";
import { Composer } from "./Composer";
import { Header } from "./Header";
import { useStore } from "./hooks";
import { Transcript } from "./Transcript";

/** Which of the floating panels is open. */
export type Panel = "menu" | "settings" | "models" | null;

export function App({ chat }: { readonly chat: Chat }): JSX.Element {
  const state = useStore(chat.store);
  const [panel, setPanel] = useState<Panel>(null);
  useCloseWhenConfirmed(state, setPanel);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
    if (state.running || state.pending) chat.stop();
  };

  return (
    <section class="chat" aria-label="Convoscope chat" onKeyDown={onKeyDown}>
      <Header chat={chat} state={state} panel={panel} setPanel={setPanel} />
      <Banners chat={chat} state={state} />
      <Transcript chat={chat} state={state} />
      <Composer chat={chat} state={state} panel={panel} setPanel={setPanel} />
      {/* Not atomic: what was said before is not read out again. */}
      <p class="unseen" role="status" aria-atomic="false">
        <span>{useStatusWords(state)}</span>
        <span>{state.said}</span>
      </p>
    </section>
  );
}

/** What a screen reader is told, a sentence at a time, instead of every piece of a growing answer. */
function useStatusWords(state: State): string {
  const { running, pending, phase } = state;
  const wasRunning = useRef<string | null>(null);
  const ended = useRef("");
  if (running) {
    wasRunning.current = running.turn_id;
    ended.current = "";
  } else if (wasRunning.current) {
    const turn = state.turns.find((each) => each.id === wasRunning.current);
    if (turn && chosenOf(turn)) ended.current = endWords(turn);
    wasRunning.current = null;
  }
  if (phase === "waiting") return "Waiting for the kernel.";
  if (running?.stopping) return "Stopping.";
  if (running?.text) return "The answer is being written.";
  if (running?.model && running.again_ms !== null) return `Waiting to ask ${modelName(running.model)} again.`;
  if (running?.model) return `Asking ${modelName(running.model)}.`;
  if (pending || running) return "Sending.";
  return ended.current;
}

/** A change of the settings closes its panel when the kernel has taken it; a refused one stays open and says why. */
function useCloseWhenConfirmed(state: State, setPanel: (panel: Panel) => void): void {
  const seen = useRef(state.confirmed);
  useLayoutEffect(() => {
    if (seen.current === state.confirmed) return;
    seen.current = state.confirmed;
    setPanel(null);
  }, [state.confirmed, setPanel]);
}
