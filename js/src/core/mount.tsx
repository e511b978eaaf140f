/** Puts a chat's view into an element, in a shadow root of its own: the notebook's styles and keys and ours do not meet. */
import { render } from "preact";
import type { Chat } from "./chat";
import css from "./theme.css";
import type { Dispose } from "./transport";
import { App } from "./ui/App";

const KEYS = ["keydown", "keypress", "keyup"] as const;

export function mount(chat: Chat, element: HTMLElement): Dispose {
  const host = document.createElement("div");
  host.className = "convoscope";
  // Lumino asks for this before it matches a key against Jupyter's shortcuts, which it does before we could stop it.
  // https://github.com/jupyterlab/lumino/blob/main/packages/commands/src/index.ts
  host.dataset["lmSuppressShortcuts"] = "true";
  // The browser's own menu, to copy and to correct spelling.
  host.dataset["jpSuppressContextMenu"] = "true";
  for (const type of KEYS) host.addEventListener(type, stop);

  const root = host.attachShadow({ mode: "open" });
  addStyles(root);
  const app = document.createElement("div");
  app.className = "app";
  root.append(app);
  element.append(host);

  const unfollow = followTheme(host);
  render(<App chat={chat} />, app);
  return () => {
    render(null, app);
    unfollow();
    host.remove();
  };
}

function stop(event: Event): void {
  event.stopPropagation();
}

let shared: CSSStyleSheet | null = null;

function addStyles(root: ShadowRoot): void {
  try {
    if (shared === null) {
      shared = new CSSStyleSheet();
      shared.replaceSync(css);
    }
    root.adoptedStyleSheets = [shared];
  } catch {
    // An old browser, or a sheet made in another document.
    const style = document.createElement("style");
    style.textContent = css;
    root.append(style);
  }
}

/** Jupyter, VS Code and Colab each say in their own way whether they are dark; otherwise the system's choice holds. */
function isDark(): boolean {
  const { body, documentElement } = document;
  const jupyter = body.dataset["jpThemeLight"];
  if (jupyter !== undefined) return jupyter === "false";
  const code = body.dataset["vscodeThemeKind"];
  if (code !== undefined) return code.includes("dark") || code === "vscode-high-contrast";
  const colab = documentElement.getAttribute("theme");
  if (colab !== null) return colab === "dark";
  // marimo says it in CSS, whatever the system's choice is; "normal" and "light dark" say nothing.
  const declared = getComputedStyle(body).colorScheme;
  if (declared === "light" || declared === "dark") return declared === "dark";
  return window.matchMedia?.("(prefers-color-scheme: dark)").matches ?? false;
}

/** Keeps the host's colour scheme, which native controls and scroll bars follow, that of the page. */
function followTheme(host: HTMLElement): Dispose {
  const apply = () => {
    host.style.colorScheme = isDark() ? "dark" : "light";
  };
  apply();
  const changed = new MutationObserver(apply);
  changed.observe(document.body, {
    attributes: true,
    attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "data-theme"],
  });
  changed.observe(document.documentElement, { attributes: true, attributeFilter: ["theme"] });
  const system = window.matchMedia?.("(prefers-color-scheme: dark)");
  system?.addEventListener("change", apply);
  return () => {
    changed.disconnect();
    system?.removeEventListener("change", apply);
  };
}
