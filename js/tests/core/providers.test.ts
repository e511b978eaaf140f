import { describe, expect, test } from "vitest";
import type { ProviderInfo } from "../../src/core/protocol";
import {
  completed,
  coolingLeft_s,
  MAX_ROWS,
  offersFor,
  providerOf,
  routeModels,
  standingOf,
  typedRoute,
} from "../../src/core/providers";
import { provider } from "../../src/dev/kernel";

const HEARD_MS = 1_000_000;

describe("how a provider stands", () => {
  const cooling = provider("openai", { health: "cooling", health_note: "Rate limited.", retry_in_s: 18.2 });
  const keyless = { ready: false, key_source: null, remedy: "Set KEY." };

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
    [
      "cooling",
      cooling,
      "cooling",
      "ready, key from OPENAI_API_KEY, cooling down for 18 s",
      "cooling",
      "Rate limited.",
    ],
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
      provider("openai", { ...keyless, health: "failing", health_note: "Key rejected." }),
      "not_ready",
      "not ready",
      "not ready",
      "Set KEY.",
    ],
  ])("%s", (_, info, status, words, brief, note) => {
    expect(standingOf(info, HEARD_MS, HEARD_MS + 500)).toEqual({
      status,
      words,
      brief,
      note,
      left_s: status === "cooling" ? 18 : 0,
    });
  });

  test.each([
    [0, 19],
    [200, 18],
    [17_300, 1],
    [18_200, 0],
    [90_000, 0],
    [-5_000, 19],
  ])("%d ms after it was said, cooling is over in %d s", (passed_ms, left_s) => {
    expect(coolingLeft_s(cooling, HEARD_MS, HEARD_MS + passed_ms)).toBe(left_s);
  });

  test("cooling that is over leaves nothing to say", () => {
    const later = standingOf(cooling, HEARD_MS, HEARD_MS + 20_000);
    expect(later).toEqual(standingOf(provider("openai"), HEARD_MS, HEARD_MS));
  });

  test("what others named is cut, and shows what cannot be seen", () => {
    const hostile = provider("x", { key_source: null, host: `a\u202e${"b".repeat(500)}` });
    const { words } = standingOf(hostile, HEARD_MS, HEARD_MS);
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
