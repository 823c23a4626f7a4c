// Linked accounts of the person: how they stand, what they had, and linking and giving them up.

import * as api from "./api.js";
import { busy, complain, isPage, make, notify, one, options } from "./view.js";
import { CURRENCIES, age, grouped, isIban, money, time, word } from "./words.js";

const COLOURS = { asking: "wait", waiting: "wait", valid: "good", expired: "bad", gone: "bad" };
const OPEN = ["asking", "waiting"];

// Looks after somebody came back from a bank, and the first wait between two; each is longer.
const LOOKS = 12;
const WAIT_MS = 700;

let shown = [];
let next = null;
let lost = () => {};
let timer = 0;
// Counts who is at the page: what was asked for somebody else is nobody's answer.
let turn = 0;

const go = (address) => {
  if (isPage(address)) location.assign(address);
  else notify(word("in_app"));
};

const ask = async (bank, iban, currency) => {
  const linked = await api.link(bank, iban, currency);
  if (linked.approve) return go(linked.approve);
  notify(word("in_app"));
  await refresh();
  look(LOOKS);
};

const confirmed = (account) =>
  new Promise((resolve) => {
    const dialog = one("#confirm");
    const values = { account: grouped(account.account), bank: account.bank };
    one("#confirm-text").textContent = word("unlink.text", values);
    let agreed = false;
    one("#confirm-yes").onclick = () => {
      agreed = true;
      dialog.close();
    };
    one("#confirm-no").onclick = () => dialog.close();
    dialog.onclose = () => resolve(agreed);
    dialog.showModal();
    one("#confirm-no").focus();
  });

const unlink = async (account) => {
  if (!(await confirmed(account))) return;
  await api.unlink(account.account);
  await refresh();
  notify(word("unlinked", { account: grouped(account.account) }));
  one("#accounts-title").setAttribute("tabindex", "-1");
  one("#accounts-title").focus();
};

const until = (account) => {
  const key = `until.${account.status}`;
  return account.until && account.status !== "asking"
    ? make("p", { class: "muted" }, word(key, { time: time(account.until) }))
    : null;
};

const balance = ({ balance: seen, status }) => {
  if (status !== "valid") return [];
  if (!seen) return [make("p", { class: "muted" }, word("account.unseen"))];
  const booked = word("account.booked", { amount: money(seen.ledgerMinor, seen.currency) });
  const read = word("account.seen", { age: age(seen.seenAt) });
  return [
    make("p", { class: "amount" }, money(seen.availableMinor, seen.currency)),
    make("p", { class: "muted" }, `${booked} · `, make("time", { datetime: seen.seenAt }, read)),
  ];
};

const card = (account) => {
  const name = grouped(account.account);
  const errors = make("div", { role: "alert" });
  const buttons = make("div", { class: "row" });
  const button = (key, work) => {
    const label = word(`${key}_named`, { account: name });
    const made = make("button", { class: "quiet", type: "button", "aria-label": label }, word(key));
    made.addEventListener("click", () => busy(made, errors, work, lost));
    buttons.append(made);
  };
  if (account.approve && isPage(account.approve)) {
    const label = word("account.approve_named", { account: name });
    const to = { class: "button", href: account.approve, "aria-label": label };
    buttons.append(make("a", to, word("account.approve")));
  }
  // What a person linked is called by its IBAN, and can be linked anew by it.
  const isOwn = isIban(account.account);
  if (isOwn && !OPEN.includes(account.status) && account.status !== "valid") {
    button("account.renew", () => ask(account.bank, account.account, account.currency));
  }
  button("account.unlink", () => unlink(account));
  const state = `state ${COLOURS[account.status] ?? ""}`;
  const iban = isOwn ? null : make("p", { class: "muted" }, word("account.iban", account));
  return make(
    "li",
    { class: "account", "data-account": account.account, "data-status": account.status },
    make(
      "header",
      {},
      make("h3", {}, name),
      make("span", { class: state }, word(`consent.${account.status}`)),
    ),
    make("p", { class: "muted" }, word("account.at", { bank: account.bank })),
    iban,
    ...balance(account),
    until(account),
    buttons,
    errors,
  );
};

export const render = () => {
  one("#accounts").replaceChildren(...shown.map(card));
  one("#accounts-none").hidden = shown.length > 0;
  one("#accounts-more").hidden = next === null;
};

// As many as were shown, at least.
const refresh = async () => {
  const own = turn;
  let said = await api.accounts();
  const list = [...said.accounts];
  while (said.next !== null && list.length < shown.length) {
    said = await api.accounts(said.next);
    list.push(...said.accounts);
  }
  if (own !== turn) return;
  shown = list;
  next = said.next;
  render();
};

const more = async () => {
  const own = turn;
  const said = await api.accounts(next);
  if (own !== turn) return;
  shown = [...shown, ...said.accounts];
  next = said.next;
  render();
};

// Looks again while a consent is open, so many times at most: a page that asks for ever would keep
// its session alive for ever.
const look = (left) => {
  clearTimeout(timer);
  const open = shown.filter(({ status }) => OPEN.includes(status)).map(({ account }) => account);
  if (open.length === 0 || left === 0) return;
  const own = turn;
  timer = setTimeout(
    async () => {
      try {
        await refresh();
        if (own !== turn) return;
      } catch (why) {
        if (own !== turn) return;
        if (why.isSignedOut) return lost();
        return complain(one("#errors"), why);
      }
      const linked = shown.find(({ account, status }) => open.includes(account) && status === "valid");
      if (linked) notify(word("linked", { account: grouped(linked.account) }));
      look(left - 1);
    },
    WAIT_MS * (LOOKS - left + 1),
  );
};

// Shows the accounts. `isBack`: the person comes from a bank.
export const open = async (isBack, whenLost) => {
  lost = whenLost;
  const own = turn;
  const [banks] = await Promise.all([api.banks(), refresh()]);
  if (own !== turn) return;
  options(one("#bank"), banks.map(({ name }) => [name, name]));
  const currencies = Object.entries(CURRENCIES).map(([number, [letters]]) => [number, letters]);
  options(one("#currency"), currencies, "578");
  one("#link-submit").hidden = banks.length === 0;
  if (banks.length === 0) one("#link-text").textContent = word("link.no_banks");
  const isOpen = shown.some(({ status }) => OPEN.includes(status));
  if (isBack) notify(isOpen ? word("from_bank") : word("from_bank_done"));
  look(LOOKS);
};

export const close = () => {
  clearTimeout(timer);
  turn += 1;
  shown = [];
  next = null;
  render();
  one("#link").reset();
  complain(one("#link-errors"));
};

export const listen = () => {
  one("#link").addEventListener("submit", (event) => {
    event.preventDefault();
    const { bank, iban, currency } = event.target.elements;
    const work = () => ask(bank.value, iban.value, currency.value);
    busy(one("#link-submit"), one("#link-errors"), work, lost);
  });
  one("#accounts-more").addEventListener("click", (event) =>
    busy(event.target, one("#errors"), more, lost),
  );
};
