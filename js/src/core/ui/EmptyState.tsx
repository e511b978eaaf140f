import type { JSX } from "preact";
import type { Chat } from "../chat";
import type { State } from "../store";
import { count, cut, dayWords } from "../words";
import { HoldLine } from "./Hold";
import { focusQuestion, useStandings } from "./hooks";
import { Icon, Mark } from "./icons";

/** Each begins a question; the user ends it. */
const STARTERS = [
  { name: "Explain an error", hint: "paste the traceback", text: "Explain this error and how to fix it:\n\n" },
  { name: "Draw a plot", hint: "say what to compare", text: "Write matplotlib code that plots " },
  {
    name: "Check a function",
    hint: "find bugs and edge cases",
    text: "Find bugs and edge cases in this function:\n\n",
  },
];

export function EmptyState({ chat, state }: { readonly chat: Chat; readonly state: State }): JSX.Element {
  const { resumable, providers } = state;
  const standings = useStandings(state);
  return (
    <div class="empty">
      {resumable && (
        <button type="button" class="resume" onClick={() => chat.openConversation(resumable.id)}>
          <Icon name="clock" />
          <span>
            Continue <strong>{resumable.title || "the last chat"}</strong>, {dayWords(resumable.updated_at)}
            <span class="muted"> · {count(resumable.turn_count, "question")}</span>
          </span>
        </button>
      )}
      <ul class="starters">
        {STARTERS.map((starter) => (
          <li key={starter.name}>
            <button type="button" onClick={(event) => start(chat, starter.text, event.currentTarget)}>
              <span>{starter.name}</span>
              <span class="muted">{starter.hint}</span>
            </button>
          </li>
        ))}
      </ul>
      {/* Within a live log, where a countdown would be read out second by second. */}
      <ul class="readiness" aria-label="Providers" aria-live="off">
        {providers.map((provider) => {
          const { status, words, hold, note } = standings.of(provider);
          return (
            <li key={provider.name}>
              <Mark shape={status} />
              <bdi class="provider-name">{cut(provider.name, 64)}</bdi>
              <span class="muted">{status === "not_ready" ? (note ?? words) : words}</span>
              {hold && (
                <span class="provider-note muted">
                  <HoldLine chat={chat} hold={hold} provider={provider.name} name={provider.name} />
                </span>
              )}
              {status !== "not_ready" && note && <span class="provider-note muted">{note}</span>}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** Puts the beginning into the question box and the cursor behind it. */
function start(chat: Chat, text: string, button: HTMLElement): void {
  chat.setDraft(text);
  requestAnimationFrame(() => {
    focusQuestion(button)?.setSelectionRange(text.length, text.length);
  });
}
