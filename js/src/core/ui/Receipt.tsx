import { type ComponentChildren, Fragment, type JSX } from "preact";
import { useId, useState } from "preact/hooks";
import type { ProviderInfo, Response } from "../protocol";
import { modelName, textOf } from "../turns";
import { answeringAttempt, attemptDetails, receiptParts } from "../words";
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
            title="Every attempt at this answer"
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
      {open && <Attempts id={id} response={response} />}
    </>
  );
}

const RECEIPT_SHAPE: Record<Response["status"], MarkShape> = {
  complete: "answered",
  interrupted: "partial",
  cancelled: "stopped",
  failed: "failed",
};

function Attempts({ id, response }: { readonly id: string; readonly response: Response }): JSX.Element {
  const answering = answeringAttempt(response);
  return (
    <ol class="attempts" id={id}>
      {response.attempts.map((attempt) => (
        <li key={attempt.started_at + modelName(attempt.model)}>
          <Mark shape={attempt.error_kind === null ? "answered" : attempt === answering ? "partial" : "failed"} />
          <code>{modelName(attempt.model)}</code>
          <span>{attemptDetails(attempt).join(" · ")}</span>
          {attempt.error_message && <span class="attempt-message">{attempt.error_message}</span>}
        </li>
      ))}
    </ol>
  );
}
