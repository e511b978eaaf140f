/** A page to look at the chat in: `?state=answered`. Built by hand with esbuild; never shipped. */
import { createChat } from "../core/chat";
import { mount } from "../core/mount";
import { fakeKernel } from "./kernel";
import { STATES } from "./states";

const kernel = fakeKernel();
const chat = createChat({ transport: kernel, storage: null });
const place = document.getElementById("chat") ?? document.body;
mount(chat, place);
const name = new URLSearchParams(location.search).get("state") ?? "answered";
STATES[name]?.(kernel);
Object.assign(globalThis, { kernel, chat, states: Object.keys(STATES) });
