import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Response } from "../../src/core/protocol";
import type { ErrorKind } from "../../src/core/turns";
import {
  asMarkdown,
  attemptDetails,
  canGoOn,
  count,
  cut,
  dayWords,
  dollars,
  endWords,
  kindWords,
  listedWords,
  problemOf,
  receiptParts,
  receiptSentence,
  savedWords,
  seconds,
  sentence,
  storeWords,
  sumWords,
} from "../../src/core/words";
import { attempt, PROVIDERS, RATE_LIMITED, response, skipped, turn } from "../../src/dev/kernel";

/** A figure and its unit stay on one line. */
const plain = (words: string) => words.replaceAll("\u00a0", " ");
const UNKNOWN = { input_tokens: null, output_tokens: null, cached_input_tokens: null, reasoning_tokens: null };

describe("the receipt", () => {
  const line = (attempts: ReturnType<typeof attempt>[], change = {}) =>
    receiptParts(response("text", { attempts, ...change }), PROVIDERS).join(" · ");

  test.each([
    ["who answered, how long, how much", [attempt("openai:m")], "openai:m · 2.1 s · 412 tokens · $0.0003"],
    [
      "whom before",
      [RATE_LIMITED, attempt("openai:m")],
      "openai:m · after openai:gpt-5-mini was rate limited · 2.1 s · 412 tokens · $0.0003",
    ],
    [
      "who was only skipped",
      [skipped("a:m"), attempt("b:m")],
      "b:m · after a:m was skipped · 2.1 s · 412 tokens · $0.0003",
    ],
    [
      "many that were skipped",
      [skipped("a:m"), skipped("b:m"), skipped("c:m"), attempt("d:m")],
      "d:m · after 3 that were skipped · 2.1 s · 412 tokens · $0.0003",
    ],
    [
      "many of either kind",
      [skipped("a:m"), skipped("b:m"), RATE_LIMITED, attempt("d:m")],
      "d:m · after 3 that failed or were skipped · 2.1 s · 412 tokens · $0.0003",
    ],
    [
      "what all attempts cost together",
      [attempt("a:m", { error_kind: "protocol_error" }), attempt("b:m")],
      "b:m · after a:m sent something unreadable · 2.1 s · 412 tokens · $0.0006",
    ],
    [
      "that there may be more to pay",
      [attempt("a:m", { error_kind: "timed_out", cost_usd: null }), attempt("b:m")],
      "b:m · after a:m did not answer in time · 2.1 s · 412 tokens · at least $0.0003",
    ],
    [
      "many before",
      [RATE_LIMITED, RATE_LIMITED, RATE_LIMITED, attempt("a:m")],
      "a:m · after 3 that failed · 2.1 s · 412 tokens · $0.0003",
    ],
    ["an unknown price", [attempt("a:m", { cost_usd: null })], "a:m · 2.1 s · 412 tokens · cost unknown"],
    ["unknown usage says nothing", [attempt("a:m", { cost_usd: null, usage: UNKNOWN })], "a:m · 2.1 s"],
    [
      "offline costs nothing and says nothing",
      [attempt("demo:tour", { cost_usd: null })],
      "demo:tour · 2.1 s · 412 tokens",
    ],
  ])("%s", (_, attempts, expected) => {
    expect(line(attempts)).toBe(expected);
  });

  test("of an answer cut by its limit says so", () => {
    expect(line([attempt("a:m")], { finish_reason: "length" })).toContain("cut at its limit");
  });

  test("is empty when nobody answered", () => {
    expect(receiptParts(response("", { status: "failed", attempts: [RATE_LIMITED] }), PROVIDERS)).toEqual([]);
  });

  test("opened, gives every figure that is known and no other", () => {
    expect(attemptDetails(RATE_LIMITED)).toEqual(["was rate limited (429), asks to wait 20 s", "0.3 s"]);
    expect(attemptDetails(attempt("a:m", { usage: UNKNOWN, cost_usd: null, time_to_first_chunk_s: null }))).toEqual([
      "answered",
      "2.1 s",
    ]);
    expect(
      attemptDetails(
        attempt("a:m", {
          usage: { input_tokens: 1204, cached_input_tokens: 1000, output_tokens: 412, reasoning_tokens: 300 },
          response_model: "m-001",
          temperature: 0,
          max_output_tokens: 2000,
        }),
      ),
    ).toEqual([
      "answered",
      "first text 0.4 s",
      "2.1 s in all",
      "1,204 tokens read (1,000 cached)",
      "412 written (300 thinking)",
      "$0.0003 by genai-prices 2026-11",
      "as m-001",
      "temperature 0",
      "at most 2,000 tokens",
    ]);
  });

  test("opened, says of a model that was skipped why, and nothing of what was not done", () => {
    expect(attemptDetails(skipped("a:m")).map(plain)).toEqual([
      "not asked: it was rate limited shortly before",
      "its pause lasted 18 s more",
    ]);
    expect(attemptDetails(skipped("a:m", { error_kind: "authentication", retry_after_s: null }))).toEqual([
      "not asked: it rejected the key shortly before",
    ]);
  });

  test.each([
    [[RATE_LIMITED, attempt("a:m")], "In all: 2 attempts · 2.4 s · $0.0003"],
    [[skipped("a:m"), attempt("b:m")], "In all: 1 attempt, 1 skipped · 2.1 s · $0.0003"],
    [
      [attempt("a:m", { error_kind: "interrupted", cost_usd: null }), attempt("b:m")],
      "In all: 2 attempts · 4.2 s · $0.0003, without 1 attempt of unknown cost",
    ],
    [[RATE_LIMITED, attempt("b:m", { cost_usd: null })], "In all: 2 attempts · 2.4 s · cost unknown"],
    [[skipped("a:m"), attempt("demo:tour", { cost_usd: null })], "In all: 1 attempt, 1 skipped · 2.1 s"],
    [[skipped("a:m"), skipped("b:m")], "In all: 0 attempts, 2 skipped · under 0.1 s"],
  ])("opened, sums its attempts up", (attempts, words) => {
    expect(sumWords(attempts, PROVIDERS)).toBe(words);
  });
});

describe("the receipt in one sentence", () => {
  test.each([
    [response("x", { attempts: [attempt("a:m")] }), "a:m answered in 2.1 s."],
    [response("x", { attempts: [attempt("a:m", { duration_s: 0.04 })] }), "a:m answered in under 0.1 s."],
    [response("x", { attempts: [attempt("a:m", { duration_s: 75 })] }), "a:m answered in 75.0 s."],
    [
      response("x", { attempts: [skipped("a:m"), RATE_LIMITED, attempt("b:m")] }),
      "b:m answered in 2.1 s, after a:m was skipped because it was rate limited shortly before, openai:gpt-5-mini was rate limited.",
    ],
    [
      response("x", { status: "interrupted", attempts: [attempt("a:m", { error_kind: "interrupted" })] }),
      "a:m broke off after 2.1 s.",
    ],
    [
      response("", { status: "failed", attempts: [skipped("a:m", { error_kind: "overloaded" })] }),
      "No model answered: a:m was skipped because it was overloaded shortly before.",
    ],
    [response("", { status: "failed", attempts: [] }), "No model was asked."],
    [response("x", { attempts: [] }), "Which model answered is not recorded."],
  ])("%#: %s", (answer, sentence) => {
    expect(receiptSentence(answer)).toBe(sentence);
  });

  const python = readFileSync(join(import.meta.dirname, "../../../convoscope_jupyter/messages.py"), "utf8");
  const pythons = (name: string) => {
    const table = new RegExp(`^${name}\\b[^{]*\\{([^}]*)\\}`, "m").exec(python)?.[1] ?? "";
    return [...table.matchAll(/"(\w+)": "([^"]*)"/g)].map(([, key = "", words = ""]) => [key, words] as const);
  };

  test("has Python's words for every kind of error", () => {
    const kinds = pythons("_KIND_IN_WORDS");
    expect(kinds.length).toBe(16);
    expect(kinds.map(([kind]) => kindWords(kind as ErrorKind))).toEqual(kinds.map(([, words]) => words));
  });

  test("has Python's words for every end", () => {
    const ends = pythons("_STATUS_IN_WORDS");
    expect(ends.map(([end]) => end)).toEqual(["complete", "cancelled", "interrupted", "failed"]);
    for (const [end, words] of ends) {
      expect(receiptSentence(response("x", { status: end as Response["status"] }))).toContain(` ${words} 2.1 s`);
    }
  });

  test("has Python's words for a model that was skipped", () => {
    expect(python).toContain('f"was skipped because it {words} shortly before"');
  });
});

test("a screen reader is told who answered after whom, and what can be done where nobody was asked", () => {
  expect(endWords(turn("1", "Hi", [response("x", { attempts: [skipped("a:m"), attempt("b:m")] })]))).toBe(
    "b:m answered in 2.1 s, after a:m was skipped because it was rate limited shortly before.",
  );
  expect(endWords(turn("1", "Hi", [response("", { status: "failed", attempts: [skipped("a:m")] })]))).toBe(
    "No model was asked. Try now is below.",
  );
  expect(
    endWords(turn("1", "Hi", [response("", { status: "failed", attempts: [skipped("a:m"), RATE_LIMITED] })])),
  ).toBe("No model answered. Retry is below.");
});

test.each([
  ["0.000301", "$0.0003"],
  ["0.0000001", "under $0.0001"],
  ["0.0123", "$0.0123"],
  ["1.2", "$1.20"],
  ["0", "$0.00"],
  ["nonsense", null],
])("%s dollars are written %s", (decimal, words) => {
  expect(dollars(decimal)).toBe(words);
});

test.each([
  [0.01, "under 0.1 s"],
  [2.13, "2.1 s"],
  [75, "1 min 15 s"],
])("%d seconds are written %s", (value, words) => {
  expect(seconds(value)).toBe(words);
});

test("a noun follows its number", () => {
  expect([count(1, "token"), count(1204, "token")]).toEqual(["1 token", "1,204 tokens"]);
});

test.each([
  ["2026-11-22T00:10:00", "today"],
  ["2026-11-21T23:50:00", "yesterday"],
  ["2026-11-18T12:00:00", "Wednesday"],
  ["2026-05-03T12:00:00", "3 May"],
  ["2024-05-03T12:00:00", "3 May 2024"],
  ["nonsense", ""],
])("%s is %s on 22 November 2026", (iso, words) => {
  expect(dayWords(iso, new Date("2026-11-22T12:00:00"))).toBe(words);
});

test.each([
  ["there is nothing to ask: write a question first.", "There is nothing to ask: write a question first."],
  ["openai:m is unknown.", "openai:m is unknown."],
  ["'hal' is no provider.", "'hal' is no provider."],
])("%s is said as %s", (message, words) => {
  expect(sentence(message)).toBe(words);
});

test.each([
  [{ saved: true, place: "/a/b.sqlite", problem: null }, "Kept in /a/b.sqlite"],
  [{ saved: true, place: ":memory:", problem: null }, "Kept in memory, as long as the kernel runs"],
  [{ saved: false, place: "/a/b.sqlite", problem: "x" }, "Not kept in /a/b.sqlite"],
])("%j: %s", (store, words) => {
  expect(storeWords(store)).toBe(words);
});

test.each([
  ["short", 10, "short"],
  ["longer than that", 6, "longer…"],
  ["ab🙂cd", 3, "ab…"],
  ["two\n  lines", 20, "two lines"],
  ["abc\u202etxt.exe\u200b\u0007", 40, "abc\ufffdtxt.exe\ufffd\ufffd"],
  ["<b>&amp;", 20, "<b>&amp;"],
])("%j, at most %d long, is shown as %j", (text, limit, shown) => {
  expect(cut(text, limit)).toBe(shown);
});

test("what was saved and what was listed is told in a sentence", () => {
  expect([
    savedWords("a\u202e.ipynb"),
    listedWords("openai", 1, null),
    listedWords("openai", 1204, null),
    listedWords("openai", 0, "openai has no key. Set OPENAI_API_KEY."),
  ]).toEqual([
    "Saved as a\ufffd.ipynb, beside the notebook.",
    "openai has 1 model.",
    "openai has 1,204 models.",
    "openai has no key. Set OPENAI_API_KEY.",
  ]);
});

test.each([
  ["complete", "stop", "text", null, false],
  ["complete", "length", "text", "limit", true],
  ["interrupted", null, "text", "Continue", true],
  ["cancelled", null, "text", "stopped", true],
  ["cancelled", null, "", "stopped", false],
  ["failed", "error", "", "No model", false],
] as const)("%s, %s, %j: the problem and whether one can go on", (status, finish_reason, text, problem, goesOn) => {
  const answer = response(text, { status, finish_reason });
  if (problem === null) expect(problemOf(answer)).toBeNull();
  else expect(problemOf(answer)).toContain(problem);
  expect(canGoOn(answer)).toBe(goesOn);
});

test("a copied conversation is markdown with who said what", () => {
  expect(
    asMarkdown("Title", [
      turn("1", "Hi", [response("Hello")]),
      turn("2", "go on", [response("!")], { continues: "1" }),
    ]),
  ).toBe("# Title\n\n**You**\n\nHi\n\n**openai:gpt-5-mini**\n\nHello\n\n---\n\n**openai:gpt-5-mini**\n\n!\n");
});
