// Review of a group: locked players, and a key for every button.
import { wake } from "./players.js";

const [players] = wake();
const buttons = new Map();
for (const button of document.querySelectorAll("[data-key]")) {
  for (const key of button.dataset.key.split(" ")) if (!buttons.has(key)) buttons.set(key, button);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]")) return;
  const target = event.target instanceof HTMLElement ? event.target : document.body;
  if (target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  if (event.key === " ") {
    if (!players || target.closest("button, a, summary, video, input")) return;
    event.preventDefault();
    players.toggle();
  } else if ((event.key === "," || event.key === ".") && players) {
    event.preventDefault();
    players.step(event.key === "." ? 1 : -1);
  } else {
    const button = buttons.get(event.key);
    if (!button || button.disabled) return;
    event.preventDefault();
    button.click();
  }
});

// A second press while the first is on its way would decide the next state of the group.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || !(event.target instanceof HTMLFormElement)) return;
  if (event.target.dataset.sent !== undefined) event.preventDefault();
  event.target.dataset.sent = "";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
