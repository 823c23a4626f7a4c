// Makes elements. Whatever comes from elsewhere becomes text, never markup.

import { Unreachable } from "./api.js";
import { word } from "./words.js";

export const one = (selector) => document.querySelector(selector);

export const make = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
};

export const terms = (place, pairs) => {
  const known = pairs.filter(([, value]) => value);
  place.replaceChildren(
    ...known.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
  );
};

export const options = (select, pairs, selected) => {
  const before = selected ?? select.value;
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
  if (pairs.some(([value]) => value === before)) select.value = before;
};

// Says something that went well, in place of what was said before.
export const notify = (text, kind = "good") => {
  one("#notices").replaceChildren(...(text ? [make("p", { class: `notice ${kind}` }, text)] : []));
};

// What went wrong: the message of the API as it is, its code and its trace id.
export const complain = (place, why) => {
  if (!why) return place.replaceChildren();
  const text = why instanceof Unreachable ? word("offline") : why.message;
  const marks = [];
  if (why.code) marks.push(word("code", { code: why.code }));
  if (why.traceId) marks.push(word("trace", { trace: why.traceId }));
  place.replaceChildren(
    make(
      "div",
      { class: "notice bad" },
      make("p", {}, text),
      marks.length ? make("p", { class: "marks" }, marks.join(" · ")) : null,
    ),
  );
};

// Runs what a button does, once at a time, and shows what went wrong where people look.
export const busy = async (button, place, work, lost) => {
  if (button.disabled) return;
  button.disabled = true;
  complain(place);
  try {
    await work();
  } catch (why) {
    if (why.isSignedOut) lost();
    else complain(place.isConnected ? place : one("#errors"), why);
  } finally {
    button.disabled = false;
  }
};

// Whether a browser may be sent there.
export const isPage = (address) => {
  try {
    return ["https:", "http:"].includes(new URL(address).protocol);
  } catch {
    return false;
  }
};
