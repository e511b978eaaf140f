import { describe, expect, test } from "vitest";
import { crc32 } from "../../src/core/crc32";
import type { Event } from "../../src/core/protocol";
import { type Action, INITIAL, type Pending, promptHistory, reduce, type State } from "../../src/core/store";
import { chosenOf, reasoningOf, textOf } from "../../src/core/turns";
import { RATE_LIMITED, response, SNAPSHOT, turn } from "../../src/dev/kernel";

const MODEL = { provider: "openai", name: "gpt-5-mini" };

function event(event: Event): Action {
  return { type: "event", event, now_ms: 1_000_000 };
}

function run(actions: readonly Action[], from: State = INITIAL): State {
  return actions.reduce(reduce, from);
}

function pending(id: string, text: string, change: Partial<Pending> = {}): Pending {
  return {
    command: { type: "submit", turn_id: id, text },
    text,
    conversation_id: "c-1",
    asked_ms: 900_000,
    stopping: false,
    ...change,
  };
}

const hello: Action = { type: "hello_sent" };
const snapshot = event(SNAPSHOT);
const started = event({ type: "turn_started", seq: 1, turn: turn("t-1", "Hi") });
const begun = event({ type: "attempt_begun", seq: 2, turn_id: "t-1", index: 0, model: MODEL });

function delta(seq: number, text_offset: number, text: string, reasoning_offset = 0, reasoning = ""): Action {
  return event({ type: "delta", seq, turn_id: "t-1", text_offset, text, reasoning_offset, reasoning });
}

function ended(seq: number, text: string, change: { reasoning?: string; crc?: number; length?: number } = {}): Action {
  return event({
    type: "turn_ended",
    seq,
    turn: turn("t-1", "Hi", [response("")]),
    text_length: change.length ?? text.length,
    text_crc32: change.crc ?? crc32(text),
    reasoning_length: (change.reasoning ?? "").length,
  });
}

const ready = run([hello, snapshot]);
const streaming = run([started, begun, delta(3, 0, "Hel")], ready);

describe("connecting", () => {
  test("nothing is known before the snapshot, and everything with it", () => {
    expect(INITIAL.phase).toBe("connecting");
    expect([ready.phase, ready.sync, ready.conversation?.id, ready.providers.length]).toEqual([
      "ready",
      "synced",
      "c-1",
      SNAPSHOT.providers.length,
    ]);
  });

  test("silence is said, and anything heard ends it", () => {
    const waiting = run([hello, { type: "late" }]);
    expect(waiting.phase).toBe("waiting");
    expect(run([snapshot], waiting).phase).toBe("ready");
  });

  test("a kernel that is gone stays gone until it is back, and then the state is asked for again", () => {
    const gone = run([{ type: "link", status: "gone" }, { type: "late" }], ready);
    expect(gone.phase).toBe("kernel_gone");
    const back = run([{ type: "link", status: "live" }], gone);
    expect([back.phase, back.sync]).toEqual(["connecting", "wanted"]);
  });
});

describe("an answer", () => {
  test("grows by deltas and ends with its text in the turn", () => {
    const state = run([delta(4, 3, "lo"), ended(5, "Hello")], streaming);
    const answer = chosenOf(state.turns[0] ?? turn("", ""));
    expect(answer && textOf(answer.message)).toBe("Hello");
    expect([state.running, state.sync]).toEqual([null, "synced"]);
  });

  test("shows who failed before who answers", () => {
    const state = run(
      [
        started,
        begun,
        event({ type: "attempt_over", seq: 3, turn_id: "t-1", index: 0, attempt: RATE_LIMITED }),
        event({ type: "attempt_begun", seq: 4, turn_id: "t-1", index: 1, model: { provider: "demo", name: "tour" } }),
      ],
      ready,
    );
    expect(state.running?.attempts).toEqual([RATE_LIMITED]);
    expect(state.running?.model?.name).toBe("tour");
  });

  test("keeps its reasoning apart, and drops that of a model that failed", () => {
    const state = run(
      [
        started,
        begun,
        delta(3, 0, "", 0, "never shown"),
        event({ type: "attempt_over", seq: 4, turn_id: "t-1", index: 0, attempt: RATE_LIMITED }),
        event({ type: "attempt_begun", seq: 5, turn_id: "t-1", index: 1, model: MODEL }),
        delta(6, 0, "", 0, "hm"),
        delta(7, 0, "Hi", 2, ""),
        ended(8, "Hi", { reasoning: "hm" }),
      ],
      ready,
    );
    const answer = chosenOf(state.turns[0] ?? turn("", ""));
    expect(answer && [reasoningOf(answer.message), textOf(answer.message)]).toEqual(["hm", "Hi"]);
    expect(state.sync).toBe("synced");
  });

  test("that did not all arrive is asked for again, and is not left running", () => {
    for (const end of [ended(4, "Hello"), ended(4, "Hel", { crc: 1 }), ended(4, "Hel", { reasoning: "x" })]) {
      const state = run([end], streaming);
      expect([state.sync, state.running]).toEqual(["wanted", null]);
    }
  });

  test("is counted in UTF-16 units", () => {
    const state = run([started, begun, delta(3, 0, "🙂"), delta(4, 2, "é"), ended(5, "🙂é")], ready);
    expect(state.sync).toBe("synced");
  });
});

describe("when the kernel is gone", () => {
  test("what has come of an answer stands, as broken off", () => {
    const state = run([{ type: "link", status: "gone" }], streaming);
    const answer = chosenOf(state.turns[0] ?? turn("", ""));
    expect([answer?.status, answer && textOf(answer.message), state.running]).toEqual(["interrupted", "Hel", null]);
  });

  test("a question that was not heard goes back into the box", () => {
    const state = run(
      [
        { type: "asked", pending: pending("t-1", "Hi") },
        { type: "link", status: "gone" },
      ],
      ready,
    );
    expect([state.pending, state.draft]).toEqual([null, "Hi"]);
  });
});

describe("numbers", () => {
  test.each<[string, readonly Action[], State["sync"], string | undefined]>([
    ["the next one is taken", [delta(4, 3, "lo")], "synced", "Hello"],
    ["one seen before changes nothing", [delta(3, 0, "Hel")], "synced", "Hel"],
    ["an old one changes nothing", [started], "synced", "Hel"],
    ["a gap asks for a snapshot", [delta(5, 3, "lo")], "wanted", "Hel"],
    ["a wrong text offset asks for a snapshot", [delta(4, 4, "lo")], "wanted", "Hel"],
    ["a wrong reasoning offset asks for a snapshot", [delta(4, 3, "lo", 1, "x")], "wanted", "Hel"],
    [
      "an unknown event is counted and passed over",
      [event({ type: "news", seq: 4 } as never), delta(5, 3, "lo")],
      "synced",
      "Hello",
    ],
    [
      "after a gap nothing is believed before the snapshot",
      [delta(5, 3, "lo"), hello, delta(6, 3, "x")],
      "asked",
      "Hel",
    ],
  ])("%s", (_, actions, sync, text) => {
    const state = run(actions, streaming);
    expect([state.sync, state.running?.text]).toEqual([sync, text]);
  });

  test("a delta of another turn asks for a snapshot", () => {
    const other = event({
      type: "delta",
      seq: 4,
      turn_id: "x",
      text_offset: 0,
      text: "a",
      reasoning_offset: 0,
      reasoning: "",
    });
    expect(run([other], streaming).sync).toBe("wanted");
  });

  test("a snapshot in the middle of an answer goes on from there", () => {
    const running = {
      turn_id: "t-1",
      model: MODEL,
      attempts: [],
      text: "Hello",
      reasoning: "",
      elapsed_s: 3,
      retry_in_s: null,
    };
    const state = run(
      [event({ ...SNAPSHOT, seq: 40, turns: [turn("t-1", "Hi")], running }), delta(41, 5, "!"), ended(42, "Hello!")],
      run([hello], streaming),
    );
    expect([state.sync, state.seq]).toEqual(["synced", 42]);
  });

  test("a snapshot in a pause before a model is asked again counts down to its end", () => {
    const running = {
      turn_id: "t-1",
      model: MODEL,
      attempts: [],
      text: "",
      reasoning: "",
      elapsed_s: 3,
      retry_in_s: 5,
    };
    const state = run([event({ ...SNAPSHOT, turns: [turn("t-1", "Hi")], running })], run([hello]));
    expect(state.running?.again_ms).toBe(1_005_000);
  });

  test("a snapshot counts the elapsed time from when the kernel began", () => {
    const running = {
      turn_id: "t-1",
      model: null,
      attempts: [],
      text: "",
      reasoning: "",
      elapsed_s: 3,
      retry_in_s: null,
    };
    const state = run([event({ ...SNAPSHOT, turns: [turn("t-1", "Hi")], running })], run([hello]));
    expect(state.running?.started_ms).toBe(997_000);
  });
});

describe("asking", () => {
  const asked = run(
    [
      { type: "draft", text: "" },
      { type: "asked", pending: pending("t-1", "Hi") },
    ],
    ready,
  );

  test("the question stands there at once, and once only when the kernel has it", () => {
    expect(asked.pending?.text).toBe("Hi");
    const state = run([started], asked);
    expect([state.pending, state.turns.length, state.running?.started_ms]).toEqual([null, 1, 900_000]);
  });

  test("a refused question goes back into the box, before what was typed since", () => {
    const refused = event({
      type: "rejected",
      seq: 1,
      command: "submit",
      turn_id: "t-1",
      message: "Too long. Shorten it.",
    });
    expect(run([refused], asked).draft).toBe("Hi");
    const typed = run([{ type: "draft", text: "more" }, refused], asked);
    expect([typed.pending, typed.draft]).toEqual([null, "Hi\n\nmore"]);
    expect(typed.notices).toEqual([{ id: 1, text: "Too long. Shorten it.", place: "composer", kind: "refused" }]);
  });

  test("a refusal counts even while a snapshot is awaited", () => {
    const refused = event({ type: "rejected", seq: 9, command: "submit", turn_id: "t-1", message: "No." });
    expect(run([refused], run([hello], asked)).draft).toBe("Hi");
  });

  test("the refusal of another view's question takes nothing away", () => {
    const refused = event({ type: "rejected", seq: 1, command: "submit", turn_id: "t-9", message: "No." });
    expect(run([refused], asked).pending?.text).toBe("Hi");
  });

  test("a snapshot that holds the question confirms it; one without keeps it for sending again", () => {
    expect(run([event({ ...SNAPSHOT, turns: [turn("t-1", "Hi")] })], asked).pending).toBeNull();
    expect(run([snapshot], asked).pending?.text).toBe("Hi");
  });

  test("a snapshot of another conversation gives the question back", () => {
    const other = event({ ...SNAPSHOT, conversation: { ...SNAPSHOT.conversation, id: "c-2" } });
    const state = run([other], asked);
    expect([state.pending, state.draft]).toEqual([null, "Hi"]);
  });

  test("Stop is shown at once, before the first event and after", () => {
    const stopped = run([{ type: "stop_sent" }], asked);
    expect(stopped.pending?.stopping).toBe(true);
    expect(run([started], stopped).running?.stopping).toBe(true);
    expect(run([{ type: "stop_sent" }], streaming).running?.stopping).toBe(true);
  });
});

describe("the path", () => {
  const two = run(
    [
      event({
        ...SNAPSHOT,
        turns: [turn("a", "1", [response("x")]), turn("b", "2", [response("y")], { parent_id: "a" })],
      }),
    ],
    run([hello]),
  );
  const next = (id: string, parent_id: string | null) =>
    run([event({ type: "turn_started", seq: 1, turn: turn(id, "q", [], { parent_id }) })], two);

  test.each([
    ["goes on from the last turn", "b", ["a", "b", "new"]],
    ["a sibling takes the place of what followed its parent", "a", ["a", "new"]],
    ["a sibling of the first turn stands alone", null, ["new"]],
  ])("%s", (_, parent, ids) => {
    expect(next("new", parent).turns.map((each) => each.id)).toEqual(ids);
  });

  test("a parent that is not in view asks for a snapshot", () => {
    expect(next("new", "zzz").sync).toBe("wanted");
  });

  test("earlier turns are put in above, none of them twice", () => {
    const earlier = event({
      type: "earlier_turns",
      seq: 1,
      turns: [turn("0", "0"), turn("a", "1")],
      has_earlier: false,
    });
    const state = run([{ type: "load_earlier_sent" }, earlier], two);
    expect([state.turns.map((each) => each.id), state.has_earlier, state.loading_earlier]).toEqual([
      ["0", "a", "b"],
      false,
      false,
    ]);
  });
});

describe("settings", () => {
  const change = { route: "demo:echo" };
  const sent = run([{ type: "configure_sent", change }], ready);

  test("a change is on its way until the kernel confirms it", () => {
    expect(sent.configuring).toEqual(change);
    const { conversation, settings, providers, store } = SNAPSHOT;
    const confirmed = run(
      [event({ type: "status_changed", seq: 1, conversation, settings: { ...settings, ...change }, providers, store })],
      sent,
    );
    expect([confirmed.configuring, confirmed.settings?.route]).toEqual([null, "demo:echo"]);
  });

  const status = (seq: number, settings: Partial<typeof SNAPSHOT.settings> = {}) => {
    const { conversation, providers, store } = SNAPSHOT;
    return event({
      type: "status_changed",
      seq,
      conversation,
      settings: { ...SNAPSHOT.settings, ...settings },
      providers,
      store,
    });
  };

  test("a status that another session caused confirms no change", () => {
    const other = run([status(1)], sent);
    expect([other.configuring, other.confirmed]).toEqual([change, sent.confirmed]);
    const own = run([status(2, change)], other);
    expect([own.configuring, own.confirmed]).toEqual([null, sent.confirmed + 1]);
  });

  test.each([
    ["the same route in other words", { route: "OpenAI/gpt-5-mini,demo:tour" }, {}],
    ["what was set already", { system: null, temperature: null }, {}],
    ["what the kernel made of it", { system: "a\ud83d" }, { system: "a\ufffd" }],
  ])("a change to %s is confirmed by the first status", (_, asked, now) => {
    const state = run([{ type: "configure_sent", change: asked }, status(1, now)], ready);
    expect([state.configuring, state.confirmed]).toEqual([null, ready.confirmed + 1]);
  });

  test("a refused change says why where it was made, and the next try takes that away", () => {
    const refused = event({
      type: "rejected",
      seq: 1,
      command: "configure",
      turn_id: null,
      message: "No such provider.",
    });
    const state = run([refused], sent);
    expect([state.configuring, state.notices[0]?.place, state.settings?.route]).toEqual([
      null,
      "settings",
      SNAPSHOT.settings.route,
    ]);
    expect(run([{ type: "configure_sent", change }], state).notices).toEqual([]);
  });
});

describe("providers", () => {
  test("count down from when they were heard of", () => {
    const { conversation, settings, providers, store } = SNAPSHOT;
    const later: Action = {
      type: "event",
      event: { type: "status_changed", seq: 1, conversation, settings, providers, store },
      now_ms: 2_000_000,
    };
    expect([ready.providers_ms, run([later], ready).providers_ms]).toEqual([1_000_000, 2_000_000]);
  });

  describe("that shall be tried now", () => {
    const tried = run([{ type: "try_now_sent", provider: "openai" }], ready);
    const { conversation, settings, store } = SNAPSHOT;
    const status = (health: "cooling" | "failing") => {
      const providers = SNAPSHOT.providers.map((each) => (each.name === "openai" ? { ...each, health } : each));
      return event({ type: "status_changed", seq: 1, conversation, settings, providers, store });
    };

    test("are waited for until the kernel says how they stand, which is said aloud", () => {
      expect([...tried.trying]).toEqual(["openai"]);
      const again = run([status("failing")], tried);
      expect([again.trying.size, again.said]).toEqual([0, "openai can be asked again."]);
      const still = run([status("cooling")], tried);
      expect([still.trying.size, still.said]).toEqual([0, ""]);
    });

    test.each<[string, Action]>([
      ["a refusal", event({ type: "rejected", seq: 1, command: "try_now", turn_id: null, message: "No such one." })],
      ["a snapshot", snapshot],
      ["a lost kernel", { type: "link", status: "gone" }],
    ])("are no longer waited for after %s", (_, end) => {
      expect(run([end], tried).trying.size).toBe(0);
    });
  });

  const asked = run([{ type: "list_models_sent", provider: "openai" }], ready);
  const listed = (models: string[], problem: string | null = null) =>
    event({ type: "models_listed", seq: 1, provider: "openai", models, problem });
  const models = (state: State) => state.providers.find((each) => each.name === "openai")?.models;

  test("list their models on request, and these are offered at once", () => {
    expect(asked.listings.get("openai")).toEqual({ busy: true, problem: null });
    const state = run([listed(["a", "b"])], asked);
    expect([state.listings.get("openai"), models(state), state.said, state.providers_ms]).toEqual([
      { busy: false, problem: null },
      ["a", "b"],
      "openai has 2 models.",
      1_000_000,
    ]);
    expect(state.providers.filter((each) => each.name !== "openai")).toEqual(
      ready.providers.filter((each) => each.name !== "openai"),
    );
  });

  test("that give no list say why, and keep the models known before", () => {
    const state = run([listed([], "The key was rejected. Set OPENAI_API_KEY.")], asked);
    expect([state.listings.get("openai"), models(state)]).toEqual([
      { busy: false, problem: "The key was rejected. Set OPENAI_API_KEY." },
      models(ready),
    ]);
  });

  test("whose list is refused are no longer waited for, and the reason stands with them", () => {
    const refused = event({
      type: "rejected",
      seq: 1,
      command: "list_models",
      turn_id: null,
      message: "There is no provider.",
    });
    const state = run([refused], asked);
    expect([state.listings.get("openai"), state.notices]).toEqual([
      { busy: false, problem: "There is no provider." },
      [],
    ]);
    expect(run([refused], ready).notices[0]?.place).toBe("top");
  });

  test.each<[string, Action]>([
    ["a snapshot", snapshot],
    ["a lost kernel", { type: "link", status: "gone" }],
  ])("are no longer waited for after %s, and what others said of theirs stays", (_, end) => {
    const state = run([listed([], "No."), { type: "list_models_sent", provider: "demo" }, end], asked);
    expect([...state.listings]).toEqual([["openai", { busy: false, problem: "No." }]]);
  });
});

describe("an export", () => {
  const saved = (seq: number, path: string) => event({ type: "exported", seq, path });
  const refused = event({ type: "rejected", seq: 2, command: "export", turn_id: null, message: "The disk is full." });

  test("says where the file is, and the next one takes its place", () => {
    const state = run([saved(1, "a.ipynb"), saved(2, "b.json")], ready);
    expect(state.notices).toEqual([
      { id: 2, text: "Saved as b.json, beside the notebook.", place: "top", kind: "done" },
    ]);
    expect(state.said).toBe("Saved as b.json, beside the notebook.");
    expect(run([{ type: "notice_closed", id: 2 }], state).notices).toEqual([]);
  });

  test("that is refused says why in the same place", () => {
    const state = run([saved(1, "a.ipynb"), refused], ready);
    expect(state.notices).toEqual([{ id: 2, text: "The disk is full.", place: "top", kind: "refused" }]);
    expect(state.said).toBe("The disk is full.");
  });

  test("is not spoken of over another conversation", () => {
    const other = event({ ...SNAPSHOT, conversation: { ...SNAPSHOT.conversation, id: "c-2" } });
    expect(run([saved(1, "a.ipynb"), snapshot], ready).notices.length).toBe(1);
    expect(run([saved(1, "a.ipynb"), other], ready).notices).toEqual([]);
    expect(run([saved(1, "a.ipynb"), refused, other], ready).notices.length).toBe(1);
  });

  test("leaves an answer that is being written alone", () => {
    expect(run([saved(4, "a.ipynb"), delta(5, 3, "lo")], streaming).running?.text).toBe("Hello");
  });
});

test("ArrowUp recalls each question once, newest first, and no request to go on", () => {
  const turns = [
    turn("1", "first"),
    turn("2", "second"),
    turn("3", "first"),
    turn("4", "go on", [], { continues: "3" }),
  ];
  expect(promptHistory(turns)).toEqual(["first", "second"]);
});
