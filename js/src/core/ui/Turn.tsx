import type { ComponentChildren, JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import type { Chat } from "../chat";
import type { Attempt, Message, ProviderInfo, Response, Turn } from "../protocol";
import { skippedWords } from "../providers";
import type { Pending, Running } from "../store";
import { chosenOf, modelName, reasoningOf, textOf } from "../turns";
import { attemptInShort, canGoOn, fateWords, kindWords, problemOf, waitWords, wasHeldBack } from "../words";
import { useElapsed, useNow, useStandings, useStore } from "./hooks";
import { Icon, Mark, type MarkShape } from "./icons";
import { Markdown } from "./Markdown";
import { ModelChooser } from "./ModelChooser";
import { Popover } from "./Popover";
import { Receipt } from "./Receipt";

interface TurnProps {
  readonly chat: Chat;
  readonly turn: Turn;
  readonly live: Running | null;
  /** Only the newest turn can be asked again or gone on with. */
  readonly last: boolean;
  readonly providers: readonly ProviderInfo[];
  readonly usable: boolean;
}

/** Drawn again only when something of it has changed: a delta touches one turn. */
export function TurnView({ chat, turn, live, last, providers, usable }: TurnProps): JSX.Element {
  return useMemo(
    () => (
      <article class="turn">
        {turn.continues === null ? <UserBubble message={turn.prompt} /> : <Continued />}
        <Answer chat={chat} turn={turn} live={live} last={last} providers={providers} usable={usable} />
      </article>
    ),
    [chat, turn, live, last, providers, usable],
  );
}

/** Asked, and not yet heard of by the kernel. */
export function PendingView({
  pending,
  waiting,
}: {
  readonly pending: Pending;
  readonly waiting: boolean;
}): JSX.Element {
  const message: Message = { role: "user", parts: [{ type: "text", text: pending.text }] };
  return (
    <article class="turn">
      {pending.command.type === "continue" ? <Continued /> : <UserBubble message={message} />}
      <div class="answer">
        <LiveLine since_ms={pending.asked_ms}>{waiting ? "Waiting for the kernel" : "Sending"}</LiveLine>
      </div>
    </article>
  );
}

function UserBubble({ message }: { readonly message: Message }): JSX.Element {
  return (
    <div class="mine">
      <h3 class="unseen">You</h3>
      <div class="bubble">
        {message.parts.map((part) =>
          part.type === "image" ? (
            <img alt="Attached" src={`data:${part.media_type};base64,${part.data_base64}`} />
          ) : (
            part.text
          ),
        )}
      </div>
    </div>
  );
}

function Continued(): JSX.Element {
  return (
    <p class="continued">
      <span>Continues the answer above</span>
    </p>
  );
}

function Answer({ chat, turn, live, last, providers, usable }: TurnProps): JSX.Element {
  const response = chosenOf(turn);
  const text = live ? live.text : response ? textOf(response.message) : "";
  const reasoning = live ? live.reasoning : response ? reasoningOf(response.message) : "";
  return (
    <div
      class={live && !live.stopping ? "answer live" : "answer"}
      aria-live={live ? "off" : undefined}
      aria-busy={live !== null}
    >
      <h3 class="unseen">Answer</h3>
      {reasoning && <Reasoning text={reasoning} thinking={live !== null && text === ""} />}
      {text && <Markdown key="text" text={text} done={live === null} />}
      {live ? (
        <Writing live={live} />
      ) : (
        <Ending chat={chat} turn={turn} response={response} last={last && usable} providers={providers} />
      )}
    </div>
  );
}

function Reasoning({ text, thinking }: { readonly text: string; readonly thinking: boolean }): JSX.Element {
  return (
    <details class="reasoning">
      <summary>
        <Icon name="down" />
        {thinking ? "Thinking…" : "Reasoning"}
      </summary>
      <div class="reasoning-text">{text}</div>
    </details>
  );
}

/** Where the receipt will be: whom is asked, after whom, and for how long already. */
function Writing({ live }: { readonly live: Running }): JSX.Element {
  const failed = live.attempts.map(attemptInShort).join(", ");
  const model = live.model ? modelName(live.model) : "";
  const again = live.again_ms === null ? null : <AgainIn model={model} again_ms={live.again_ms} />;
  const doing = live.text ? model || "Answering" : (again ?? (model ? `Asking ${model}` : "Sending"));
  const words = live.stopping ? "Stopping" : doing;
  return (
    <LiveLine since_ms={live.started_ms}>
      {words}
      {failed && ` · after ${failed}`}
    </LiveLine>
  );
}

/** Every model has failed: the one that is asked again, and when. */
function AgainIn({ model, again_ms }: { readonly model: string; readonly again_ms: number }): JSX.Element {
  const left_s = Math.ceil((again_ms - useNow()) / 1000);
  return <>{left_s > 0 ? `Asking ${model} again in ${waitWords(left_s)}` : `Asking ${model} again`}</>;
}

/** Counts the seconds from the third one on. */
function LiveLine({
  since_ms,
  children,
}: {
  readonly since_ms: number;
  readonly children: ComponentChildren;
}): JSX.Element {
  const elapsed = useElapsed(since_ms);
  return (
    <p class="live-line">
      <Mark shape="waiting" />
      <span>
        {children}
        {elapsed >= 3 && ` · ${elapsed} s`}
      </span>
    </p>
  );
}

interface EndingProps {
  readonly chat: Chat;
  readonly turn: Turn;
  readonly response: Response | null;
  readonly last: boolean;
  readonly providers: readonly ProviderInfo[];
}

/** What is under an answer that has come to its end: what went wrong, what to do about it, and the receipt. */
function Ending({ chat, turn, response, last, providers }: EndingProps): JSX.Element {
  const problem = response ? problemOf(response) : "No answer was kept. Press Retry to ask again.";
  const status = response?.status ?? "failed";
  const heldBack = response !== null && wasHeldBack(response);
  const canContinue = last && response !== null && canGoOn(response);
  // Where retrying is the remedy it has words; elsewhere it is one more possibility.
  const remedy = problem !== null && (status === "failed" || status === "interrupted");
  const retries = last && <RetryButtons chat={chat} turn={turn} prominent={remedy} heldBack={heldBack} />;
  return (
    <>
      {problem && (
        <div class={`problem ${status}`}>
          <p>
            <Mark shape={PROBLEM_SHAPE[status]} />
            {status === "interrupted" && <strong>Broke off. </strong>}
            {problem}
          </p>
          {status === "failed" &&
            response &&
            (last ? <LiveFailures chat={chat} response={response} /> : <Failures response={response} />)}
          {(canContinue || (remedy && last)) && (
            <div class="problem-actions">
              {canContinue && (
                <button type="button" class="button" onClick={() => chat.continueAnswer(turn)}>
                  <Icon name="play" />
                  Continue
                </button>
              )}
              {remedy && retries}
            </div>
          )}
        </div>
      )}
      {response && <Receipt response={response} providers={providers} actions={remedy ? null : retries} />}
    </>
  );
}

const PROBLEM_SHAPE: Record<Response["status"], MarkShape> = {
  complete: "partial",
  interrupted: "partial",
  cancelled: "stopped",
  failed: "failed",
};

interface FailuresProps {
  readonly response: Response;
  /** What there is to say of a model that was not asked. */
  readonly skippedSay?: (attempt: Attempt) => string;
}

function Failures({ response, skippedSay = (attempt) => `${fateWords(attempt)}.` }: FailuresProps): JSX.Element {
  return (
    // Within a live log, where a countdown would be read out second by second.
    <ul class="failures" aria-live="off">
      {response.attempts.map((attempt, index) => (
        <li key={index}>
          <code>{modelName(attempt.model)}</code>{" "}
          {attempt.held_back ? skippedSay(attempt) : (attempt.error_message ?? `${fateWords(attempt)}.`)}
        </li>
      ))}
    </ul>
  );
}

/** With when each model is asked again that was not asked. */
function LiveFailures({ chat, response }: { readonly chat: Chat; readonly response: Response }): JSX.Element {
  const state = useStore(chat.store);
  const standings = useStandings(state);
  const skippedSay = ({ model, error_kind }: Attempt) => {
    const provider = state.providers.find((each) => each.name === model.provider);
    const hold = provider ? (standings.of(provider).hold ?? standings.ofModel(provider, model.name)) : null;
    return skippedWords(error_kind ? kindWords(error_kind) : "", hold);
  };
  return <Failures response={response} skippedSay={skippedSay} />;
}

interface RetryProps {
  readonly chat: Chat;
  readonly turn: Turn;
  /** With words where retrying is the remedy, as icons where it is one more possibility. */
  readonly prominent: boolean;
  /** Nobody was asked: whoever retries wants those asked who are held back. */
  readonly heldBack: boolean;
}

function RetryButtons({ chat, turn, prominent, heldBack }: RetryProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLButtonElement>(null);
  return (
    <>
      <button
        type="button"
        class={prominent ? "button" : "icon-button"}
        aria-label={heldBack ? "Try now" : "Retry"}
        title={heldBack ? "Ask all the same" : "Ask again. This answer is kept."}
        onClick={() => (heldBack ? chat.retryNow(turn) : chat.retry(turn))}
      >
        <Icon name="retry" />
        {prominent && (heldBack ? "Try now" : "Retry")}
      </button>
      <button
        ref={anchor}
        type="button"
        class={prominent ? "button" : "icon-button"}
        aria-label="Retry with another model"
        title="Retry with another model"
        aria-haspopup="dialog"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {prominent && "Retry with…"}
        <Icon name="down" />
      </button>
      {open && (
        <Popover anchor={anchor} label="Retry with" side="above" align="end" onClose={() => setOpen(false)}>
          <ModelChooser
            chat={chat}
            label="Ask this model instead"
            action="Retry"
            route=""
            chosen={[]}
            busy={false}
            refusal={null}
            onUse={(route) => {
              setOpen(false);
              chat.retry(turn, route);
            }}
          />
        </Popover>
      )}
    </>
  );
}
