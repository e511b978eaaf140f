import { type ComponentChildren, Fragment, type JSX } from "preact";
import { useId, useState } from "preact/hooks";
import type { Attempt, ProviderInfo, Response } from "../protocol";
import { modelName, textOf } from "../turns";
import { answeringAttempt, attemptDetails, receiptParts, receiptSentence, sumWords } from "../words";
import { useCopy } from "./hooks";
import { Icon, Mark, type MarkShape } from "./icons";

interface ReceiptProps {
  readonly response: Response;
  readonly providers: readonly ProviderInfo[];
  readonly actions: ComponentChildren;
}

/** One line: who answered, after whom, in what time, for how much. A click opens every attempt. */
export function Receipt({ response, providers, actions }: ReceiptProps): JSX.Element | null {
  const [open, setOpen] = useState(false);
  const { said, copy } = useCopy();
  const id = useId();
  const parts = receiptParts(response, providers);
  const text = textOf(response.message);
  if (parts.length === 0 && !text && !actions) return null;
  return (
    <>
      <div class="receipt">
        {parts.length > 0 && (
          <button
            type="button"
            class="receipt-line"
            aria-expanded={open}
            aria-controls={id}
            title={`${receiptSentence(response)} Click for every attempt.`}
            onClick={() => setOpen(!open)}
          >
            <Mark shape={RECEIPT_SHAPE[response.status]} />
            <span>
              {parts.map((part, index) => (
                <Fragment key={part}>
                  <span class={part.length < 20 ? "whole" : undefined}>
                    {part}
                    {index < parts.length - 1 && " ·"}
                  </span>{" "}
                </Fragment>
              ))}
            </span>
          </button>
        )}
        <span class="actions">
          {text && (
            <button
              type="button"
              class="icon-button"
              aria-label="Copy answer"
              title="Copy answer"
              onClick={() => copy(text)}
            >
              <Icon name={said === "Copied" ? "check" : "copy"} />
            </button>
          )}
          {actions}
        </span>
        {said && (
          <span class="unseen" role="status">
            {said}
          </span>
        )}
      </div>
      {open && <Attempts id={id} response={response} providers={providers} />}
    </>
  );
}

const RECEIPT_SHAPE: Record<Response["status"], MarkShape> = {
  complete: "answered",
  interrupted: "partial",
  cancelled: "stopped",
  failed: "failed",
};

interface AttemptsProps {
  readonly id: string;
  readonly response: Response;
  readonly providers: readonly ProviderInfo[];
}

function Attempts({ id, response, providers }: AttemptsProps): JSX.Element {
  const answering = answeringAttempt(response);
  const { attempts } = response;
  return (
    <div class="attempts" id={id}>
      <ol>
        {attempts.map((attempt, index) => (
          <li key={index} class={attempt.held_back ? "skipped" : undefined}>
            <Mark shape={shapeOf(attempt, attempt === answering)} />
            <span>
              <code>{modelName(attempt.model)}</code> {attemptDetails(attempt).join(" · ")}
            </span>
            {attempt.error_message && !attempt.held_back && (
              <span class="attempt-message">{attempt.error_message}</span>
            )}
          </li>
        ))}
      </ol>
      {attempts.length > 1 && <p class="attempts-sum">{sumWords(attempts, providers)}</p>}
    </div>
  );
}

function shapeOf(attempt: Attempt, answers: boolean): MarkShape {
  if (attempt.held_back) return "skipped";
  if (attempt.error_kind === null) return "answered";
  return answers ? "partial" : "failed";
}
