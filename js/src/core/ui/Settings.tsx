import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import type { Chat } from "../chat";
import type { State } from "../store";
import { sentence } from "../words";

interface SettingsProps {
  readonly chat: Chat;
  readonly state: State;
  readonly onCancel: () => void;
}

/** What the next question is sent with. An empty field leaves it to the provider. */
export function Settings({ chat, state, onCancel }: SettingsProps): JSX.Element {
  const { settings } = state;
  const id = useId();
  const [system, setSystem] = useState(settings?.system ?? "");
  const [temperature, setTemperature] = useState(asText(settings?.temperature));
  const [maxTokens, setMaxTokens] = useState(asText(settings?.max_output_tokens));
  const [problem, setProblem] = useState<string | null>(null);
  const refusal = state.notices.find((notice) => notice.place === "settings")?.text ?? problem;

  const save = (event: Event) => {
    event.preventDefault();
    const warmth = numberOrNull(temperature);
    const limit = numberOrNull(maxTokens);
    if (warmth === undefined || (warmth !== null && (warmth < 0 || warmth > 2))) {
      setProblem("Temperature is a number from 0 to 2. Change it, or leave it empty.");
    } else if (limit === undefined || (limit !== null && (limit < 1 || !Number.isInteger(limit)))) {
      setProblem("The longest answer is a whole number of tokens, 1 or more. Change it, or leave it empty.");
    } else {
      setProblem(null);
      chat.configure({ system: system.trim() || null, temperature: warmth, max_output_tokens: limit });
    }
  };

  return (
    <form class="settings" onSubmit={save} noValidate>
      <label for={`${id}-system`}>Instructions, sent with every question</label>
      <textarea
        id={`${id}-system`}
        class="field"
        rows={4}
        value={system}
        placeholder="Answer briefly, with code for pandas 2."
        onInput={(event) => setSystem(event.currentTarget.value)}
      />
      <div class="field-pair">
        <div>
          <label for={`${id}-temperature`}>Temperature, 0 to 2</label>
          <input
            id={`${id}-temperature`}
            class="field"
            inputMode="decimal"
            value={temperature}
            placeholder="model's own"
            onInput={(event) => setTemperature(event.currentTarget.value)}
          />
        </div>
        <div>
          <label for={`${id}-tokens`}>Longest answer, tokens</label>
          <input
            id={`${id}-tokens`}
            class="field"
            inputMode="numeric"
            value={maxTokens}
            placeholder="model's own"
            onInput={(event) => setMaxTokens(event.currentTarget.value)}
          />
        </div>
      </div>
      {refusal && (
        <p class="refusal" role="alert">
          {sentence(refusal)}
        </p>
      )}
      <div class="form-actions">
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" class="button primary" disabled={state.configuring !== null}>
          Save
        </button>
      </div>
    </form>
  );
}

function asText(value: number | null | undefined): string {
  return value === null || value === undefined ? "" : String(value);
}

/** `null` for an empty field, `undefined` for what is no number. */
function numberOrNull(text: string): number | null | undefined {
  const trimmed = text.trim().replace(",", ".");
  if (trimmed === "") return null;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : undefined;
}
