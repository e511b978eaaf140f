import { beforeEach, describe, expect, test, vi } from "vitest";
import { mount } from "../../src/core/mount";
import { attempt, response, turn } from "../../src/dev/kernel";
import { STATES } from "../../src/dev/states";
import { $, aPageForEachTest, box, button, chat, drawn, kernel, last, place, press, root, text, type } from "./page";

aPageForEachTest();

/** A figure and its unit stay on one line. */
const plain = (words: string | null | undefined) => words?.replaceAll("\u00a0", " ");

describe("every state", () => {
  test.each(Object.entries(STATES))("%s is drawn, and every control has a name", async (_, play) => {
    play(kernel);
    await drawn(500);
    for (const each of root().querySelectorAll("button, input, textarea")) {
      const label = each.id && root().querySelector(`label[for="${each.id}"]`);
      const name = each.getAttribute("aria-label") ?? (label ? label.textContent : each.textContent);
      expect(name?.trim(), each.outerHTML).not.toBe("");
    }
    expect(root().querySelectorAll("svg:not([aria-hidden=true])").length).toBe(0);
  });
});

describe("the question box", () => {
  beforeEach(async () => {
    kernel.snapshot();
    await drawn();
  });

  test("Enter sends, empties the box and shows the question at once", async () => {
    type("Why?");
    expect(press(box(), "Enter").defaultPrevented).toBe(true);
    await drawn();
    expect(last()).toMatchObject({ type: "submit", text: "Why?" });
    expect([box().value, $(".bubble").textContent]).toEqual(["", "Why?"]);
    expect(button("Stop")).toBeTruthy();
  });

  test.each([
    ["Shift+Enter", { shiftKey: true }],
    ["Enter that ends a composition", { isComposing: true }],
    ["Safari's Enter that ends a composition", { keyCode: 229 }],
  ])("%s does not send", (_, init) => {
    type("Why?");
    expect(press(box(), "Enter", init).defaultPrevented).toBe(false);
    expect(last()?.type).toBe("hello");
  });

  test("Send says why it does nothing while the box is empty", () => {
    const send = button("Send");
    expect([send.getAttribute("aria-disabled"), send.title]).toEqual(["true", "Type a question first."]);
    send.click();
    expect(last()?.type).toBe("hello");
  });

  test("while an answer runs Enter keeps the draft, and the one button stops", async () => {
    type("one");
    press(box(), "Enter");
    await drawn();
    type("two");
    press(box(), "Enter");
    await drawn();
    expect(box().value).toBe("two");
    button("Stop").click();
    await drawn();
    expect(last()).toEqual({ type: "cancel" });
    expect(button("Stopping").getAttribute("aria-disabled")).toBe("true");
  });

  test("Esc stops", async () => {
    type("one");
    press(box(), "Enter");
    await drawn();
    press(box(), "Escape");
    expect(last()).toEqual({ type: "cancel" });
  });

  test("ArrowUp in an empty box recalls, further up and down again", async () => {
    kernel.snapshot({ turns: [turn("1", "first", [response("x")]), turn("2", "second", [response("y")])] });
    await drawn();
    const recalled = [];
    for (const key of ["ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown"]) {
      press(box(), key);
      await drawn();
      recalled.push(box().value);
    }
    expect(recalled).toEqual(["second", "first", "first", "second", ""]);
    type("mine");
    expect(press(box(), "ArrowUp").defaultPrevented).toBe(false);
  });

  test("a refused question comes back with the reason", async () => {
    type("Why?");
    press(box(), "Enter");
    const asked = last();
    const turn_id = asked?.type === "submit" ? asked.turn_id : "";
    kernel.say({ type: "rejected", command: "submit", turn_id, message: "Too long. Shorten it." });
    await drawn();
    expect([box().value, $(".notice").textContent, root().querySelector(".bubble")]).toEqual([
      "Why?",
      "Too long. Shorten it.",
      null,
    ]);
  });

  test("no key press leaves the chat", () => {
    const heard = vi.fn();
    document.addEventListener("keydown", heard);
    press(box(), "Enter", { ctrlKey: true });
    press(box(), "d");
    document.removeEventListener("keydown", heard);
    expect(heard).not.toHaveBeenCalled();
    expect(place.querySelector<HTMLElement>(".convoscope")?.dataset["lmSuppressShortcuts"]).toBe("true");
  });
});

describe("an answer", () => {
  async function begin(): Promise<void> {
    kernel.snapshot();
    kernel.say({ type: "turn_started", turn: turn("t-1", "Hi") });
    kernel.say({ type: "attempt_begun", turn_id: "t-1", index: 0, model: { provider: "demo", name: "slow" } });
    await drawn();
  }

  test("that does not begin shows who is asked, and the time from the third second on", async () => {
    await begin();
    expect($(".live-line").textContent).toBe("Asking demo:slow");
    await drawn(3_600);
    expect($(".live-line").textContent).toBe("Asking demo:slow · 3 s");
  });

  test("grows outside of the live announcements, with one sentence of status instead", async () => {
    await begin();
    kernel.say({ type: "delta", turn_id: "t-1", text_offset: 0, text: "Hel", reasoning_offset: 0, reasoning: "" });
    await drawn();
    expect($(".answer").getAttribute("aria-live")).toBe("off");
    expect($(".answer .markdown").textContent).toBe("Hel");
    expect($('[role="status"]').textContent).toBe("The answer is being written.");
    expect($('[role="log"]').getAttribute("aria-label")).toBe("Conversation");
  });

  test("keeps the nodes of its finished blocks when it ends", async () => {
    await begin();
    kernel.say({
      type: "delta",
      turn_id: "t-1",
      text_offset: 0,
      text: "one\n\ntwo",
      reasoning_offset: 0,
      reasoning: "",
    });
    await drawn();
    const first = $(".markdown p");
    kernel.say({
      type: "turn_ended",
      turn: turn("t-1", "Hi", [response("", { attempts: [attempt("demo:slow", { cost_usd: null })] })]),
      text_length: 8,
      text_crc32: 0x65ccfca5,
      reasoning_length: 0,
    });
    await drawn();
    expect($(".markdown p")).toBe(first);
    expect($(".receipt-line").textContent?.trim()).toBe("demo:slow · 2.1 s · 412 tokens");
  });

  test("that came after a failure says so, and opens every attempt", async () => {
    STATES["answered"]?.(kernel);
    await drawn();
    expect($(".receipt-line").textContent).toContain("after openai:gpt-5-mini was rate limited");
    $(".receipt-line").click();
    await drawn();
    expect($(".receipt-line").getAttribute("aria-expanded")).toBe("true");
    expect([...root().querySelectorAll(".attempts li code")].map((each) => each.textContent)).toEqual([
      "openai:gpt-5-mini",
      "google:gemini-2.5-flash",
    ]);
  });

  test("that broke off offers to go on and to retry", async () => {
    STATES["interrupted"]?.(kernel);
    await drawn();
    expect($(".problem").textContent).toContain("Broke off. The connection closed");
    button("Continue").click();
    await drawn();
    expect(last()).toMatchObject({ type: "continue", source_turn_id: "t-2", route: null });
    expect(text()).toContain("Continues the answer above");
  });

  test("that failed says one line per attempt with its remedy, and can be asked of another model", async () => {
    STATES["failed"]?.(kernel);
    await drawn();
    const lines = [...root().querySelectorAll(".failures li")].map((each) => each.textContent);
    expect(lines.length).toBe(2);
    expect(lines[1]).toContain("Set ANTHROPIC_API_KEY and press Retry.");
    button("Retry with another model").click();
    await drawn();
    [...root().querySelectorAll<HTMLElement>('[aria-label="Retry with"] .model')]
      .find((each) => each.textContent === "echo")
      ?.click();
    expect(last()).toMatchObject({ type: "retry", source_turn_id: "t-2", route: "demo:echo" });
  });

  test("that came after a model was only skipped says so, on the chip and in the receipt", async () => {
    STATES["answered, the first was skipped"]?.(kernel);
    await drawn();
    const chip = $(".turn:last-child .receipt-line");
    expect(chip.textContent).toContain("google:gemini-2.5-flash · after openai:gpt-5-mini was skipped ·");
    expect(chip.title).toBe(
      "google:gemini-2.5-flash answered in 2.1 s, after openai:gpt-5-mini was skipped because it was rate limited shortly before. Click for every attempt.",
    );
    chip.click();
    await drawn();
    const [held, asked] = [...root().querySelectorAll(".attempts li")];
    expect(plain(held?.textContent)).toBe(
      "openai:gpt-5-mini not asked: it was rate limited shortly before · its pause lasted 18 s more",
    );
    expect([held?.classList.contains("skipped"), held?.querySelector(".mark.skipped") !== null]).toEqual([true, true]);
    expect(asked?.textContent).toContain("$0.0003 by genai-prices 2026-11");
    expect($(".attempts-sum").textContent).toBe("In all: 1 attempt, 1 skipped · 2.1 s · $0.0003");
  });

  test("is awaited from the next model when the first is only skipped", async () => {
    STATES["waiting, the first was skipped"]?.(kernel);
    await drawn();
    expect($(".live-line").textContent).toBe("Asking google:gemini-2.5-flash · after openai:gpt-5-mini was skipped");
  });

  test("is waited for with a countdown when every model has failed and one is asked again", async () => {
    STATES["waiting to ask again"]?.(kernel);
    await drawn();
    const line = () => plain($(".live-line").textContent);
    expect(line()).toBe("Asking openai:gpt-5-mini again in 20 s · after openai:gpt-5-mini was rate limited");
    expect($('.chat > [role="status"]').textContent).toContain("Waiting to ask openai:gpt-5-mini again.");
    await drawn(5_000);
    expect(line()).toContain("again in 15 s · after");
    kernel.say({ type: "attempt_begun", turn_id: "t-1", index: 1, model: { provider: "openai", name: "gpt-5-mini" } });
    await drawn();
    expect(line()).toContain("Asking openai:gpt-5-mini · after");
    button("Stop").click();
    expect(last()).toEqual({ type: "cancel" });
  });

  describe("that nobody gave, since all were held back,", () => {
    const lines = () => [...root().querySelectorAll(".failures li")].map((each) => plain(each.textContent));
    beforeEach(async () => {
      STATES["failed, all held back"]?.(kernel);
      await drawn();
    });

    test("says of each model what happened and when it is asked again, counting", async () => {
      expect($(".problem > p").textContent).toBe("No model was asked: each of them failed shortly before.");
      expect(lines()).toEqual([
        "openai:gpt-5-mini was rate limited. It is asked again in 18 s.",
        "groq:llama-4 is left alone until its key changes. groq rejected the key. Set GROQ_API_KEY and press Retry.",
      ]);
      await drawn(5_000);
      expect(lines()[0]).toBe("openai:gpt-5-mini was rate limited. It is asked again in 13 s.");
      await drawn(14_000);
      expect(lines()[0]).toBe("openai:gpt-5-mini was rate limited. It can be asked again.");
      expect($(".failures").getAttribute("aria-live")).toBe("off");
    });

    test("is asked for all the same with one click", async () => {
      button("Try now").click();
      await drawn();
      expect(kernel.commands.slice(1)).toMatchObject([
        { type: "try_now", provider: "openai" },
        { type: "try_now", provider: "groq" },
        { type: "retry", source_turn_id: "t-2", route: null },
      ]);
    });
  });

  test("can only be asked again when it is the newest", async () => {
    STATES["answered"]?.(kernel);
    await drawn();
    expect(root().querySelectorAll('[aria-label="Retry"]').length).toBe(1);
  });
});

describe("around the conversation", () => {
  test("a fresh chat offers starters, what is ready, and the last conversation in one click", async () => {
    STATES["empty"]?.(kernel);
    await drawn();
    expect(text()).toContain("Continue Fitting the decay curve, yesterday · 12 questions");
    expect(root().querySelectorAll(".starters button").length).toBe(3);
    $(".starters button").click();
    await drawn();
    expect([box().value.startsWith("Explain this error"), last()?.type]).toEqual([true, "hello"]);
    $(".resume").click();
    expect(last()).toEqual({ type: "open_conversation", conversation_id: "c-0" });
  });

  test("the title is changed by Enter and left by Esc", async () => {
    STATES["answered"]?.(kernel);
    await drawn();
    $(".title").click();
    await drawn();
    $<HTMLInputElement>(".title-input").value = "Other";
    press($(".title-input"), "Escape");
    await drawn();
    expect(last()?.type).toBe("hello");
    $(".title").click();
    await drawn();
    $<HTMLInputElement>(".title-input").value = "Other";
    press($(".title-input"), "Enter");
    expect(last()).toEqual({ type: "rename", title: "Other" });
  });

  test("when nothing comes the chat says what it waits for and what to do", async () => {
    await drawn(3_000);
    expect($(".banner").textContent).toContain("If a cell is running, the chat goes on when it ends");
  });

  test("without its kernel the conversation can be read and nothing can be asked", async () => {
    STATES["kernel gone"]?.(kernel);
    await drawn();
    expect($(".banner").textContent).toContain("run the cell again");
    expect(box().disabled).toBe(true);
    expect(text()).toContain("absolute_sigma=True");
    expect(root().querySelector('[aria-label="Retry"]')).toBeNull();
  });

  test("what is not saved is said with what to do", async () => {
    STATES["not saved"]?.(kernel);
    await drawn();
    expect($(".banner").textContent).toBe(
      "Not saved. The disk is full. Free some space; the chat saves again by itself.",
    );
  });

  test("a second view shows the same, with the same draft, and closing one leaves the other", async () => {
    const second = document.createElement("div");
    document.body.append(second);
    const close = mount(chat, second);
    STATES["answered"]?.(kernel);
    type("half a thought");
    await drawn();
    expect($<HTMLTextAreaElement>(".composer textarea", second).value).toBe("half a thought");
    expect($(".transcript", second).textContent).toBe($(".transcript").textContent);
    close();
    type("more");
    await drawn();
    expect([second.childElementCount, box().value]).toEqual([0, "more"]);
    second.remove();
  });

  test("the colour scheme follows Jupyter's theme", async () => {
    const host = place.querySelector<HTMLElement>(".convoscope");
    document.body.dataset["jpThemeLight"] = "false";
    await drawn();
    expect(host?.style.colorScheme).toBe("dark");
    document.body.dataset["jpThemeLight"] = "true";
    await drawn();
    expect(host?.style.colorScheme).toBe("light");
    delete document.body.dataset["jpThemeLight"];
  });

  test.each(["dark", "light"])("the colour scheme is %s where the page's own styles say so", async (scheme) => {
    const host = place.querySelector<HTMLElement>(".convoscope");
    document.body.style.colorScheme = scheme;
    document.body.dataset["theme"] = scheme;
    await drawn();
    expect(host?.style.colorScheme).toBe(scheme);
    document.body.style.colorScheme = "";
    delete document.body.dataset["theme"];
  });
});
