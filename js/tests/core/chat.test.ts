import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Chat, createChat } from "../../src/core/chat";
import { crc32 } from "../../src/core/crc32";
import { type FakeKernel, fakeKernel, response, SNAPSHOT, skipped, turn } from "../../src/dev/kernel";

let kernel: FakeKernel;
let chat: Chat;

beforeEach(() => {
  vi.useFakeTimers();
  sessionStorage.clear();
  kernel = fakeKernel();
  chat = createChat({ transport: kernel, conversationId: "c-1" });
});
afterEach(() => {
  chat.dispose();
  vi.useRealTimers();
});

const sent = () => kernel.commands.map((command) => command.type);
const last = () => kernel.commands.at(-1);
const state = () => chat.store.get();

/** The id that the chat gave to what it asked last. */
function askedId(): string {
  const command = last();
  if (command?.type !== "submit" && command?.type !== "retry" && command?.type !== "continue")
    throw new Error("not asked");
  return command.turn_id;
}

describe("hello", () => {
  test("is said once at the start", () => {
    expect(kernel.commands).toEqual([{ type: "hello", protocol_version: 1, last_seq: null }]);
  });

  test("is said again at growing pauses until something comes", () => {
    vi.advanceTimersByTime(2_600);
    expect(state().phase).toBe("waiting");
    vi.advanceTimersByTime(60_000);
    expect(sent()).toEqual(["hello", "hello", "hello", "hello"]);
    kernel.snapshot();
    vi.advanceTimersByTime(600_000);
    expect([sent().length, state().phase]).toEqual([4, "ready"]);
  });

  test("is said with the place that was lost after a gap", () => {
    kernel.snapshot();
    kernel.say({ type: "turn_started", turn: turn("t-1", "Hi") });
    kernel.say({ type: "delta", turn_id: "t-1", text_offset: 7, text: "x", reasoning_offset: 0, reasoning: "" });
    expect(last()).toEqual({ type: "hello", protocol_version: 1, last_seq: 2 });
    expect(sent().length).toBe(2);
  });

  test("is said when a running answer has been silent for long", () => {
    kernel.snapshot();
    kernel.say({ type: "turn_started", turn: turn("t-1", "Hi") });
    vi.advanceTimersByTime(20_500);
    expect(sent()).toEqual(["hello", "hello"]);
  });

  test("is said when the page is online again", () => {
    kernel.snapshot();
    window.dispatchEvent(new window.Event("online"));
    expect(sent()).toEqual(["hello", "hello"]);
  });

  test("is not said to a kernel that is gone, and is when it is back", () => {
    kernel.snapshot();
    kernel.status("gone");
    vi.advanceTimersByTime(120_000);
    expect([sent().length, state().phase]).toEqual([1, "kernel_gone"]);
    kernel.status("live");
    expect(sent().length).toBe(2);
  });

  test("after disposal nothing is said", () => {
    chat.dispose();
    vi.advanceTimersByTime(600_000);
    kernel.snapshot();
    expect([sent().length, state().phase]).toEqual([1, "connecting"]);
  });
});

describe("asking", () => {
  beforeEach(() => kernel.snapshot());

  test("sends one command with an id of its own and empties the box", () => {
    chat.setDraft("Hi");
    expect(chat.submit()).toBe(true);
    expect(last()).toEqual({ type: "submit", turn_id: askedId(), text: "Hi" });
    expect(askedId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([state().draft, state().pending?.text]).toEqual(["", "Hi"]);
  });

  test.each(["", "  \n "])("%j is not sent", (text) => {
    chat.setDraft(text);
    expect(chat.submit()).toBe(false);
    expect(sent()).toEqual(["hello"]);
  });

  test("a second question waits in the box while the first runs", () => {
    chat.submit("one");
    chat.setDraft("two");
    expect(chat.submit()).toBe(false);
    expect(state().draft).toBe("two");
  });

  test("a question that was lost with the line is sent again, with the same id", () => {
    chat.submit("Hi");
    const id = askedId();
    vi.advanceTimersByTime(7_000);
    expect(last()?.type).toBe("hello");
    kernel.snapshot();
    expect(last()).toEqual({ type: "submit", turn_id: id, text: "Hi" });
  });

  test("the chat says that it waits when nothing comes back", () => {
    chat.submit("Hi");
    vi.advanceTimersByTime(2_600);
    expect(state().phase).toBe("waiting");
    kernel.say({ type: "turn_started", turn: turn(askedId(), "Hi") });
    expect(state().phase).toBe("ready");
  });

  test("a host that cannot send says that the kernel is gone, and the question is not lost", () => {
    vi.spyOn(kernel, "send").mockImplementation(() => {
      throw new Error("closed");
    });
    chat.setDraft("Hi");
    chat.submit();
    expect([state().phase, state().pending, state().draft]).toEqual(["kernel_gone", null, "Hi"]);
  });

  test("retry, continue, stop and the rest say what the protocol names", () => {
    const asked = turn("t-1", "Hi", [response("half", { status: "interrupted" })]);
    chat.retry(asked, "demo:echo");
    expect(last()).toEqual({ type: "retry", turn_id: askedId(), source_turn_id: "t-1", route: "demo:echo" });
    chat.stop();
    expect(last()).toEqual({ type: "cancel" });
    kernel.snapshot({ turns: [turn(askedIdOf(), "Hi", [response("x")])] });
    chat.continueAnswer(asked);
    expect(last()).toEqual({ type: "continue", turn_id: askedId(), source_turn_id: "t-1", route: null });
    chat.configure({ temperature: null });
    expect(last()).toEqual({ type: "configure", temperature: null });
    chat.rename("  A title ");
    expect(last()).toEqual({ type: "rename", title: "A title" });
    chat.openConversation("c-9");
    expect(last()).toEqual({ type: "open_conversation", conversation_id: "c-9" });
    chat.newConversation();
    expect(last()).toEqual({ type: "new_conversation" });
  });

  function askedIdOf(): string {
    const retry = kernel.commands.find((command) => command.type === "retry");
    return retry?.type === "retry" ? retry.turn_id : "";
  }

  test("nothing to stop sends nothing", () => {
    chat.stop();
    expect(sent()).toEqual(["hello"]);
  });

  test("earlier turns are asked for once", () => {
    kernel.snapshot({ turns: [turn("t-5", "5")], has_earlier: true });
    chat.loadEarlier();
    chat.loadEarlier();
    expect(sent().filter((type) => type === "load_earlier").length).toBe(1);
    expect(last()).toEqual({ type: "load_earlier", before_turn_id: "t-5" });
  });

  test("an export names its kind of file", () => {
    chat.exportTo(".ipynb");
    expect(last()).toEqual({ type: "export", suffix: ".ipynb" });
    chat.exportTo(".json");
    expect(last()).toEqual({ type: "export", suffix: ".json" });
  });

  test("models are listed once at a time, and a slow provider is not a silent kernel", () => {
    kernel.snapshot();
    chat.listModels("openai");
    chat.listModels("openai");
    chat.listModels("demo");
    expect(sent()).toEqual(["hello", "list_models", "list_models"]);
    vi.advanceTimersByTime(50_000);
    expect([state().phase, sent().length]).toEqual(["ready", 3]);
    kernel.say({ type: "models_listed", provider: "openai", models: ["a"], problem: null });
    chat.listModels("openai");
    expect(last()).toEqual({ type: "list_models", provider: "openai" });
  });

  test("a provider is tried once at a time", () => {
    chat.tryNow("openai");
    chat.tryNow("openai");
    expect(kernel.commands.slice(1)).toEqual([{ type: "try_now", provider: "openai" }]);
    const { conversation, settings, providers, store } = SNAPSHOT;
    kernel.say({ type: "status_changed", conversation, settings, providers, store });
    chat.tryNow("openai");
    expect(sent()).toEqual(["hello", "try_now", "try_now"]);
    kernel.status("gone");
    chat.tryNow("demo");
    expect(sent().length).toBe(3);
  });

  test("who was held back is tried before the question is asked again, each provider once", () => {
    const attempts = [skipped("openai:a"), skipped("openai:b"), skipped("demo:c"), skipped("of-another-kernel:d")];
    chat.retryNow(turn("t-1", "Hi", [response("", { status: "failed", attempts })]));
    expect(kernel.commands.slice(1)).toEqual([
      { type: "try_now", provider: "openai" },
      { type: "try_now", provider: "demo" },
      { type: "retry", turn_id: askedId(), source_turn_id: "t-1", route: null },
    ]);
  });

  test("a list that does not come is asked after, and then no longer waited for", () => {
    kernel.snapshot();
    chat.listModels("openai");
    vi.advanceTimersByTime(60_500);
    expect(last()?.type).toBe("hello");
    kernel.snapshot();
    expect(state().listings.size).toBe(0);
    vi.advanceTimersByTime(600_000);
    expect(sent()).toEqual(["hello", "list_models", "hello"]);
  });

  test("without a kernel nothing is listed", () => {
    kernel.status("gone");
    chat.listModels("openai");
    expect([sent(), state().listings.size]).toEqual([["hello"], 0]);
  });

  test("a whole answer leaves nothing to wait for", () => {
    chat.submit("Hi");
    const id = askedId();
    kernel.say({ type: "turn_started", turn: turn(id, "Hi") });
    kernel.say({ type: "attempt_begun", turn_id: id, index: 0, model: { provider: "demo", name: "echo" } });
    kernel.say({ type: "delta", turn_id: id, text_offset: 0, text: "Hi", reasoning_offset: 0, reasoning: "" });
    kernel.say({
      type: "turn_ended",
      turn: turn(id, "Hi", [response("")]),
      text_length: 2,
      text_crc32: crc32("Hi"),
      reasoning_length: 0,
    });
    vi.advanceTimersByTime(600_000);
    expect(sent()).toEqual(["hello", "submit"]);
    expect(state().phase).toBe("ready");
  });
});

describe("the draft", () => {
  const reopened = () => createChat({ transport: fakeKernel(), conversationId: "c-1" });

  test("is kept over a reload of the page, before the kernel has answered", () => {
    chat.setDraft("half a thought");
    const again = reopened();
    expect(again.store.get().draft).toBe("half a thought");
    again.dispose();
  });

  test("is forgotten when it is sent", () => {
    kernel.snapshot();
    chat.setDraft("a thought");
    chat.submit();
    const again = reopened();
    expect(again.store.get().draft).toBe("");
    again.dispose();
  });

  test("goes along into a new conversation", () => {
    kernel.snapshot();
    chat.setDraft("a thought");
    kernel.snapshot({ conversation: { ...SNAPSHOT.conversation, id: "c-2" } });
    expect(state().draft).toBe("a thought");
    expect([sessionStorage.getItem("convoscope:draft:c-1"), sessionStorage.getItem("convoscope:draft:c-2")]).toEqual([
      null,
      "a thought",
    ]);
  });

  test("lives without storage as long as the page", () => {
    const plain = createChat({ transport: fakeKernel(), storage: null });
    plain.setDraft("x");
    expect(plain.store.get().draft).toBe("x");
    plain.dispose();
  });
});
