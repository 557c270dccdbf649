// Resumable uploads: tus 1.0 against /api/v1/uploads. Knows no page; callers listen to onChange.
const CHUNK_BYTES = 32 * 1024 * 1024; // the server stores what arrived of one when the connection breaks
const STALL_MS = 60_000; // no byte moved for so long: the connection is taken as lost
const ANSWER_MS = 15 * 60_000; // the last chunk of a very large file is hashed before the server answers
const LONGEST_WAIT_MS = 30_000;
const SPEED_WINDOW_MS = 6_000;
const MEMORY = "vsearch-upload:";
const TUS = { "Tus-Resumable": "1.0.0" };

const WORDS = {
  401: "You are logged out. Log in again, then choose the file again: the upload continues where it stopped.",
  403: "You are not allowed to upload this. Log in again, or ask an administrator for the permission.",
  413: "This file is larger than this server accepts. Large files can be imported from a folder on the server.",
  415: "This is not a video file that vsearch can read.",
  429: "Too many requests. Wait a minute, then try again.",
  507: "The server has no space left for this file. Ask an administrator to free some space.",
};

/** The server said no; ``message`` is for people. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

class Lost extends Error {}
class Stopped extends Error {}

function refusal(xhr) {
  let detail = "";
  try {
    detail = JSON.parse(xhr.responseText).detail ?? "";
  } catch {
    detail = "";
  }
  if (detail.startsWith("CSRF")) detail = "Your login has changed since this page was opened. Reload the page, then choose the file again.";
  return new Refused(xhr.status, detail || WORDS[xhr.status] || `The server answered with error ${xhr.status}. Try again later.`);
}

function encoded(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** Addresses of unfinished uploads, by what the browser knows of a file before it is read. */
export const memory = {
  key: (file, purpose) => `${MEMORY}${purpose}:${file.name}:${file.size}:${file.lastModified}`,
  read(key) {
    try {
      return JSON.parse(localStorage.getItem(key) ?? "null");
    } catch {
      return null;
    }
  },
  write(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
    } catch {
      // Private windows may refuse: the upload works, but cannot continue after a reload.
    }
  },
  forget(key) {
    try {
      localStorage.removeItem(key);
    } catch {
      // nothing was kept
    }
  },
  /** [{key, url, name, size, sent, at}] of one purpose, newest first; those older than a day are dropped. */
  list(purpose) {
    const found = [];
    try {
      for (const key of Object.keys(localStorage).filter((k) => k.startsWith(`${MEMORY}${purpose}:`))) {
        const kept = this.read(key);
        if (!kept || Date.now() - kept.at > 24 * 3600_000) this.forget(key);
        else found.push({ key, ...kept });
      }
    } catch {
      return [];
    }
    return found.sort((a, b) => b.at - a.at);
  },
};

/** DELETE an upload that nobody will finish. */
export function discard(url, csrf) {
  return fetch(url, { method: "DELETE", headers: { ...TUS, "X-CSRFToken": csrf }, credentials: "same-origin" }).catch(() => null);
}

export class Upload {
  /**
   * state: waiting | sending | lost (waits for the network) | finishing | done | failed | cancelled
   * sent, speed (bytes a second), secondsLeft (or null), resumed, message, result ({url, id} when done)
   */
  constructor(file, { endpoint, purpose, csrf, onChange }) {
    Object.assign(this, { file, endpoint, purpose, csrf, onChange });
    this.key = memory.key(file, purpose);
    this.state = "waiting";
    this.sent = 0;
    this.speed = 0;
    this.secondsLeft = null;
    this.resumed = false;
    this.message = "";
    this.result = null;
    this._samples = [];
    this._failures = 0;
  }

  async start() {
    this._cancelled = false;
    this._failures = 0;
    this._set("sending");
    while (true) {
      try {
        await this._send();
        memory.forget(this.key);
        this._set("done");
        return;
      } catch (error) {
        if (error instanceof Stopped) return;
        if (error instanceof Refused) {
          // What the server refused now it refuses again after a reload; a lost login is the exception.
          if (![401, 403, 429].includes(error.status)) memory.forget(this.key);
          this.message = error.message;
          this._set("failed");
          return;
        }
        if (!(error instanceof Lost)) throw error;
        await this._wait();
        if (this._cancelled) return;
      }
    }
  }

  cancel() {
    this._cancelled = true;
    this._xhr?.abort();
    this._wake?.();
    const kept = memory.read(this.key);
    if (kept && this.state !== "done") discard(kept.url, this.csrf);
    memory.forget(this.key);
    this._set("cancelled");
  }

  async _send() {
    const url = await this._address();
    while (this.sent < this.file.size) {
      const end = Math.min(this.sent + CHUNK_BYTES, this.file.size);
      const xhr = await this._request("PATCH", url, {
        headers: { "Upload-Offset": String(this.sent), "Content-Type": "application/offset+octet-stream" },
        body: this.file.slice(this.sent, end),
        from: this.sent,
        last: end === this.file.size,
      });
      this._failures = 0;
      this._moved(Number(xhr.getResponseHeader("Upload-Offset")));
      memory.write(this.key, { url, name: this.file.name, size: this.file.size, sent: this.sent, at: Date.now() });
      const told = xhr.getResponseHeader("Upload-Result");
      if (told) this.result = JSON.parse(told);
    }
    if (!this.result) {
      this._set("finishing");
      const xhr = await this._request("GET", url, {});
      this.result = JSON.parse(xhr.responseText).result;
    }
    if (!this.result) throw new Lost();
  }

  /** The known upload of this file and how far it came, or a new one. */
  async _address() {
    const kept = memory.read(this.key);
    if (kept) {
      try {
        const xhr = await this._request("HEAD", kept.url, {});
        const offset = Number(xhr.getResponseHeader("Upload-Offset"));
        this.resumed = this.resumed || offset > 0;
        this._moved(offset, true);
        return kept.url;
      } catch (error) {
        if (!(error instanceof Refused) || ![403, 404, 410].includes(error.status)) throw error;
        memory.forget(this.key); // expired, or somebody else's: begin anew
      }
    }
    const xhr = await this._request("POST", this.endpoint, {
      headers: {
        "Upload-Length": String(this.file.size),
        "Upload-Metadata": `filename ${encoded(this.file.name)},purpose ${encoded(this.purpose)}`,
      },
    });
    const url = xhr.getResponseHeader("Location");
    this._moved(0, true);
    memory.write(this.key, { url, name: this.file.name, size: this.file.size, sent: 0, at: Date.now() });
    return url;
  }

  _request(method, url, { headers = {}, body = null, from = null, last = false }) {
    if (this._cancelled) throw new Stopped();
    return new Promise((resolve, reject) => {
      const xhr = new XMLHttpRequest();
      this._xhr = xhr;
      let timer = 0;
      const watch = (ms) => {
        clearTimeout(timer);
        timer = setTimeout(() => xhr.abort(), ms);
      };
      xhr.open(method, url);
      for (const [name, value] of Object.entries({ ...TUS, "X-CSRFToken": this.csrf, Accept: "application/json", ...headers })) {
        xhr.setRequestHeader(name, value);
      }
      watch(STALL_MS);
      xhr.upload.onprogress = (event) => {
        watch(STALL_MS);
        if (from !== null) this._moved(from + event.loaded);
      };
      xhr.upload.onload = () => {
        watch(ANSWER_MS);
        if (last) this._set("finishing");
      };
      const lost = () => {
        clearTimeout(timer);
        reject(this._cancelled ? new Stopped() : new Lost());
      };
      xhr.onerror = lost;
      xhr.onabort = lost;
      xhr.onload = () => {
        clearTimeout(timer);
        if (xhr.status >= 200 && xhr.status < 300) resolve(xhr);
        // Another offset, another request still writing, or a server that restarts: ask for its offset and continue.
        else if ([409, 423].includes(xhr.status) && method !== "POST") reject(new Lost());
        else if ([408, 500, 502, 503, 504].includes(xhr.status)) reject(new Lost());
        else reject(refusal(xhr));
      };
      xhr.send(body);
    });
  }

  /** Sleep before the next try; the browser's "online" event ends it early. */
  async _wait() {
    this._failures += 1;
    const ms = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** (this._failures - 1));
    this.message = navigator.onLine
      ? `The connection was lost. Trying again in ${Math.round(ms / 1000)} s.`
      : "You are offline. The upload continues by itself when the network is back.";
    this.speed = 0;
    this.secondsLeft = null;
    this._set("lost");
    await new Promise((resolve) => {
      this._wake = resolve;
      window.addEventListener("online", resolve, { once: true });
      setTimeout(resolve, ms);
    });
    if (!this._cancelled) {
      this.message = "";
      this._set("sending");
    }
  }

  _moved(sent, restart = false) {
    this.sent = sent;
    const now = performance.now();
    if (restart) this._samples = [];
    this._samples.push([now, sent]);
    while (this._samples.length > 2 && now - this._samples[0][0] > SPEED_WINDOW_MS) this._samples.shift();
    const [then, had] = this._samples[0];
    this.speed = now - then > 300 ? Math.max(0, (1000 * (sent - had)) / (now - then)) : this.speed;
    this.secondsLeft = this.speed > 0 ? (this.file.size - sent) / this.speed : null;
    this.onChange(this);
  }

  _set(state) {
    this.state = state;
    this.onChange(this);
  }
}

/** 1536000 -> "1.5 MB" */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (count >= 1000 && power < units.length - 1) {
    count /= 1000;
    power += 1;
  }
  return `${power === 0 || count >= 100 ? Math.round(count) : count.toFixed(1)} ${units[power]}`;
}

/** 75 -> "about 1 min left" */
export function timeLeft(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "";
  if (seconds < 5) return "a few seconds left";
  if (seconds < 55) return `about ${Math.ceil(seconds / 5) * 5} s left`;
  if (seconds < 3300) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${(seconds / 3600).toFixed(1)} h left`;
}

/** One line about an upload that moves. */
export function progressWords(upload) {
  const percent = upload.file.size ? Math.floor((100 * upload.sent) / upload.file.size) : 100;
  const parts = [`${bytes(upload.sent)} of ${bytes(upload.file.size)} (${percent} %)`];
  if (upload.speed > 0) parts.push(`${bytes(upload.speed)}/s`, timeLeft(upload.secondsLeft));
  return parts.filter(Boolean).join(" · ");
}

/** Files from a drop anywhere on ``zone`` and from the picker inside it. */
export function pickFiles(zone, input, onFiles) {
  let inside = 0;
  const leave = () => {
    inside = 0;
    zone.classList.remove("over");
  };
  zone.addEventListener("dragenter", (event) => {
    event.preventDefault();
    inside += 1;
    zone.classList.add("over");
  });
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("dragleave", () => {
    inside -= 1;
    if (inside <= 0) leave();
  });
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    leave();
    onFiles([...(event.dataTransfer?.files ?? [])]);
  });
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // so that the same file can be chosen again
    onFiles(files);
  });
  // A file dropped beside the zone must not replace the page, and with it all uploads.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
}
