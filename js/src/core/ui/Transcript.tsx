import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Chat } from "../chat";
import type { State } from "../store";
import { EmptyState } from "./EmptyState";
import { Icon } from "./icons";
import { PendingView, TurnView } from "./Turn";

/** So near to its end the transcript follows what is added. */
const STICKY_PX = 40;

export function Transcript({ chat, state }: { readonly chat: Chat; readonly state: State }): JSX.Element {
  const { turns, running, pending } = state;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  const place = useRef({ top: 0, hidden: false });
  const [away, setAway] = useState(false);
  const empty = turns.length === 0 && !pending && !running;
  const isEmpty = useRef(empty);
  isEmpty.current = empty;

  const toEnd = () => {
    const node = scroller.current;
    if (node) node.scrollTop = node.scrollHeight;
    stuck.current = true;
    setAway(false);
  };

  const onScroll = () => {
    const node = scroller.current;
    if (!node || node.clientHeight === 0) return;
    place.current.top = node.scrollTop;
    stuck.current = node.scrollHeight - node.scrollTop - node.clientHeight < STICKY_PX;
    setAway(!stuck.current);
  };

  useLayoutEffect(() => {
    if (!scroller.current || !content.current) return;
    const follow = new ResizeObserver(() => {
      // JupyterLab takes cells that are out of sight off the page, and with them where they were scrolled to.
      const { hidden, top } = place.current;
      const node = scroller.current;
      place.current.hidden = node?.clientHeight === 0;
      if (hidden && node) node.scrollTop = top;
      // An empty chat is read from its beginning.
      if (stuck.current && !isEmpty.current) toEnd();
      else onScroll();
    });
    follow.observe(scroller.current);
    follow.observe(content.current);
    return () => follow.disconnect();
  }, []);

  // Asking is a wish to see the answer.
  const asked = pending?.command.turn_id;
  useLayoutEffect(() => {
    if (asked) toEnd();
  }, [asked]);

  useKeptPlace(scroller, turns[0]?.id, stuck);

  const shown = pending && pending.command.type === "retry" ? before(turns, pending.command.source_turn_id) : turns;
  const last = shown.at(-1);

  return (
    <div class={away && !empty ? "middle away" : "middle"}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard, https://dequeuniversity.com/rules/axe/4.10/scrollable-region-focusable */}
      <div ref={scroller} class="transcript" role="log" aria-label="Conversation" tabIndex={0} onScroll={onScroll}>
        <div ref={content} class="column">
          {state.has_earlier && (
            <button
              type="button"
              class="quiet-button earlier"
              disabled={state.loading_earlier}
              onClick={chat.loadEarlier}
            >
              {state.loading_earlier ? "Loading…" : "Show earlier messages"}
            </button>
          )}
          {empty && state.conversation && <EmptyState chat={chat} state={state} />}
          {shown.map((turn) => (
            <TurnView
              key={turn.id}
              chat={chat}
              turn={turn}
              live={running?.turn_id === turn.id ? running : null}
              last={turn === last && !pending && !running}
              providers={state.providers}
              usable={state.phase !== "kernel_gone"}
            />
          ))}
          {pending && <PendingView pending={pending} waiting={state.phase === "waiting"} />}
        </div>
      </div>
      {away && !empty && (
        <button type="button" class="latest" onClick={toEnd}>
          <Icon name="latest" />
          Jump to latest
        </button>
      )}
    </div>
  );
}

function before(turns: State["turns"], id: string): State["turns"] {
  const at = turns.findIndex((turn) => turn.id === id);
  return at < 0 ? turns : turns.slice(0, at);
}

/** When earlier messages are put in above, what is being read stays where it is. */
function useKeptPlace(
  scroller: { readonly current: HTMLElement | null },
  first: string | undefined,
  stuck: { readonly current: boolean },
): void {
  const height = useRef(0);
  const shownFirst = useRef(first);
  useLayoutEffect(() => {
    const node = scroller.current;
    if (!node) return;
    if (shownFirst.current !== first && shownFirst.current !== undefined && !stuck.current) {
      node.scrollTop += node.scrollHeight - height.current;
    }
    shownFirst.current = first;
    height.current = node.scrollHeight;
  });
}
