// The upload page: several files, two at a time, each with its bar; then how far the indexing of its video is.
import { Upload, bytes, discard, memory, pickFiles, progressWords, timeLeft } from "./tus.js";

const AT_ONCE = 2;
const POLL_MS = 1500;
const root = document.querySelector("[data-upload]");
const { endpoint, videoApi, csrf } = { ...root.dataset, csrf: root.querySelector("[name=csrfmiddlewaretoken]").value };
const list = root.querySelector("[data-list]");
const template = root.querySelector("template");
const unfinished = root.querySelector("[data-unfinished]");
const waiting = [];
let active = 0;

function part(row, name) {
  return row.querySelector(`[data-part=${name}]`);
}

function say(row, words, tone = "") {
  part(row, "status").textContent = words;
  row.dataset.tone = tone;
}

function show(row, upload) {
  const bar = part(row, "bar");
  bar.max = Math.max(upload.file.size, 1);
  bar.value = upload.sent;
  const moving = ["waiting", "sending", "lost", "finishing"].includes(upload.state);
  part(row, "cancel").hidden = !moving;
  part(row, "again").hidden = !["failed", "cancelled"].includes(upload.state);
  bar.hidden = !moving;
  if (upload.state === "waiting") say(row, "Waiting for its turn.");
  else if (upload.state === "sending") say(row, (upload.resumed ? "Continues where it stopped. " : "") + progressWords(upload));
  else if (upload.state === "lost") say(row, upload.message, "warn");
  else if (upload.state === "finishing") say(row, "The file is uploaded; the server checks it.");
  else if (upload.state === "failed") say(row, upload.message, "bad");
  else if (upload.state === "cancelled") say(row, "Cancelled. Nothing was kept.");
}

function add(file) {
  const row = template.content.firstElementChild.cloneNode(true);
  part(row, "name").textContent = file.name;
  part(row, "size").textContent = bytes(file.size);
  part(row, "bar").setAttribute("aria-label", `Progress of ${file.name}`);
  list.prepend(row);
  const upload = new Upload(file, { endpoint, purpose: "library", csrf, onChange: (u) => show(row, u) });
  part(row, "cancel").addEventListener("click", () => {
    const place = waiting.findIndex((entry) => entry.upload === upload);
    if (place >= 0) waiting.splice(place, 1);
    upload.cancel();
  });
  part(row, "again").addEventListener("click", () => enqueue(row, upload));
  enqueue(row, upload);
}

function enqueue(row, upload) {
  upload.state = "waiting";
  show(row, upload);
  waiting.push({ row, upload });
  next();
}

async function next() {
  if (active >= AT_ONCE || waiting.length === 0) return;
  const { row, upload } = waiting.shift();
  active += 1;
  try {
    await upload.start();
    if (upload.state === "done") follow(row, upload.result);
  } finally {
    active -= 1;
    showUnfinished();
    next();
  }
}

/** Watch the indexing of the new video until it ends. */
async function follow(row, result) {
  const link = part(row, "link");
  link.href = result.url;
  link.hidden = false;
  const bar = part(row, "bar");
  bar.hidden = false;
  bar.max = 100;
  bar.removeAttribute("value");
  say(row, "Uploaded. Waiting to be indexed.");
  while (true) {
    const answer = await fetch(`${videoApi}/${result.id}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (answer?.status === 404 || answer?.status === 403) {
      bar.hidden = true;
      say(row, "Uploaded.");
      return;
    }
    if (answer?.ok && shown(row, bar, await answer.json())) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** True when there is nothing more to wait for. */
function shown(row, bar, video) {
  if (video.state === "ready") {
    bar.hidden = true;
    say(row, "Ready: searches find it now.", "ok");
    return true;
  }
  if (video.state === "failed") {
    bar.hidden = true;
    say(row, `Uploaded, but it could not be indexed: ${video.failure}`, "bad");
    return true;
  }
  if (video.job?.state === "running") {
    bar.value = video.job.percent;
    say(row, [`Indexing: ${video.job.stage || "starting"}, ${Math.floor(video.job.percent)} %`, timeLeft(video.job.seconds_left)].filter(Boolean).join(" · "));
  } else {
    say(row, "Uploaded. Waiting to be indexed; you can leave this page.");
  }
  return false;
}

/** What was begun before the page was reloaded: the browser cannot read a file again unless it is chosen again. */
function showUnfinished() {
  const mine = new Set([...waiting.map((entry) => entry.upload.key)]);
  const kept = active > 0 ? [] : memory.list("library").filter((entry) => !mine.has(entry.key));
  const items = unfinished.querySelector("ul");
  items.replaceChildren(
    ...kept.map((entry) => {
      const item = document.createElement("li");
      const percent = entry.size ? Math.floor((100 * entry.sent) / entry.size) : 0;
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "small";
      remove.textContent = "Forget this upload";
      remove.addEventListener("click", async () => {
        await discard(entry.url, csrf);
        memory.forget(entry.key);
        showUnfinished();
      });
      const words = document.createElement("span");
      words.textContent = `${entry.name}: ${percent} % of ${bytes(entry.size)} uploaded`;
      item.append(words, remove);
      return item;
    }),
  );
  unfinished.hidden = kept.length === 0;
}

window.addEventListener("beforeunload", (event) => {
  if (active > 0) event.preventDefault();
});
pickFiles(root.querySelector("[data-drop]"), root.querySelector("input[type=file]"), (files) => files.forEach(add));
root.querySelector("[data-drop]").hidden = false;
showUnfinished();
