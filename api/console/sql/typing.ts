/** Typing over a selection, without the browser's own way of it. */
import { EditorView } from "@codemirror/view";

/**
 * Chromium keeps the look of what is replaced by a style attribute, which the page's policy refuses with a word in the
 * console. The editor draws its own colours anyway: it is told of the text instead.
 */
export const typingOverSelection = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    const { from, to, empty } = view.state.selection.main;
    const { data, inputType, isComposing } = event;
    if (inputType !== "insertText" || isComposing || data === null || empty) return false;
    event.preventDefault();
    const insert = () =>
      view.state.update({
        ...view.state.replaceSelection(data),
        userEvent: "input.type",
        scrollIntoView: true,
      });
    const handlers = view.state.facet(EditorView.inputHandler);
    if (!handlers.some((handle) => handle(view, from, to, data, insert))) view.dispatch(insert());
    return true;
  },
});
