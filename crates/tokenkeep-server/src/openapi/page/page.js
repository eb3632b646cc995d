"use strict";
// What is typed stays in the fields of this page, which the browser is told not to keep.
const routes = document.querySelector("nav details");
if (matchMedia("(max-width: 60rem)").matches) routes.open = false;

// A page that was saved to a file comes from no server, so there is nobody to ask.
if (location.protocol.startsWith("http")) {
  const key = document.getElementById("key");
  key.hidden = false;
  for (const base of document.querySelectorAll(".base")) base.textContent = location.origin;
  for (const form of document.forms) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      ask(form, key.querySelector("input").value);
    });
  }
}

async function ask(form, key) {
  const button = form.querySelector("button");
  const output = form.querySelector("output");
  button.disabled = true;
  try {
    const headers = key === "" ? {} : { "X-API-Key": key };
    const answer = await fetch(target(form), { headers, cache: "no-store", credentials: "omit", redirect: "error" });
    show(output, `${answer.status} ${answer.statusText}`, readable(await answer.text()));
  } catch (error) {
    show(output, "No answer", String(error));
  }
  button.disabled = false;
}

function target(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const field of form.querySelectorAll("input")) {
    if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    else if (field.value !== "") query.append(field.name, field.value);
  }
  return query.size > 0 ? `${path}?${query}` : path;
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function show(output, title, text) {
  const head = document.createElement("b");
  const body = document.createElement("pre");
  head.textContent = title;
  body.textContent = text;
  body.tabIndex = 0;
  output.replaceChildren(head, body);
}
