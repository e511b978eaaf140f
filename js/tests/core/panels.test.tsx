/** What floats: the model picker, the settings, the menu. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { ProviderInfo } from "../../src/core/protocol";
import { SNAPSHOT, turn } from "../../src/dev/kernel";
import { STATES } from "../../src/dev/states";
import { $, aPageForEachTest, box, button, drawn, kernel, last, press, root, text } from "./page";

aPageForEachTest();

describe("models and settings", () => {
  beforeEach(async () => {
    kernel.snapshot();
    await drawn();
    $(".route").click();
    await drawn();
  });

  const providers = () => [...root().querySelectorAll(".provider")].map((each) => each.textContent);
  const shown = () => [...root().querySelectorAll(".model .clip")].map((each) => each.textContent);
  const field = () => $<HTMLInputElement>(".route-form input");

  async function typeRoute(value: string): Promise<void> {
    field().value = value;
    field().setSelectionRange(value.length, value.length);
    field().dispatchEvent(new window.Event("input", { bubbles: true }) as unknown as Event);
    await drawn();
  }

  test("each provider has its status in words, and what makes it ready", () => {
    expect(providers()[0]).toContain("built in, offline, not a model");
    expect(providers()[1]).toContain("ready, key from OPENAI_API_KEY");
    expect(providers()[2]).toContain("not readySet ANTHROPIC_API_KEY");
    expect(root().activeElement).toBe(field());
  });

  test("typing leaves the models that match, and the one chosen takes the place of what was typed", async () => {
    await typeRoute("gpt");
    expect(shown()).toEqual(["gpt-5-mini", "gpt-5"]);
    expect(field().closest(".route-form")?.querySelector('[role="status"]')?.textContent).toBe(
      "2 models. Arrow down goes to the list.",
    );
    await typeRoute("demo:echo, gpt-5");
    $(".provider li:last-child .model").click();
    expect(last()).toEqual({ type: "configure", route: "demo:echo, openai:gpt-5" });
  });

  test("what no provider is known to have can be asked for all the same", async () => {
    await typeRoute("openai:new-one");
    expect(shown()).toEqual([]);
    expect(text()).toContain("No known model matches. Enter uses what is typed.");
    button("Use").click();
    await drawn();
    expect(last()).toEqual({ type: "configure", route: "openai:new-one" });
  });

  test("the arrow keys go from the field through every model and back; Tab stops once in each list", async () => {
    await typeRoute("o");
    const visited = [];
    for (const key of ["ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp"]) {
      const at = root().activeElement as HTMLElement;
      expect(press(at, key).defaultPrevented).toBe(true);
      await drawn();
      visited.push(root().activeElement?.textContent);
    }
    expect(visited).toEqual(["tourfallback 1", "echo", "tourfallback 1", ""]);
    expect(root().activeElement).toBe(field());
    const stops = [...root().querySelectorAll(".provider")].map(
      (each) => each.querySelectorAll('.model[tabindex="0"]').length,
    );
    expect(stops).toEqual([1, 1]);
  });

  test("the models of a provider are listed on request, and the focus stays", async () => {
    const list = button("List all models of openai");
    list.focus();
    list.click();
    list.click();
    await drawn();
    expect(kernel.commands.slice(1)).toEqual([{ type: "list_models", provider: "openai" }]);
    expect([list.textContent, list.getAttribute("aria-disabled")]).toEqual(["Listing…", "true"]);
    expect($('.chat > [role="status"]').textContent).toContain("Listing models.");
    const models = Array.from({ length: 500 }, (_, at) => `m-${at}`);
    kernel.say({ type: "models_listed", provider: "openai", models, problem: null });
    await drawn();
    expect(root().activeElement).toBe(list);
    expect([list.textContent, shown().length]).toEqual(["List again", 50]);
    expect(providers()[1]).toContain("455 more models: type to narrow.");
    expect($('.chat > [role="status"]').textContent).toContain("openai has 500 models.");
    await typeRoute("m-49");
    expect(shown()).toEqual(["m-49", ...Array.from({ length: 10 }, (_, at) => `m-49${at}`)]);
  });

  test("why there is no list stands with the provider", async () => {
    button("List all models of openai").click();
    kernel.say({ type: "models_listed", provider: "openai", models: [], problem: "openai rejected the key. Set it." });
    await drawn();
    expect(providers()[1]).toContain("openai rejected the key. Set it.");
    expect(button("List all models of openai").getAttribute("aria-disabled")).toBe("false");
  });

  /** Another session of the kernel asked openai. */
  async function openaiIs(change: Partial<ProviderInfo>): Promise<void> {
    const { conversation, settings, store } = SNAPSHOT;
    const changed = SNAPSHOT.providers.map((each) => (each.name === "openai" ? { ...each, ...change } : each));
    kernel.say({ type: "status_changed", conversation, settings, providers: changed, store });
    await drawn();
  }
  const plain = (words: string | null | undefined) => words?.replaceAll("\u00a0", " ");
  const limited = { health: "cooling", health_note: "openai is rate limited." } as const;

  test.each([
    ["cooling", "left alone for 3 s", "left alone"],
    ["demoted", "asked after the others for 3 s", "asked last"],
  ] as const)("%s is counted down, in the picker and on the button, and ends by itself", async (health, line, word) => {
    await openaiIs({ ...limited, health, retry_in_s: 3 });
    expect(plain(providers()[1])).toContain(`${line}Try nowopenai is rate limited.`);
    const seen = [];
    for (let second = 0; second < 4; second += 1) {
      seen.push(plain($(".route-state").textContent)?.trim());
      await drawn(1_000);
      if (!root().querySelector(".route-state")) break;
    }
    expect(seen).toEqual([`${word} 3 s`, `${word} 2 s`, `${word} 1 s`]);
    expect(providers()[1]).not.toContain("Try now");
    expect($(".route").textContent).toBe("Model: openai:gpt-5-mini, then demo:tour ready");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("what is left alone until its key changes is not counted down", async () => {
    await openaiIs({ health: "cooling", health_note: "openai rejected the key." });
    expect([$(".route-state").textContent?.trim(), vi.getTimerCount()]).toEqual(["left alone", 0]);
    expect(providers()[1]).toContain("left alone until its key changes");
  });

  test("a provider is tried now by its button, and the focus stays with its entry", async () => {
    await openaiIs({ ...limited, retry_in_s: 300 });
    const tryNow = $<HTMLButtonElement>('.popover [aria-label="Try now: openai"]');
    expect([tryNow.textContent, tryNow.tabIndex]).toEqual(["Try now", 0]);
    tryNow.focus();
    tryNow.click();
    tryNow.click();
    await drawn();
    expect(kernel.commands.slice(1)).toEqual([{ type: "try_now", provider: "openai" }]);
    expect([tryNow.getAttribute("aria-disabled"), root().activeElement]).toEqual(["true", tryNow]);
    await openaiIs({ health: "failing", health_note: "openai is rate limited." });
    expect(providers()[1]).toContain("failed last time");
    expect(tryNow.isConnected).toBe(false);
    expect(root().activeElement).toBe(button("List all models of openai"));
    expect($('.chat > [role="status"]').textContent).toContain("openai can be asked again.");
  });

  test("a model that is held back by itself says so in its row, and can be tried from there", async () => {
    const note = "openai has no model gpt-5-mini.";
    await openaiIs({ health: "ok", held: [{ model: "gpt-5-mini", health: "cooling", note, retry_in_s: 20 }] });
    const row = $(".provider:nth-child(2) li");
    expect(plain(row.textContent)).toBe(`gpt-5-minifirstleft alone for 20 sTry now${note}`);
    expect(plain($(".route-state").textContent)?.trim()).toBe("left alone 20 s");
    const tryNow = button("Try now: openai:gpt-5-mini");
    tryNow.focus();
    tryNow.click();
    expect(last()).toEqual({ type: "try_now", provider: "openai" });
    await openaiIs({ health: "ok" });
    expect(root().activeElement).toBe($(".provider:nth-child(2) .model"));
  });

  test("a provider is tried from the readiness list of an empty chat as well, and the question is next", async () => {
    await openaiIs({ ...limited, retry_in_s: 300 });
    const tryNow = $('.readiness [aria-label="Try now: openai"]');
    tryNow.focus();
    tryNow.click();
    expect(last()).toEqual({ type: "try_now", provider: "openai" });
    await openaiIs({ health: "failing" });
    expect([tryNow.isConnected, root().activeElement]).toEqual([false, box()]);
  });

  test("what another session learns leaves an open picker and what is typed there alone", async () => {
    await typeRoute("demo:ec");
    box().value = "half a thought";
    box().dispatchEvent(new window.Event("input", { bubbles: true }) as unknown as Event);
    await openaiIs({ ...limited, retry_in_s: 20 });
    expect([field().value, box().value, shown()]).toEqual(["demo:ec", "half a thought", ["echo"]]);
    button("Use").click();
    await openaiIs({ ...limited, retry_in_s: 300 });
    expect(field().value).toBe("demo:ec");
    const { conversation, settings, providers: known, store } = SNAPSHOT;
    const changed = { ...settings, route: "demo:ec" };
    kernel.say({ type: "status_changed", conversation, settings: changed, providers: known, store });
    await drawn();
    expect(root().querySelector(".popover")).toBeNull();
  });

  test.each([
    ["failing", { health: "failing", health_note: "x" }, "failing"],
    ["cooling", { health: "cooling", retry_in_s: 20 }, "left alone"],
    ["demoted", { health: "demoted", retry_in_s: 20 }, "asked last"],
    ["not_ready", { ready: false, remedy: "Set it." }, "not ready"],
    ["ready", { health: "ok" }, "ready"],
  ] as const)(
    "the button shows by shape and word that the first model's provider is %s",
    async (shape, change, word) => {
      kernel.snapshot({
        providers: SNAPSHOT.providers.map((each) => (each.name === "openai" ? { ...each, ...change } : each)),
      });
      await drawn();
      expect($(".route").querySelector(".mark")?.classList.contains(shape)).toBe(true);
      expect($(".route").textContent).toContain(`Model: openai:gpt-5-mini, then demo:tour ${word}`);
      expect($(".route").title).toContain(`(${word})`);
    },
  );

  test("what counts down within the log is not read out", async () => {
    STATES["empty, one is cooling"]?.(kernel);
    await drawn();
    expect(plain($(".readiness").textContent)).toContain("left alone for 18 s");
    expect($(".readiness").getAttribute("aria-live")).toBe("off");
    expect($(".popover").getAttribute("aria-live")).toBe("off");
  });

  test("names that others chose are text, and the id that is used is theirs", async () => {
    const models = ["<img src=x onerror=alert(1)>", "a\u202eb", "c".repeat(4_000)];
    kernel.say({ type: "models_listed", provider: "openai", models, problem: null });
    await drawn();
    const rows = shown().slice(-3);
    expect(rows).toEqual(["<img src=x onerror=alert(1)>", "a\ufffdb", `${"c".repeat(120)}…`]);
    expect(root().querySelector("img")).toBeNull();
    $(".provider:nth-child(2) li:nth-child(2) .model").click();
    expect(last()).toEqual({ type: "configure", route: "openai:a\u202eb" });
  });

  test("a model is chosen, or added as fallback", async () => {
    button("Add demo:echo as fallback").click();
    expect(last()).toEqual({ type: "configure", route: "openai:gpt-5-mini, demo:tour, demo:echo" });
    const { conversation, settings, providers, store } = SNAPSHOT;
    const changed = { ...settings, route: "openai:gpt-5-mini, demo:tour, demo:echo" };
    kernel.say({ type: "status_changed", conversation, settings: changed, providers, store });
    await drawn();
    expect(root().querySelector(".popover")).toBeNull();
    expect($(".route .clip").textContent).toBe("openai:gpt-5-mini, then demo:tour, then demo:echo");
  });

  test("a typed route that is refused stays, with the reason beside it", async () => {
    const input = $<HTMLInputElement>(".route-form input");
    input.value = "hal:9000";
    input.dispatchEvent(new window.Event("input", { bubbles: true }) as unknown as Event);
    await drawn();
    button("Use").click();
    await drawn();
    expect(last()).toEqual({ type: "configure", route: "hal:9000" });
    kernel.say({ type: "rejected", command: "configure", turn_id: null, message: "There is no provider 'hal'." });
    await drawn();
    expect($(".route-form .refusal").textContent).toBe("There is no provider 'hal'.");
    expect($<HTMLInputElement>(".route-form input").value).toBe("hal:9000");
  });

  test("Esc closes the panel and gives the focus back", async () => {
    press($(".popover"), "Escape");
    await drawn();
    expect(root().querySelector(".popover")).toBeNull();
    expect(root().activeElement).toBe($(".route"));
    expect(last()?.type).toBe("hello");
  });

  test("settings are sent as values, an empty field as none", async () => {
    button("Menu").click();
    await drawn();
    button("Settings…").click();
    await drawn();
    const [system, temperature, tokens] = [...root().querySelectorAll<HTMLInputElement>(".settings .field")];
    const fill = (field: HTMLInputElement | undefined, value: string) => {
      if (!field) throw new Error("no field");
      field.value = value;
      field.dispatchEvent(new window.Event("input", { bubbles: true }) as unknown as Event);
    };
    fill(system, "Be brief.");
    fill(temperature, "3");
    await drawn();
    button("Save").click();
    await drawn();
    expect($(".settings .refusal").textContent).toContain("0 to 2");
    fill(temperature, "0,5");
    fill(tokens, "");
    await drawn();
    button("Save").click();
    expect(last()).toEqual({ type: "configure", system: "Be brief.", temperature: 0.5, max_output_tokens: null });
  });
});

describe("saving", () => {
  const item = (name: string) => {
    const found = [...root().querySelectorAll<HTMLElement>('[role="menuitem"]')].find(
      (each) => each.textContent === name,
    );
    if (!found) throw new Error(`no item ${name}`);
    return found;
  };
  async function openMenu(): Promise<void> {
    button("Menu").click();
    await drawn();
  }

  test.each([
    ["Save as notebook (.ipynb)", ".ipynb"],
    ["Save as JSON", ".json"],
  ])("%s asks the kernel, which says where the file is; the focus stays where it is", async (name, suffix) => {
    STATES["answered"]?.(kernel);
    await drawn();
    await openMenu();
    item(name).click();
    await drawn();
    expect(last()).toEqual({ type: "export", suffix });
    expect(root().querySelector(".popover")).toBeNull();
    box().focus();
    kernel.say({ type: "exported", path: `fitting${suffix}` });
    await drawn();
    const words = `Saved as fitting${suffix}, beside the notebook.`;
    expect([$(".banner").textContent, $('.chat > [role="status"]').textContent]).toEqual([words, words]);
    expect(root().activeElement).toBe(box());
    button("Close this message").click();
    await drawn();
    expect([root().querySelector(".banner"), root().activeElement]).toEqual([null, box()]);
  });

  test("is refused above the conversation, aloud", async () => {
    STATES["export refused"]?.(kernel);
    await drawn();
    expect($(".banner").textContent).toBe("The folder cannot be written to. Run the notebook in one that can.");
    expect($('[role="status"]').textContent).toContain("cannot be written to");
  });

  test("of nothing is not possible, says why, and can still be walked to", async () => {
    kernel.snapshot();
    await drawn();
    await openMenu();
    const save = item("Save as JSON");
    save.click();
    expect(last()?.type).toBe("hello");
    expect([save.getAttribute("aria-disabled"), save.title]).toEqual([
      "true",
      "Nothing to copy or save yet. Ask something first.",
    ]);
    expect(root().getElementById(save.getAttribute("aria-describedby") ?? "")?.textContent).toBe(save.title);
    press($(".popover"), "ArrowUp");
    await drawn();
    expect(root().activeElement).toBe(save);
  });

  test.each([
    ["connecting", "Waiting for the kernel."],
    ["kernel gone", "Run the cell again first."],
  ])("is not possible in the state %s, which is the reason given", async (name, reason) => {
    STATES[name]?.(kernel);
    await drawn();
    await openMenu();
    expect([item("Save as JSON").title, item("Settings…").title]).toEqual([reason, reason]);
    expect($(".menu-note").textContent).toBe(reason);
  });

  test("is possible while an answer is being written", async () => {
    kernel.snapshot();
    kernel.say({ type: "turn_started", turn: turn("t-1", "Hi") });
    await drawn();
    await openMenu();
    item("Save as JSON").click();
    expect(last()).toEqual({ type: "export", suffix: ".json" });
  });
});
