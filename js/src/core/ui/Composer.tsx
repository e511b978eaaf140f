import type { JSX } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import type { Chat } from "../chat";
import { providerOf, routeModels } from "../providers";
import { promptHistory, type State } from "../store";
import { cut, sentence } from "../words";
import type { Panel } from "./App";
import { focusQuestion } from "./hooks";
import { Icon, Mark } from "./icons";
import { RoutePicker } from "./RoutePicker";

interface ComposerProps {
  readonly chat: Chat;
  readonly state: State;
  readonly panel: Panel;
  readonly setPanel: (panel: Panel) => void;
}

/** Firefox has no `field-sizing` yet. */
const SIZES_ITSELF = globalThis.CSS?.supports?.("field-sizing", "content") ?? false;

export function Composer({ chat, state, panel, setPanel }: ComposerProps): JSX.Element {
  const box = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const { draft } = state;
  const busy = state.running !== null || state.pending !== null;
  const stopping = state.running?.stopping ?? state.pending?.stopping ?? false;
  const gone = state.phase === "kernel_gone";
  const recall = useRecall(chat);

  useLayoutEffect(() => {
    const node = box.current;
    if (!node || SIZES_ITSELF) return;
    node.style.height = "0";
    node.style.height = `${node.scrollHeight}px`;
  }, [draft]);

  const reason = gone ? "Run the cell again to ask." : busy || draft.trim() ? null : "Type a question first.";

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing || event.keyCode === 229) return; // 229: Safari's Enter that ends a composition
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      if (!busy) chat.submit();
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      if (recall(event.key === "ArrowUp" ? 1 : -1)) event.preventDefault();
    }
  };

  return (
    <div class="composer">
      <ComposerNotices chat={chat} state={state} panel={panel} />
      <div class="box">
        <textarea
          ref={box}
          rows={1}
          value={draft}
          aria-label="Question"
          aria-describedby={`${id}-reason`}
          placeholder={gone ? "Run the cell again to ask" : "Ask a question"}
          disabled={gone}
          onInput={(event) => chat.setDraft(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        <div class="box-foot">
          <RoutePicker
            chat={chat}
            state={state}
            open={panel === "models"}
            setOpen={(open) => setPanel(open ? "models" : null)}
          />
          <button
            type="button"
            class={busy ? "send stop" : "send"}
            aria-label={busy ? (stopping ? "Stopping" : "Stop") : "Send"}
            title={reason ?? (busy ? "Stop (Esc)" : "Send (Enter)")}
            aria-disabled={busy ? stopping : reason !== null}
            onClick={() => {
              if (busy) chat.stop();
              else chat.submit();
              box.current?.focus({ preventScroll: true });
            }}
          >
            <Icon name={busy ? "stop" : "send"} />
          </button>
        </div>
      </div>
      <p class="unseen" id={`${id}-reason`}>
        {reason ?? ""}
      </p>
    </div>
  );
}

/** What was refused, and why the chosen models cannot answer. */
function ComposerNotices({ chat, state, panel }: { chat: Chat; state: State; panel: Panel }): JSX.Element {
  const inPanel = panel === "models" || panel === "settings";
  const notices = state.notices.filter((each) => each.place === "composer" || (each.place === "settings" && !inPanel));
  const models = routeModels(state.settings?.route ?? "");
  const route = models.map((model) => state.providers.find((each) => each.name === providerOf(model)));
  const first = route[0];
  const noneReady = route.length > 0 && route.every((provider) => provider && !provider.ready);
  return (
    <>
      {noneReady && first && (
        <p class="notice">
          <Mark shape="not_ready" />
          <span>{cut(first.remedy ?? `${first.name} is not ready.`, 300)}</span>
        </p>
      )}
      {notices.map((notice) => (
        <p key={notice.id} class="notice" role="alert">
          <Mark shape="failed" />
          <span>{sentence(notice.text)}</span>
          <button
            type="button"
            class="icon-button"
            aria-label="Close this message"
            onClick={(event) => {
              focusQuestion(event.currentTarget);
              chat.closeNotice(notice.id);
            }}
          >
            <Icon name="close" />
          </button>
        </p>
      ))}
    </>
  );
}

/** ArrowUp in an empty box brings back what was asked before, and again what was asked before that. */
function useRecall(chat: Chat): (by: 1 | -1) => boolean {
  const at = useRef(-1);
  return (by) => {
    const { turns, draft } = chat.store.get();
    const history = promptHistory(turns);
    if (at.current >= 0 && draft !== history[at.current]) at.current = -1;
    if (at.current < 0 && draft !== "") return false;
    const next = at.current + by;
    if (next < -1 || next >= history.length) return at.current >= 0;
    at.current = next;
    chat.setDraft(history[next] ?? "");
    return true;
  };
}
