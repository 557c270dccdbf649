// Retry and cancel on the jobs and videos pages: what the server refuses is said, and the list is fetched anew.
const told = document.querySelector("[data-told]");

function tell(words, tone) {
  if (!told) return;
  told.textContent = words;
  told.className = `notice ${tone}`;
  told.hidden = words === "";
}

document.addEventListener("htmx:afterRequest", (event) => {
  const { xhr, successful, requestConfig } = event.detail;
  if (!requestConfig || requestConfig.verb === "get") {
    if (successful) document.body.classList.remove("offline");
    return;
  }
  if (successful) {
    tell("", "");
    document.body.dispatchEvent(new CustomEvent("jobs-changed"));
    return;
  }
  let words = "That did not work. Reload the page, then try again.";
  try {
    words = JSON.parse(xhr.responseText).detail ?? words;
  } catch {
    // not one of the API's answers
  }
  tell(words, "error");
});

document.addEventListener("htmx:sendError", () => tell("The server cannot be reached. This page may be out of date.", "warn"));
document.addEventListener("htmx:afterSwap", () => {
  if (told?.classList.contains("warn")) tell("", "");
});
