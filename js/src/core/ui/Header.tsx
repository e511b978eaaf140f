import type { JSX } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import type { Chat } from "../chat";
import type { State } from "../store";
import { asMarkdown, storeWords, titleOf } from "../words";
import type { Panel } from "./App";
import { useCopy } from "./hooks";
import { Icon } from "./icons";
import { Popover } from "./Popover";
import { Settings } from "./Settings";

interface HeaderProps {
  readonly chat: Chat;
  readonly state: State;
  readonly panel: Panel;
  readonly setPanel: (panel: Panel) => void;
}

export function Header({ chat, state, panel, setPanel }: HeaderProps): JSX.Element {
  const menuButton = useRef<HTMLButtonElement>(null);
  const [renaming, setRenaming] = useState(false);
  const { said, copy } = useCopy();
  const isNew = state.turns.length === 0 && !state.pending;
  const title = titleOf(state.conversation);
  // Why parts of the menu can do nothing now.
  const gone = state.phase === "kernel_gone" ? "Run the cell again first." : null;
  const cutOff = gone ?? (state.conversation ? null : "Waiting for the kernel.");
  const usable = cutOff === null;
  const nothing = state.turns.length > 0 ? null : "Nothing to copy or save yet. Ask something first.";

  return (
    <header class="header">
      {renaming ? (
        <TitleInput
          title={state.conversation?.title ?? ""}
          onDone={(text) => {
            setRenaming(false);
            if (text) chat.rename(text);
          }}
        />
      ) : (
        <button
          type="button"
          class="title"
          title={usable ? "Rename" : title}
          aria-label={`${title}: rename`}
          disabled={!usable}
          onClick={() => setRenaming(true)}
        >
          <span class="clip">{title}</span>
          <Icon name="edit" />
        </button>
      )}
      {said && <span class="hint">{said}</span>}
      <button
        type="button"
        class="icon-button"
        aria-label="New chat"
        title={isNew ? "This chat is new" : "New chat. This one is kept."}
        disabled={!usable || isNew}
        onClick={chat.newConversation}
      >
        <Icon name="plus" />
      </button>
      <button
        ref={menuButton}
        type="button"
        class="icon-button"
        aria-label="Menu"
        title="Menu"
        aria-haspopup="menu"
        aria-expanded={panel === "menu"}
        onClick={() => setPanel(panel === "menu" ? null : "menu")}
      >
        <Icon name="more" />
      </button>
      {panel === "menu" && (
        <Popover anchor={menuButton} label="Menu" side="below" align="end" role="menu" onClose={() => setPanel(null)}>
          <MenuItem label="Settings…" reason={cutOff} onClick={() => setPanel("settings")} />
          <MenuItem
            label="Rename"
            reason={cutOff}
            onClick={() => {
              setPanel(null);
              setRenaming(true);
            }}
          />
          <MenuItem
            label="Copy as Markdown"
            reason={nothing}
            onClick={() => {
              setPanel(null);
              copy(asMarkdown(title, state.turns));
            }}
          />
          {EXPORTS.map(({ label, suffix }) => (
            <MenuItem
              key={suffix}
              label={label}
              reason={cutOff ?? nothing}
              onClick={() => {
                setPanel(null);
                chat.exportTo(suffix);
              }}
            />
          ))}
          {(cutOff ?? nothing) && <p class="menu-note">{cutOff ?? nothing}</p>}
          {state.store && <p class="menu-note">{storeWords(state.store)}</p>}
        </Popover>
      )}
      {panel === "settings" && (
        <Popover anchor={menuButton} label="Settings" side="below" align="end" onClose={() => setPanel(null)}>
          <Settings chat={chat} state={state} onCancel={() => setPanel(null)} />
        </Popover>
      )}
    </header>
  );
}

const EXPORTS = [
  { label: "Save as notebook (.ipynb)", suffix: ".ipynb" },
  { label: "Save as JSON", suffix: ".json" },
] as const;

/** One that can do nothing keeps its place under the arrow keys and says why. */
function MenuItem(props: { label: string; reason: string | null; onClick: () => void }): JSX.Element {
  const id = useId();
  const { label, reason } = props;
  return (
    <>
      <button
        type="button"
        role="menuitem"
        class="menu-item"
        title={reason ?? undefined}
        aria-disabled={reason !== null}
        aria-describedby={reason === null ? undefined : id}
        onClick={reason === null ? props.onClick : undefined}
      >
        {label}
      </button>
      {reason !== null && (
        <span id={id} hidden>
          {reason}
        </span>
      )}
    </>
  );
}

function TitleInput({ title, onDone }: { title: string; onDone: (text: string | null) => void }): JSX.Element {
  const done = useRef(false);
  const finish = (text: string | null) => {
    if (done.current) return;
    done.current = true;
    onDone(text);
  };
  return (
    <input
      class="title-input"
      aria-label="Title of this chat"
      maxLength={200}
      defaultValue={title}
      ref={(node) => {
        if (!node || node.dataset["ready"]) return;
        node.dataset["ready"] = "yes";
        node.focus();
        node.select();
      }}
      onKeyDown={(event) => {
        if (event.isComposing) return;
        if (event.key === "Enter") finish(event.currentTarget.value);
        if (event.key === "Escape") {
          event.preventDefault();
          finish(null);
        }
      }}
      onBlur={(event) => finish(event.currentTarget.value)}
    />
  );
}
