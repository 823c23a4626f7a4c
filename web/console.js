// The console: who is signed in, or the way to sign in. Everything is set as text.

import * as accounts from "./accounts.js";
import * as api from "./api.js";
import * as check from "./check.js";
import { busy, complain, make, notify, one, terms } from "./view.js";
import { chosen, has, speak, time, word } from "./words.js";

const HOME = "/console";

let person = null;
let isHere = "";
let timer = 0;

// Why nobody was signed in: the switch has put the code into the page.
const problem = () => {
  const place = one("#problem");
  if (!place) return;
  const { code, trace } = place.dataset;
  // What the switch wrote there itself stays, if there are no words of ours.
  if (!has(`problem.${code}`)) return;
  const marks = `${word("code", { code })} · ${word("trace", { trace })}`;
  place.replaceChildren(
    make("h2", {}, word("problem.title")),
    make("p", {}, word(`problem.${code}`)),
    make("p", { class: "marks" }, marks),
  );
};

const greet = () => {
  if (!person) return;
  const { name, customer, amr, acr, signedInAt, expiresAt } = person;
  one("#name").textContent = name ? word("hello", { name }) : word("hello.nobody");
  one("#session").textContent = word("session", { time: time(expiresAt) });
  const method = [amr, acr].flat().filter(Boolean).join(", ");
  terms(one("#details"), [
    [word("details.customer"), customer && make("code", {}, customer)],
    [word("details.method"), method],
    [word("details.began"), time(signedInAt)],
  ]);
};

const show = (what, focus) => {
  isHere = what;
  one("#wait").hidden = true;
  one("#welcome").hidden = what !== "welcome";
  one("#home").hidden = what !== "home";
  one("#sign-out").hidden = what !== "home";
  if (focus) one(what === "home" ? "#name" : "#welcome h1").focus();
};

// Nobody is signed in any more: nothing of whoever was stays on the page.
const leave = (text) => {
  clearTimeout(timer);
  person = null;
  accounts.close();
  check.close();
  if (one("#confirm").open) one("#confirm").close();
  for (const place of ["#name", "#session"]) one(place).textContent = "";
  one("#details").replaceChildren();
  complain(one("#errors"));
  one("#problem")?.remove();
  notify(text, "plain");
  show("welcome", true);
};

const lost = () => leave(word("session_over"));

// The longest wait that browsers know.
const WAIT_MAX = 2_147_483_647;

const enter = async (isBack) => {
  greet();
  show("home", false);
  const left = new Date(person.expiresAt).getTime() - Date.now();
  if (left < WAIT_MAX) timer = setTimeout(lost, Math.max(left, 0));
  const parts = [
    [accounts.open(isBack, lost), "#errors"],
    [check.open(person, lost), "#check-errors"],
  ];
  await Promise.all(
    parts.map(([work, place]) =>
      work.catch((why) => (why.isSignedOut ? lost() : complain(one(place), why))),
    ),
  );
};

const start = async () => {
  const isBack = new URLSearchParams(location.search).get("from") === "bank";
  // Neither the code of a sign-in nor where somebody came from is kept in the history.
  if (location.pathname !== HOME || location.search) history.replaceState(null, "", HOME);
  try {
    person = await api.person();
  } catch (why) {
    show("welcome", false);
    complain(one("#errors"), why);
    return;
  }
  if (person) await enter(isBack);
  else show("welcome", false);
};

const listen = () => {
  accounts.listen();
  check.listen();
  const button = one("#sign-out");
  const out = async () => {
    await api.signOut();
    leave(word("signed_out"));
  };
  button.addEventListener("click", () => busy(button, one("#errors"), out, lost));
  one("#language").addEventListener("change", async ({ target }) => {
    try {
      await speak(target.value);
    } catch {
      target.value = chosen();
      return;
    }
    problem();
    // What was said before was said in the other language.
    notify();
    for (const place of ["#errors", "#link-errors", "#check-errors"]) complain(one(place));
    if (isHere !== "home") return;
    greet();
    accounts.render();
    check.render();
  });
  // A page out of the browser's memory may be another person's by now.
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
};

try {
  await speak();
} catch (why) {
  one("#wait").hidden = true;
  one("#broken").hidden = false;
  throw why;
}
one("#language").value = chosen();
problem();
listen();
await start();
document.documentElement.dataset.ready = "true";
