// The identity check of the person: how it stands, and beginning one.

import * as api from "./api.js";
import { busy, complain, notify, one, terms } from "./view.js";
import { time, word } from "./words.js";

const COLOURS = {
  pending: "wait",
  on_hold: "wait",
  resubmit: "wait",
  approved: "good",
  rejected: "bad",
  rejected_risk: "bad",
};
const BEGINS = ["none", "resubmit"];
const OPEN = ["pending", "on_hold"];

// Looks after a check was begun, and the first wait between two; each is longer.
const LOOKS = 12;
const WAIT_MS = 700;

let customer = "";
let shown = null;
let lost = () => {};
let timer = 0;
// Counts who is at the page: what was asked for somebody else is nobody's answer.
let turn = 0;

export const render = () => {
  if (!shown) return;
  const { status, level, reviewedAt, documentUntil } = shown;
  const state = one("#check-status");
  state.textContent = word(`check.${status}`);
  state.className = `state ${COLOURS[status] ?? ""}`;
  state.dataset.status = status;
  one("#check-text").textContent = word(`check.text.${status}`);
  terms(one("#check-facts"), [
    [word("check.level"), level],
    [word("check.reviewed"), reviewedAt && time(reviewedAt)],
    [word("check.document"), documentUntil && time(documentUntil)],
  ]);
  one("#check-begin").hidden = !BEGINS.includes(status);
};

const refresh = async () => {
  const own = turn;
  const said = await api.check(customer);
  if (own !== turn) return;
  shown = said;
  render();
};

const look = (left) => {
  clearTimeout(timer);
  if (!OPEN.includes(shown?.status) || left === 0) return;
  const own = turn;
  timer = setTimeout(
    async () => {
      try {
        await refresh();
        if (own === turn) look(left - 1);
      } catch (why) {
        if (own !== turn) return;
        if (why.isSignedOut) lost();
        else complain(one("#check-errors"), why);
      }
    },
    WAIT_MS * (LOOKS - left + 1),
  );
};

export const open = async (person, whenLost) => {
  customer = person.customer;
  lost = whenLost;
  await refresh();
  look(LOOKS);
};

export const close = () => {
  clearTimeout(timer);
  turn += 1;
  customer = "";
  shown = null;
  one("#check-status").textContent = "";
  one("#check-text").textContent = "";
  one("#check-facts").replaceChildren();
  one("#check-begin").hidden = true;
  complain(one("#check-errors"));
};

export const listen = () => {
  const button = one("#check-begin");
  const begin = async () => {
    // What opens the provider's own pages is for its app, and is not shown.
    const { token: _, ...said } = await api.beginCheck();
    shown = said;
    notify(word("check.begun"));
    render();
    look(LOOKS);
  };
  button.addEventListener("click", () => busy(button, one("#check-errors"), begin, lost));
};
