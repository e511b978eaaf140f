/** Puts text on the clipboard. False when the browser does not allow it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard API where Jupyter is served over plain http; the old way still works there.
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  const focused = document.activeElement;
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
  }
}

/** A click on `button` copies `text()` and says so for a moment in place of the button's words. */
export function copiesOnClick(button: HTMLButtonElement, label: Text, text: () => string): void {
  const words = label.data;
  button.addEventListener("click", async () => {
    const done = await copyText(text());
    label.data = done ? "Copied" : "Not allowed: select and copy";
    setTimeout(() => {
      label.data = words;
    }, 1500);
  });
}
