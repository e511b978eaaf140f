/** Every state the chat can be in, to be looked at one by one. */
import type { Response } from "../core/protocol";
import {
  attempt,
  type FakeKernel,
  PROVIDERS,
  provider,
  RATE_LIMITED,
  response,
  SNAPSHOT,
  skipped,
  turn,
} from "./kernel";

const ANSWER = `The covariance is infinite because the **Jacobian is rank deficient**: at least one parameter does not change the residuals, so \`curve_fit\` cannot tell how uncertain it is.

Three things to try, in this order:

1. Give a starting point that is near the data. With the default of all ones the exponential is flat after a few samples.
2. Scale \`x\` so that the decay constant is of the order of 1.
3. Drop the offset if the data end at zero.

\`\`\`python
import numpy as np
from scipy.optimize import curve_fit

def decay(x, amplitude, rate, offset):
    return amplitude * np.exp(-rate * x) + offset

popt, pcov = curve_fit(decay, x, y, p0=[y.max(), 0.1, 0])
errors = np.sqrt(np.diag(pcov))
\`\`\`

| parameter | value | error |
|:--|--:|--:|
| amplitude | 2.31 | 0.04 |
| rate | 0.098 | 0.003 |
| offset | 0.02 | 0.01 |

See the [documentation of curve_fit](https://docs.scipy.org/doc/scipy/reference/generated/scipy.optimize.curve_fit.html), and mind that \`pcov\` needs more points than parameters.`;

const SHORT =
  "Set `absolute_sigma=True`. The errors are then in the units of `y`, and no longer scaled by the residuals.";
const titled = { ...SNAPSHOT.conversation, title: "Fitting the decay curve", turn_count: 2 };
const QUESTION = "Why does curve_fit return inf covariance?";
const NEXT = "And if I know the errors of y?";

const fallback = response(ANSWER, {
  attempts: [
    RATE_LIMITED,
    attempt("google:gemini-2.5-flash", { started_at: "2026-11-22T10:00:01Z", response_model: "gemini-2.5-flash-001" }),
  ],
});

function conversation(last: Response, question = NEXT) {
  return {
    conversation: titled,
    turns: [turn("t-1", QUESTION, [fallback]), turn("t-2", question, [last], { parent_id: "t-1" })],
  };
}

const broken = attempt("openai:gpt-5-mini", {
  error_kind: "interrupted",
  error_message: "The connection closed in the middle of the answer.",
  cost_usd: null,
});

const VARIANTS = ["mini", "nano", "pro", "preview"];

/** How each provider can stand, with names that others chose. */
const STANDINGS = [
  provider("demo", { offline: true, key_source: null, models: ["tour", "echo"], health: "ok" }),
  provider("openai", {
    models: ["gpt-5-mini", "gpt-5"],
    health: "cooling",
    health_note: "openai:gpt-5-mini is rate limited. Wait 20 s, or add another model to the route.",
    retry_in_s: 18,
  }),
  provider("mistral", {
    key_source: "MISTRAL_API_KEY",
    models: ["mistral-small"],
    health: "demoted",
    health_note: "mistral:mistral-small is overloaded. Retry in a moment, or add another model to the route.",
    retry_in_s: 12,
  }),
  provider("groq", {
    key_source: "GROQ_API_KEY",
    models: ["llama-4"],
    health: "cooling",
    health_note: "groq rejected the key. Set GROQ_API_KEY and press Retry.",
  }),
  provider("google", {
    key_source: "./.env",
    models: ["gemini-2.5-flash"],
    health: "failing",
    health_note: "google:gemini-2.5-flash rejected the key. Set GEMINI_API_KEY and press Retry.",
  }),
  provider("anthropic", {
    ready: false,
    key_source: null,
    remedy: 'Set ANTHROPIC_API_KEY, or run cv.set_key("anthropic").',
  }),
  provider("ollama", {
    key_source: null,
    host: "127.0.0.1:11434",
    models: ["llama3:8b", "<img src=x onerror=alert(1)>", "abc\u202etxt.exe", `a${"-very".repeat(60)}-long-name`],
    health: "ok",
  }),
];

const HELD_MODEL = PROVIDERS.map((each) =>
  each.name === "openai"
    ? provider("openai", {
        models: ["gpt-5-mini", "gpt-5"],
        health: "ok",
        held: [
          {
            model: "gpt5-mini",
            health: "cooling",
            note: "openai has no model gpt5-mini. Near names: gpt-5-mini.",
            retry_in_s: 280,
          },
        ],
      })
    : each,
);

const withRoute = (route: string) => ({ ...SNAPSHOT.settings, route });

/** Everything that a receipt can hold, with names and notes that need room. */
const LONG = response(SHORT, {
  attempts: [
    skipped("openai:gpt-5-mini"),
    skipped("groq:llama-4", { error_kind: "authentication", retry_after_s: null }),
    attempt("openrouter:meta-llama/llama-4-maverick-17b-128e-instruct:free", {
      duration_s: 30.1,
      error_kind: "timed_out",
      error_message: "openrouter sent no text for 30 s. Retry, or add another model to the route.",
      time_to_first_chunk_s: null,
      usage: RATE_LIMITED.usage,
      cost_usd: null,
      price_source: null,
      temperature: 0.2,
      max_output_tokens: 2000,
    }),
    { ...RATE_LIMITED, model: { provider: "mistral", name: "mistral-small" } },
    attempt("google:gemini-2.5-flash", {
      response_model: "gemini-2.5-flash-preview-09-2026",
      usage: { input_tokens: 12_048, output_tokens: 1412, cached_input_tokens: 9000, reasoning_tokens: 700 },
      temperature: 0.2,
      max_output_tokens: 2000,
    }),
  ],
});

export const STATES: Record<string, (kernel: FakeKernel) => void> = {
  connecting: () => undefined,
  empty: (kernel) =>
    kernel.snapshot({
      resumable: { id: "c-0", title: "Fitting the decay curve", updated_at: yesterday(), turn_count: 12 },
    }),
  "empty, demo only": (kernel) =>
    kernel.snapshot({
      settings: { ...SNAPSHOT.settings, route: "demo:tour" },
      providers: PROVIDERS.map((each) =>
        each.name === "openai"
          ? provider("openai", { ready: false, remedy: 'Set OPENAI_API_KEY, or run cv.set_key("openai").' })
          : each,
      ),
    }),
  answered: (kernel) => kernel.snapshot(conversation(response(SHORT))),
  "cost unknown": (kernel) =>
    kernel.snapshot(conversation(response(SHORT, { attempts: [attempt("ollama:llama3:8b", { cost_usd: null })] }))),
  "waiting for first text": (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    kernel.say({ type: "turn_started", turn: turn("t-3", "Plot the residuals.", [], { parent_id: "t-2" }) });
    kernel.say({ type: "attempt_over", turn_id: "t-3", index: 0, attempt: RATE_LIMITED });
    kernel.say({
      type: "attempt_begun",
      turn_id: "t-3",
      index: 1,
      model: { provider: "google", name: "gemini-2.5-flash" },
    });
  },
  streaming: (kernel) => {
    kernel.snapshot({ conversation: titled, turns: [] });
    kernel.say({ type: "turn_started", turn: turn("t-1", QUESTION) });
    kernel.say({ type: "attempt_begun", turn_id: "t-1", index: 0, model: { provider: "openai", name: "gpt-5-mini" } });
    const reasoning = "The user fits an exponential decay. inf covariance means a singular Jacobian.";
    kernel.say({ type: "delta", turn_id: "t-1", text_offset: 0, text: "", reasoning_offset: 0, reasoning });
    const text = ANSWER.slice(0, 480);
    kernel.say({
      type: "delta",
      turn_id: "t-1",
      text_offset: 0,
      text,
      reasoning_offset: reasoning.length,
      reasoning: "",
    });
  },
  stopped: (kernel) =>
    kernel.snapshot(
      conversation(
        response(SHORT.slice(0, 60), {
          status: "cancelled",
          finish_reason: null,
          attempts: [attempt("openai:gpt-5-mini", { error_kind: "cancelled", cost_usd: null })],
        }),
      ),
    ),
  interrupted: (kernel) =>
    kernel.snapshot(
      conversation(response(SHORT.slice(0, 60), { status: "interrupted", finish_reason: null, attempts: [broken] })),
    ),
  failed: (kernel) =>
    kernel.snapshot(
      conversation(
        response("", {
          status: "failed",
          finish_reason: "error",
          attempts: [
            RATE_LIMITED,
            attempt("anthropic:claude-sonnet-4-5", {
              started_at: "2026-11-22T10:00:02Z",
              error_kind: "authentication",
              error_message: "anthropic rejected the key. Set ANTHROPIC_API_KEY and press Retry.",
              status_code: 401,
              time_to_first_chunk_s: null,
              cost_usd: null,
            }),
          ],
        }),
      ),
    ),
  "failed, all held back": (kernel) =>
    kernel.snapshot({
      ...conversation(
        response("", {
          status: "failed",
          finish_reason: "error",
          attempts: [
            skipped("openai:gpt-5-mini"),
            skipped("groq:llama-4", { error_kind: "authentication", retry_after_s: null }),
          ],
        }),
      ),
      providers: STANDINGS,
      settings: withRoute("openai:gpt-5-mini, groq:llama-4"),
    }),
  "answered, the first was skipped": (kernel) =>
    kernel.snapshot({
      ...conversation(
        response(SHORT, { attempts: [skipped("openai:gpt-5-mini"), attempt("google:gemini-2.5-flash")] }),
      ),
      providers: STANDINGS,
    }),
  "answered, a long receipt": (kernel) => {
    kernel.snapshot(conversation(LONG));
    setTimeout(() => press(".turn:last-child .receipt-line"), 60);
  },
  "waiting, the first was skipped": (kernel) => {
    kernel.snapshot({ conversation: titled, turns: [], providers: STANDINGS });
    kernel.say({ type: "turn_started", turn: turn("t-1", QUESTION) });
    kernel.say({ type: "attempt_over", turn_id: "t-1", index: 0, attempt: skipped("openai:gpt-5-mini") });
    kernel.say({
      type: "attempt_begun",
      turn_id: "t-1",
      index: 1,
      model: { provider: "google", name: "gemini-2.5-flash" },
    });
  },
  "waiting to ask again": (kernel) => {
    kernel.snapshot({ conversation: titled, turns: [] });
    kernel.say({ type: "turn_started", turn: turn("t-1", QUESTION) });
    kernel.say({ type: "attempt_over", turn_id: "t-1", index: 0, attempt: RATE_LIMITED });
    kernel.say({ type: "retry_scheduled", turn_id: "t-1", model: RATE_LIMITED.model, delay_s: 20 });
  },
  "not saved": (kernel) =>
    kernel.snapshot({
      ...conversation(response(SHORT)),
      store: {
        saved: false,
        place: "memory",
        problem: "The disk is full. Free some space; the chat saves again by itself.",
      },
    }),
  "kernel gone": (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    kernel.status("gone");
  },
  "picker, how providers stand": (kernel) => {
    kernel.snapshot({ ...conversation(response(SHORT)), providers: STANDINGS });
    press(".route");
  },
  "empty, one is cooling": (kernel) => kernel.snapshot({ providers: STANDINGS }),
  "route that failed last time": (kernel) =>
    kernel.snapshot({
      ...conversation(response(SHORT)),
      providers: STANDINGS,
      settings: { ...SNAPSHOT.settings, route: "google:gemini-2.5-flash" },
    }),
  "picker, the first is asked last": (kernel) => {
    kernel.snapshot({
      ...conversation(response(SHORT)),
      providers: STANDINGS,
      settings: withRoute("mistral:mistral-small, demo:tour"),
    });
    press(".route");
  },
  "picker, a model is left alone": (kernel) => {
    kernel.snapshot({
      ...conversation(response(SHORT)),
      providers: HELD_MODEL,
      settings: withRoute("openai:gpt5-mini, openai:gpt-5"),
    });
    press(".route");
  },
  "models being listed": (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    press(".route");
    setTimeout(() => press('[aria-label="List all models of openai"]'), 30);
  },
  "models listed": (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    kernel.say({ type: "models_listed", provider: "openai", models: MANY, problem: null });
    press(".route");
  },
  "models listed, narrowed": (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    kernel.say({ type: "models_listed", provider: "openai", models: MANY, problem: null });
    press(".route");
    setTimeout(() => write(".route-form input", "openai:gpt-5-mini, preview-4"), 60);
  },
  "retry with": (kernel) => {
    kernel.snapshot({ ...conversation(response(SHORT)), providers: STANDINGS });
    press('[aria-label="Retry with another model"]');
  },
  "models not listed": (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    const problem = "openai rejected the key. Set OPENAI_API_KEY and list again.";
    kernel.say({ type: "models_listed", provider: "openai", models: [], problem });
    press(".route");
  },
  menu: (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    press('[aria-label="Menu"]');
  },
  "menu of an empty chat": (kernel) => {
    kernel.snapshot();
    press('[aria-label="Menu"]');
  },
  "export saved": (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    kernel.say({ type: "exported", path: "fitting-the-decay-curve.ipynb" });
  },
  "export refused": (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    kernel.say({
      type: "rejected",
      command: "export",
      turn_id: null,
      message: "the folder cannot be written to. Run the notebook in one that can.",
    });
  },
  refused: (kernel) => {
    kernel.snapshot(conversation(response(SHORT)));
    kernel.say({
      type: "rejected",
      command: "submit",
      turn_id: null,
      message:
        "The question is longer than the model's window. Shorten it by about 2,000 tokens, or choose another model.",
    });
  },
};

function find<T extends HTMLElement>(selector: string): T | null {
  return document.querySelector(".convoscope")?.shadowRoot?.querySelector<T>(selector) ?? null;
}

/** Presses a control of the first chat on the page, as soon as it is drawn. */
function press(selector: string): void {
  setTimeout(() => find(selector)?.click(), 20);
}

function write(selector: string, text: string): void {
  const field = find<HTMLInputElement>(selector);
  if (!field) return;
  field.value = text;
  field.dispatchEvent(new window.Event("input", { bubbles: true }));
}

const MANY = Array.from({ length: 500 }, (_, at) => `gpt-${5 + (at % 7)}.${at % 10}-${VARIANTS[at % 4]}-${at}`);

function yesterday(): string {
  return new Date(Date.now() - 86_400_000).toISOString();
}
