/** Puts a chat into a notebook. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { NotebookActions, type NotebookPanel } from "@jupyterlab/notebook";

export const CHAT_SOURCE = "import convoscope_jupyter as cv\n\nchat = cv.Chat()\nchat";

/**
 * Inserts the chat's cell below the active one and runs it: the user's click on the command asks for both.
 * An empty active code cell is used as it is.
 */
export async function insertChat(panel: NotebookPanel): Promise<void> {
  const notebook = panel.content;
  if (!notebook.model || notebook.model.readOnly) return;
  const active = notebook.activeCell?.model;
  if (active?.type !== "code" || active.sharedModel.getSource().trim() !== "") NotebookActions.insertBelow(notebook);
  if (notebook.activeCell?.model.type !== "code") NotebookActions.changeCellType(notebook, "code");
  const cell = notebook.activeCell;
  if (!cell) return;
  cell.model.sharedModel.setSource(CHAT_SOURCE);
  notebook.deselectAll();
  await kernelAnswers(panel);
  await NotebookActions.run(notebook, panel.sessionContext);
}

/** A new notebook in `cwd`, with a Python kernel where there is one. */
export async function newNotebook(app: JupyterFrontEnd, cwd: string | undefined): Promise<NotebookPanel> {
  const panel: NotebookPanel = await app.commands.execute("notebook:create-new", {
    ...(cwd === undefined ? {} : { cwd }),
    kernelName: pythonKernel(app) ?? "",
    activate: true,
  });
  await panel.context.ready;
  await panel.revealed;
  return panel;
}

/** What is run before the kernel has answered once is lost without a word. */
async function kernelAnswers(panel: NotebookPanel): Promise<void> {
  await panel.sessionContext.ready;
  await panel.sessionContext.session?.kernel?.info;
}

function pythonKernel(app: JupyterFrontEnd): string | undefined {
  const specs = app.serviceManager.kernelspecs.specs;
  const isPython = (name: string) => specs?.kernelspecs[name]?.language === "python";
  if (specs && isPython(specs.default)) return specs.default;
  return Object.keys(specs?.kernelspecs ?? {}).find(isPython);
}
