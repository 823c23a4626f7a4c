// Shows the description of the API. Everything is set as text, so that nothing in it is markup.

const make = (name, text, kind) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
};

const resolve = (root, schema, depth = 0) => {
  if (!schema || typeof schema !== "object" || depth > 8) return schema;
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return resolve(root, root.components.schemas[name], depth + 1);
  }
  if (Array.isArray(schema)) return schema.map((part) => resolve(root, part, depth + 1));
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, resolve(root, value, depth + 1)]),
  );
};

const schemaOf = (root, content) => {
  const [kind, media] = Object.entries(content ?? {})[0] ?? [];
  return kind ? [kind, resolve(root, media.schema)] : [];
};

const block = (parent, title, kind, schema) => {
  if (!kind) return;
  parent.append(make("h4", `${title} (${kind})`));
  if (schema) parent.append(make("pre", JSON.stringify(schema, null, 2)));
};

const endpoint = (root, path, method, said) => {
  const box = make("details");
  box.id = said.operationId;
  const head = make("summary");
  head.append(make("span", method.toUpperCase(), "method"), make("code", path));
  head.append(make("span", ` ${said.summary ?? ""}`, "quiet"));
  box.append(head);
  if (said.description) box.append(make("p", said.description));
  if (said["x-permission"]) box.append(make("p", `Permission: ${said["x-permission"]}`));
  for (const own of said.parameters ?? []) {
    const needed = own.required ? "needed" : "optional";
    box.append(make("p", `${own.in} ${own.name}, ${needed}: ${JSON.stringify(own.schema)}`));
  }
  block(box, "Body", ...schemaOf(root, said.requestBody?.content));
  const table = make("table");
  for (const [status, response] of Object.entries(said.responses)) {
    const row = make("tr");
    row.append(make("th", status), make("td", response.description));
    table.append(row);
    if (status.startsWith("2")) block(box, `Answer ${status}`, ...schemaOf(root, response.content));
  }
  box.append(make("h4", "Statuses"), table);
  return box;
};

const show = (root) => {
  document.querySelector("#about").prepend(make("span", `${root.info.description} `));
  const groups = new Map();
  for (const [path, methods] of Object.entries(root.paths)) {
    for (const [method, said] of Object.entries(methods)) {
      const tag = said.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(endpoint(root, path, method, said));
    }
  }
  const main = document.querySelector("#endpoints");
  for (const [tag, boxes] of groups) main.append(make("h2", tag), ...boxes);
  const chosen = location.hash && document.getElementById(location.hash.slice(1));
  if (chosen) chosen.open = true;
};

const answer = await fetch("/api/openapi.json");
if (answer.ok) show(await answer.json());
else document.querySelector("#endpoints").append(make("p", `The description cannot be had: ${answer.status}`));
