import type { ComponentChildren, JSX } from "preact";
import type { Chat } from "../chat";
import type { State } from "../store";
import { sentence } from "../words";
import { focusQuestion, useAfter } from "./hooks";
import { Icon, Mark } from "./icons";

/** What is wrong with the chat as a whole, and what to do. */
export function Banners({ chat, state }: { readonly chat: Chat; readonly state: State }): JSX.Element {
  const { phase, store } = state;
  return (
    <>
      {phase === "connecting" && <Connecting />}
      {phase === "waiting" && (
        <Banner kind="waiting">
          Waiting for the kernel. If a cell is running, the chat goes on when it ends; if none is, run this cell again.
        </Banner>
      )}
      {phase === "kernel_gone" && (
        <Banner kind="failed">
          The kernel that ran this chat is gone. What was said is kept; run the cell again to go on.
        </Banner>
      )}
      {store?.problem && (
        <Banner kind="partial">
          {store.saved ? "" : "Not saved. "}
          {sentence(store.problem)}
        </Banner>
      )}
      {state.notices
        .filter((notice) => notice.place === "top")
        .map((notice) => (
          <Banner
            key={notice.id}
            kind={notice.kind === "done" ? "answered" : "partial"}
            onClose={() => chat.closeNotice(notice.id)}
          >
            {sentence(notice.text)}
          </Banner>
        ))}
    </>
  );
}

/** A quick answer should not make it flash. */
function Connecting(): JSX.Element | null {
  return useAfter(400) ? <Banner kind="waiting">Connecting to the kernel…</Banner> : null;
}

interface BannerProps {
  readonly kind: "waiting" | "partial" | "failed" | "answered";
  readonly onClose?: () => void;
  readonly children: ComponentChildren;
}

function Banner({ kind, onClose, children }: BannerProps): JSX.Element {
  return (
    <div class={`banner ${kind}`} role={kind === "failed" ? "alert" : undefined}>
      <Mark shape={kind} />
      <p>{children}</p>
      {onClose && (
        <button
          type="button"
          class="icon-button"
          aria-label="Close this message"
          onClick={(event) => {
            focusQuestion(event.currentTarget);
            onClose();
          }}
        >
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}
