import { describe, expect, test } from "vitest";
import type { ProviderInfo } from "../../src/core/protocol";
import {
  aloneIn,
  canonicalRoute,
  completed,
  holdOf,
  holdWords,
  isHeld,
  MAX_ROWS,
  type Moment,
  modelHoldOf,
  modelNameIn,
  offersFor,
  providerOf,
  routeModels,
  skippedWords,
  standingOf,
  typedRoute,
} from "../../src/core/providers";
import { provider } from "../../src/dev/kernel";

const HEARD_MS = 1_000_000;
const at = (passed_ms: number, change: Partial<Moment> = {}): Moment => ({
  heard_ms: HEARD_MS,
  now_ms: HEARD_MS + passed_ms,
  ...change,
});
/** A figure and its unit stay on one line. */
const plain = (words: string) => words.replaceAll("\u00a0", " ");

describe("how a provider stands", () => {
  const keyless = { ready: false, key_source: null, remedy: "Set KEY." };
  const limited = { health_note: "Rate limited.", retry_in_s: 18.2 };
  const cooling = provider("openai", { health: "cooling", ...limited });
  const demoted = provider("openai", { health: "demoted", ...limited });

  test.each<[string, ProviderInfo, string, string, string, string | null]>([
    ["ready", provider("openai"), "ready", "ready, key from OPENAI_API_KEY", "ready", null],
    [
      "at another host",
      provider("openai", { host: "llm.example.org:8080" }),
      "ready",
      "ready, key from OPENAI_API_KEY, at llm.example.org:8080",
      "ready",
      null,
    ],
    ["without a key", provider("openai", keyless), "not_ready", "not ready", "not ready", "Set KEY."],
    [
      "built in",
      provider("demo", { offline: true, key_source: null }),
      "offline",
      "built in, offline, not a model",
      "offline",
      null,
    ],
    [
      "after an answer",
      provider("openai", { health: "ok" }),
      "ready",
      "ready, key from OPENAI_API_KEY, answered last time",
      "ready",
      null,
    ],
    ["demoted", demoted, "demoted", "ready, key from OPENAI_API_KEY", "asked last", "Rate limited."],
    ["cooling", cooling, "cooling", "ready, key from OPENAI_API_KEY", "left alone", "Rate limited."],
    [
      "failing",
      provider("openai", { health: "failing", health_note: "Key rejected." }),
      "failing",
      "ready, key from OPENAI_API_KEY, failed last time",
      "failing",
      "Key rejected.",
    ],
    [
      "without a key, whatever came before",
      provider("openai", { ...keyless, health: "cooling", health_note: "Key rejected." }),
      "not_ready",
      "not ready",
      "not ready",
      "Set KEY.",
    ],
  ])("%s", (_, info, status, words, brief, note) => {
    const standing = standingOf(info, at(500));
    expect(standing).toMatchObject({ status, words, brief, note });
    expect(standing.hold).toEqual(
      status === "demoted" || status === "cooling" ? { kind: status, left_s: 18, note } : null,
    );
  });

  test.each([
    [0, 19],
    [200, 18],
    [17_300, 1],
    [18_200, undefined],
    [90_000, undefined],
    [-5_000, 19],
  ])("%d ms after it was said, it is held back for %s s more", (passed_ms, left_s) => {
    expect([holdOf(cooling, at(passed_ms))?.left_s, holdOf(demoted, at(passed_ms))?.left_s]).toEqual([left_s, left_s]);
  });

  test.each([
    [demoted, "asked after the others for 19 s"],
    [cooling, "left alone for 19 s"],
    [provider("a", { health: "cooling", retry_in_s: 120 }), "left alone for 120 s"],
    [provider("a", { health: "cooling", retry_in_s: 899 }), "left alone for 15 min"],
    [provider("a", { health: "cooling" }), "left alone until its key changes"],
  ])("what is held back is told in words", (info, words) => {
    const hold = holdOf(info, at(0));
    expect(hold && plain(holdWords(hold))).toBe(words);
  });

  test("a pause that is over leaves nothing to say", () => {
    const ready = standingOf(provider("openai"), at(0));
    expect([standingOf(cooling, at(20_000)), standingOf(demoted, at(20_000))]).toEqual([ready, ready]);
  });

  test("one that waits for another key is held back however long it takes", () => {
    expect(holdOf(provider("a", { health: "cooling" }), at(86_400_000))?.left_s).toBeNull();
  });

  test("the only one of the route is asked whatever happened, and is not said to be left alone", () => {
    const others = [cooling, provider("demo", { offline: true }), provider("anthropic", keyless)];
    expect(aloneIn("openai:a, demo:b", others)).toEqual({ alone: null, only: null });
    expect(aloneIn("openai:a, anthropic:b", others)).toEqual({ alone: "openai", only: null });
    expect(aloneIn("OpenAI/a", others)).toEqual({ alone: "openai", only: "openai:a" });
    expect(standingOf(cooling, at(0, { alone: "openai" }))).toMatchObject({
      status: "failing",
      hold: null,
      note: "Rate limited.",
    });
  });

  test("a model may stand worse than its provider", () => {
    const held = [{ model: "b", health: "cooling", note: "No such model.", retry_in_s: 20 } as const];
    const info = provider("openai", { health: "ok", held });
    expect([standingOf(info, at(0)).status, modelHoldOf(info, "a", at(0)), modelHoldOf(info, "b", at(0))]).toEqual([
      "ready",
      null,
      { kind: "cooling", left_s: 20, note: "No such model." },
    ]);
    expect([modelHoldOf(info, "b", at(20_000)), modelHoldOf(info, "b", at(0, { only: "openai:b" }))]).toEqual([
      null,
      null,
    ]);
    expect([isHeld(info), isHeld(cooling), isHeld(provider("openai"))]).toEqual([true, true, false]);
  });

  test.each([
    [null, "was rate limited. It can be asked again."],
    [{ kind: "cooling", left_s: 12, note: "x" }, "was rate limited. It is asked again in 12 s."],
    [{ kind: "cooling", left_s: null, note: "Set KEY." }, "is left alone until its key changes. Set KEY."],
    [{ kind: "cooling", left_s: null, note: null }, "was rate limited. It is left alone until its key changes."],
  ] as const)("of a model that was not asked: %j is %s", (hold, words) => {
    expect(plain(skippedWords("was rate limited", hold))).toBe(words);
  });

  test("what others named is cut, and shows what cannot be seen", () => {
    const hostile = provider("x", { key_source: null, host: `a\u202e${"b".repeat(500)}` });
    const { words } = standingOf(hostile, at(0));
    expect([words.length < 100, words.includes("\u202e"), words.endsWith("…")]).toEqual([true, false, true]);
  });
});

describe("the models that are offered", () => {
  const many = (name: string, length: number) =>
    provider(name, { models: Array.from({ length }, (_, at) => `${name}-${at}`) });
  const names = (query: string, ...models: string[]) =>
    offersFor([provider("openai", { models })], query).flatMap((offer) => offer.models);

  test("are all there while nothing is typed, in the kernel's order and none twice", () => {
    expect(names("", "b", "a", "b")).toEqual(["b", "a"]);
  });

  test.each([
    ["mini", ["gpt-5-mini"]],
    ["GPT mini", ["gpt-5-mini"]],
    ["openai:gpt", ["gpt-5-mini", "gpt-5"]],
    ["openai/gpt-5", ["gpt-5-mini", "gpt-5"]],
    ["o3", ["o3", "not-o3"]],
    ["claude", []],
  ])("%j leaves %j, those that begin with it first", (query, expected) => {
    expect(names(query, "gpt-5-mini", "not-o3", "gpt-5", "o3")).toEqual(expected);
  });

  test("are never more than can be looked at, and the rest is counted", () => {
    const [offer] = offersFor([many("openai", 500)], "");
    expect([offer?.models.length, offer?.more]).toEqual([MAX_ROWS, 500 - MAX_ROWS]);
  });

  test("hold those of the route that are held back, also where the provider lists no such model", () => {
    const held = ["gone", "b"].map((model) => ({ model, health: "cooling", note: null, retry_in_s: 9 }) as const);
    expect(offersFor([provider("openai", { models: ["a", "b"], held })], "")[0]?.models).toEqual(["gone", "a", "b"]);
  });

  test("of a provider with many leave room for the others", () => {
    const offers = offersFor([many("a", 500), many("b", 3), many("c", 400)], "");
    expect(offers.map(({ models, more }) => [models.length, more])).toEqual([
      [24, 476],
      [3, 0],
      [23, 377],
    ]);
  });

  test("are none of a provider that is not ready, and none that a route cannot name", () => {
    expect(offersFor([provider("a", { ready: false, models: ["x"] })], "")[0]?.models).toEqual([]);
    expect(names("", "a,b", "", " c", "d\n", "e")).toEqual(["e"]);
  });
});

describe("a route", () => {
  test("is read as it is written", () => {
    expect(routeModels(" openai:a ,demo:b, ")).toEqual(["openai:a", "demo:b"]);
    expect([providerOf("OpenAI:x"), providerOf("openrouter/meta/llama")]).toEqual(["openai", "openrouter"]);
    expect([modelNameIn("ollama:llama3:8b"), modelNameIn("openrouter/meta/llama")]).toEqual([
      "llama3:8b",
      "meta/llama",
    ]);
    expect(canonicalRoute(" OpenAI / a:b,demo:tour, ")).toBe("openai:a:b, demo:tour");
  });

  test.each([
    ["gp|", "gp", "openai:x"],
    ["a:b, gp|", "gp", "a:b, openai:x"],
    ["a:b, |", "", "a:b, openai:x"],
    ["gp|, a:b", "gp", "openai:x, a:b"],
    ["a:b, g|p, c:d", "gp", "a:b, openai:x, c:d"],
    ["openai:x, op|", "op", "openai:x"],
    ["|", "", "openai:x"],
  ])("%s: the model at the cursor is looked for and replaced", (marked, query, route) => {
    const typed = typedRoute(marked.replace("|", ""), marked.indexOf("|"));
    expect([typed.query, completed(typed, "openai:x")]).toEqual([query, route]);
  });
});
