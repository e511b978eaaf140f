import type { ComponentChildren, JSX, RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface PopoverProps {
  readonly anchor: RefObject<HTMLElement | null>;
  readonly label: string;
  readonly side: "above" | "below";
  readonly align: "start" | "end";
  readonly role?: "dialog" | "menu";
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

const GAP = 4;
const EDGE = 8;

/**
 * Floats beside its anchor in the browser's top layer, so that a notebook's output area cannot cut it off.
 * Takes the focus when it opens and gives it back when it closes; a click elsewhere or Esc closes it.
 */
export function Popover({ anchor, label, side, align, role = "dialog", onClose, children }: PopoverProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const close = useRef(onClose);
  close.current = onClose;

  useLayoutEffect(() => {
    const node = box.current;
    const from = anchor.current;
    if (!node || !from) return;
    node.showPopover?.();
    const place = () => placeBeside(node, from, side, align);
    place();
    window.addEventListener("resize", place);
    window.addEventListener("scroll", place, true);
    const grown = new ResizeObserver(place);
    grown.observe(node);
    return () => {
      window.removeEventListener("resize", place);
      window.removeEventListener("scroll", place, true);
      grown.disconnect();
    };
  }, [anchor, side, align]);

  useLayoutEffect(() => {
    const node = box.current;
    const from = anchor.current;
    if (!node || !from) return;
    (node.querySelector<HTMLElement>("[data-autofocus]") ?? firstFocusable(node) ?? node).focus({
      preventScroll: true,
    });
    const outside = (event: Event) => {
      const path = event.composedPath();
      if (!path.includes(node) && !path.includes(from)) close.current();
    };
    document.addEventListener("pointerdown", outside, true);
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      const focused = focusedBeside(node);
      if (!focused || node.contains(focused)) from.focus({ preventScroll: true });
    };
  }, [anchor]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close.current();
    } else if (role === "menu" && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      moveFocus(event.currentTarget as HTMLElement, event.key === "ArrowDown" ? 1 : -1);
    }
  };

  const onFocusOut = (event: FocusEvent) => {
    const next = event.relatedTarget;
    const node = box.current;
    if (next instanceof Node && node && !node.contains(next) && next !== anchor.current) close.current();
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions lint/a11y/useAriaPropsSupportedByRole: it has a role, dialog or menu
    <div
      ref={box}
      class="popover"
      popover="manual"
      role={role}
      aria-label={label}
      // One that opens within the log is not read out as a message.
      aria-live="off"
      tabIndex={-1}
      onKeyDown={onKeyDown}
      onFocusOut={onFocusOut}
    >
      {children}
    </div>
  );
}

function placeBeside(node: HTMLElement, anchor: HTMLElement, side: "above" | "below", align: "start" | "end"): void {
  const from = anchor.getBoundingClientRect();
  const above = from.top - GAP - EDGE;
  const below = window.innerHeight - from.bottom - GAP - EDGE;
  const wanted = node.scrollHeight;
  const up = side === "above" ? above >= Math.min(wanted, below) : below < wanted && above > below;
  const width = node.offsetWidth;
  const left = align === "start" ? from.left : from.right - width;
  const { style } = node;
  style.left = `${Math.max(EDGE, Math.min(left, window.innerWidth - width - EDGE))}px`;
  style.maxHeight = `${Math.max(120, up ? above : below)}px`;
  style.top = up ? "auto" : `${from.bottom + GAP}px`;
  style.bottom = up ? `${window.innerHeight - from.top + GAP}px` : "auto";
}

const FOCUSABLE = "button:not([disabled]), input, textarea, select, a[href], summary";

function firstFocusable(node: HTMLElement): HTMLElement | null {
  return node.querySelector<HTMLElement>(FOCUSABLE);
}

function moveFocus(node: HTMLElement, by: number): void {
  const items = [...node.querySelectorAll<HTMLElement>(FOCUSABLE)];
  const focused = focusedBeside(node);
  const at = items.findIndex((item) => item.isSameNode(focused));
  items.at((at + by + items.length) % items.length)?.focus();
}

/** What has the focus in the tree, a shadow root's or the document's, that holds the node. */
function focusedBeside(node: Node): Element | null {
  const root = node.getRootNode();
  return root instanceof ShadowRoot ? root.activeElement : document.activeElement;
}
