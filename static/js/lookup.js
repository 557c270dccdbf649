// Find by video: the resumable upload of the query, then the players of the answer.
import { Upload, bytes, memory, pickFiles, progressWords } from "./tus.js";
import { wake } from "./players.js";

const root = document.querySelector("[data-find]");

function start(file) {
  const panel = root.querySelector("[data-panel]");
  const part = (name) => panel.querySelector(`[data-part=${name}]`);
  const again = () => {
    panel.hidden = true;
    root.querySelector("[data-drop]").hidden = false;
  };
  root.querySelector("[data-drop]").hidden = true;
  panel.hidden = false;
  part("name").textContent = file.name;
  part("size").textContent = bytes(file.size);
  const upload = new Upload(file, {
    endpoint: root.dataset.endpoint,
    purpose: "lookup",
    csrf: root.querySelector("[name=csrfmiddlewaretoken]").value,
    onChange(now) {
      part("bar").max = Math.max(file.size, 1);
      part("bar").value = now.sent;
      part("bar").hidden = now.state === "failed";
      part("cancel").hidden = now.state === "failed";
      part("other").hidden = now.state !== "failed";
      panel.dataset.tone = now.state === "failed" ? "bad" : now.state === "lost" ? "warn" : "";
      if (now.state === "sending") part("status").textContent = (now.resumed ? "Continues where it stopped. " : "") + progressWords(now);
      else if (now.state === "finishing") part("status").textContent = "The file is uploaded; the server checks it.";
      else if (now.message) part("status").textContent = now.message;
      if (now.state === "done") window.location.assign(now.result.url);
    },
  });
  part("cancel").onclick = () => {
    upload.cancel();
    again();
  };
  part("other").onclick = again;
  upload.start();
}

if (root) {
  const drop = root.querySelector("[data-drop]");
  const kept = memory.list("lookup")[0];
  const note = root.querySelector("[data-kept]");
  if (kept && note) {
    note.textContent = `The upload of ${kept.name} was interrupted. Choose the same file again to continue.`;
    note.hidden = false;
  }
  // Resumable upload takes over from the plain form, which stays for browsers without scripts.
  root.querySelector("[data-submit]").hidden = true;
  pickFiles(drop, drop.querySelector("input[type=file]"), (files) => files.length && start(files[0]));
}

wake();
document.addEventListener("htmx:afterSettle", (event) => wake(event.target));
