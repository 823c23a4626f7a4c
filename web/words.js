// What is said, in English or Norwegian, and how times, amounts and accounts are written. The words
// themselves are in `words/`; nothing that people read stands in code.

const LANGUAGES = { en: "en", nb: "nb-NO" };
const STORED = "veksel.language";

// ISO 4217: digits to letters, and how many minor units a major one has.
export const CURRENCIES = {
  578: ["NOK", 2],
  752: ["SEK", 2],
  208: ["DKK", 2],
  978: ["EUR", 2],
  826: ["GBP", 2],
  840: ["USD", 2],
  352: ["ISK", 0],
  392: ["JPY", 0],
};

let language = "en";
let words = {};

// A browser that keeps nothing is asked for its language every time.
const stored = (value) => {
  try {
    if (value === undefined) return localStorage.getItem(STORED);
    localStorage.setItem(STORED, value);
  } catch {
    return null;
  }
  return value;
};

const preferred = () => {
  const wanted = [stored() ?? "", ...(navigator.languages ?? [])];
  for (const tag of wanted) {
    const first = tag.toLowerCase().split("-")[0];
    if (first === "nb" || first === "no" || first === "nn") return "nb";
    if (first === "en") return "en";
  }
  return "en";
};

export const chosen = () => language;

// Fetches the words of a language and writes them into the page.
export const speak = async (wanted) => {
  if (wanted) stored(wanted);
  const next = wanted ?? preferred();
  const answer = await fetch(`/console/words/${next}.json`);
  if (!answer.ok) throw new Error(`words: ${answer.status}`);
  words = await answer.json();
  language = next;
  document.documentElement.lang = LANGUAGES[next];
  document.title = word("title");
  for (const node of document.querySelectorAll("[data-word]")) {
    node.textContent = word(node.dataset.word);
  }
};

// A text, with values in place of `{name}`.
export const word = (key, values = {}) =>
  (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));

export const has = (key) => key in words;

export const time = (text) => {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text);
  return new Intl.DateTimeFormat(LANGUAGES[language], {
    dateStyle: "medium",
    timeStyle: "short",
  }).format(at);
};

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

// How long ago something was.
export const age = (text) => {
  const seconds = Math.max(0, Math.round((Date.now() - new Date(text).getTime()) / 1_000));
  const [unit, length] = UNITS.find(([, least]) => seconds >= least) ?? UNITS[3];
  const format = new Intl.RelativeTimeFormat(LANGUAGES[language], { numeric: "auto" });
  return format.format(-Math.floor(seconds / length), unit);
};

// Minor units stay digits until they are written: nothing is divided.
export const money = (minor, number) => {
  const known = CURRENCIES[Number(number)];
  if (!known) return `${minor} (${number})`;
  const [currency, places] = known;
  const digits = String(Math.abs(minor)).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const rest = places ? `.${digits.slice(-places)}` : "";
  const options = { style: "currency", currency, minimumFractionDigits: places };
  const format = new Intl.NumberFormat(LANGUAGES[language], options);
  return format.format(`${minor < 0 ? "-" : ""}${whole}${rest}`);
};

export const isIban = (account) => /^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$/.test(account);

// An IBAN in groups of four; whatever else it is called, as it is.
export const grouped = (account) =>
  isIban(account) ? account.replace(/(.{4})(?=.)/g, "$1 ") : account;
