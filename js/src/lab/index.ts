/** The JupyterLab extension: one command, in the palette and the launcher, that puts a chat into a notebook. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { INotebookTracker } from "@jupyterlab/notebook";
import { chatIcon } from "./icon";
import { insertChat, newNotebook } from "./insert";

const INSERT_CHAT = "convoscope:insert-chat";

const plugin: JupyterFrontEndPlugin<void> = {
  id: "convoscope-jupyter:plugin",
  description: "A command that puts a convoscope chat into a notebook.",
  autoStart: true,
  // Voila and other hosts load the extension without some or all of these.
  optional: [INotebookTracker, ICommandPalette],
  activate: async (app: JupyterFrontEnd, tracker: INotebookTracker | null, palette: ICommandPalette | null) => {
    if (!tracker) return;
    app.commands.addCommand(INSERT_CHAT, {
      label: (args) => (args["isLauncher"] ? "Convoscope chat" : "Insert Convoscope chat"),
      caption: "Insert a cell with a chat below the active cell, and run it",
      icon: chatIcon,
      execute: async (args) => {
        const cwd = typeof args["cwd"] === "string" ? args["cwd"] : undefined;
        const here = args["isLauncher"] ? null : tracker.currentWidget;
        await insertChat(here ?? (await newNotebook(app, cwd)));
      },
    });
    palette?.addItem({ command: INSERT_CHAT, category: "Convoscope" });
    // Voila has no launcher package: an extension that imports it on the first line does not load there.
    const { ILauncher } = await import("@jupyterlab/launcher");
    const launcher = await app.resolveOptionalService(ILauncher);
    // Not in "Notebook": JupyterLab draws only kernels' logos there.
    launcher?.add({ command: INSERT_CHAT, args: { isLauncher: true }, category: "Other", rank: 0 });
  },
};

export default plugin;
