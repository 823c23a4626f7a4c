// The API of this switch, as whoever is signed in may ask it.

// What a refusal says. `message` is for people, `traceId` is what the logs know it by.
export class Refusal extends Error {
  constructor(status, { code, message, traceId } = {}) {
    super(message ?? `HTTP ${status}`);
    this.status = status;
    this.code = code ?? "";
    this.traceId = traceId ?? "";
  }

  // Nobody is signed in any more.
  get isSignedOut() {
    return this.status === 401;
  }
}

// The switch did not answer.
export class Unreachable extends Error {}

// What changes must bring along; only pages of the switch itself are told it.
let csrf = "";

const ask = async (method, path, body) => {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  const request = {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
  };
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Unreachable(path);
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const trace = answer.headers.get("x-request-id") ?? "";
    throw new Refusal(answer.status, { traceId: trace, ...said.error });
  }
  return said;
};

// Who is signed in; `null` for nobody.
export const person = async () => {
  try {
    const said = await ask("GET", "/api/auth/me");
    csrf = said.csrfToken;
    return said;
  } catch (why) {
    if (why.isSignedOut) return null;
    throw why;
  }
};

export const signOut = async () => {
  await ask("POST", "/api/auth/logout");
  csrf = "";
};

export const banks = async () => (await ask("GET", "/api/banks")).banks;

export const accounts = (after) =>
  ask("GET", `/api/accounts${after ? `?after=${encodeURIComponent(after)}` : ""}`);

export const link = (bank, iban, currency) =>
  ask("POST", "/api/accounts", { bank, iban, currency });

export const unlink = (account) =>
  ask("DELETE", `/api/accounts/${encodeURIComponent(account)}`);

// How the person's identity check stands; one that was never begun is not known.
export const check = async (customer) => {
  try {
    return await ask("GET", `/api/kyc/status/${encodeURIComponent(customer)}`);
  } catch (why) {
    if (why.status === 404) return { status: "none" };
    throw why;
  }
};

export const beginCheck = () => ask("POST", "/api/kyc/initiate", {});
