"use strict";

// What can be done with a study: its forms, sent as JSON to the REST API.

const UNDO = "lpwd-deleted";

// Returns the answer; raises what the problem document says.
async function call(method, address, body, headers = {}) {
  const options = { method, headers };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { ...headers, "Content-Type": "application/json" };
  }
  const answer = await fetch(address, options);
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail || `The service answered ${answer.status}.`);
}

const READ = {
  number: (field) => Number(field.value),
  words: (field) => [...new Set(field.value.split(/[\s,]+/).filter(Boolean))],
  text: (field) => field.value,
};
const read = (field) => (READ[field.dataset.kind || field.type] || READ.text)(field);

function body(form) {
  const fields = [...form.elements].filter((field) => field.name);
  return fields.length ? Object.fromEntries(fields.map((field) => [field.name, read(field)])) : undefined;
}

// Fill a form with what the service says now; returns the ETag to send along with a change.
async function fill(form, study) {
  const answer = await call("GET", study);
  const values = await answer.json();
  for (const field of form.elements) {
    if (!(field.name in values)) continue;
    const value = values[field.name];
    field.value = Array.isArray(value) ? value.join(" ") : value;
  }
  return answer.headers.get("ETag");
}

async function submit(form, study) {
  const { method, path, then } = form.dataset;
  const headers = form.dataset.etag ? { "If-Match": form.dataset.etag } : {};
  if ("undoable" in form.dataset) {
    const request = await (await call("GET", `${study}/request`)).json();
    try {
      sessionStorage[UNDO] = JSON.stringify(request);
    } catch {}
  }
  const answer = await call(method, study + path, body(form), headers);
  if (then === "list") location.assign("/");
  else if (then === "study") location.assign(`/studies/${(await answer.json()).study.id}`);
  else location.reload();
}

// Have something done, and say what keeps it from being done.
async function attempt(place, what) {
  const said = place.querySelector("[data-problem]");
  const buttons = [...place.querySelectorAll("button")];
  said.textContent = "";
  buttons.forEach((button) => (button.disabled = true));
  try {
    await what();
  } catch (error) {
    said.textContent = error.message;
  }
  buttons.forEach((button) => (button.disabled = false));
}

function offerActions(bar) {
  const study = `/api/v1/studies/${encodeURIComponent(bar.dataset.actions)}`;
  const show = () => {
    const { state } = document.querySelector('[data-part="header"]').dataset;
    for (const button of bar.querySelectorAll("[data-when]")) {
      button.hidden = !button.dataset.when.split(" ").includes(state);
    }
  };
  show();
  bar.hidden = false;
  // The header is replaced as the study goes on.
  new MutationObserver(show).observe(bar.parentElement, { childList: true });
  for (const button of bar.querySelectorAll("[data-open]")) {
    const dialog = document.getElementById(button.dataset.open);
    const form = dialog.querySelector("form");
    button.addEventListener("click", () =>
      attempt(bar, async () => {
        if ("fill" in form.dataset) form.dataset.etag = await fill(form, study);
        dialog.querySelector("[data-problem]").textContent = "";
        dialog.showModal();
      }),
    );
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(form, () => submit(form, study));
    });
  }
  for (const button of bar.querySelectorAll("[data-call]")) {
    button.addEventListener("click", () =>
      attempt(bar, async () => {
        await call("POST", `${study}/${button.dataset.call}`);
        location.reload();
      }),
    );
  }
}

// On the list, after a study was deleted: its request brings it back.
function offerUndo(place) {
  let request;
  try {
    request = JSON.parse(sessionStorage[UNDO] || "null");
    delete sessionStorage[UNDO];
  } catch {}
  if (!request) return;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Undo";
  const said = document.createElement("span");
  said.dataset.problem = "";
  place.append(`Deleted ${request.name}. `, button, " ", said);
  place.hidden = false;
  button.addEventListener("click", () =>
    attempt(place, async () => {
      const answer = await call("POST", "/api/v1/studies", request);
      location.assign(`/studies/${(await answer.json()).study.id}`);
    }),
  );
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-actions]").forEach(offerActions);
  document.querySelectorAll("[data-undo]").forEach(offerUndo);
});
