// Makes one CycloneDX document of several: sbom.mjs VERSION OUT BILL …
//
// The programs, and the page, are components of one product. Nothing in it tells where or when it was made but `SOURCE_DATE_EPOCH`.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const [version, out, ...files] = process.argv.slice(2);
const product = { type: "application", "bom-ref": "parallax-agent-runtimes", name: "parallax-agent-runtimes", version };

// `path+file:///somewhere/crates/api#parallax-api@1.0.0`: our own crates, wherever they were.
const ref = (text) => text.replace(/^path\+file:\/\/.*#(.+)$/, "parallax/$1").replace(/^registry\+\S+#(.+)$/, "pkg:cargo/$1");

const [components, dependencies, tools, parts] = [new Map(), new Map(), new Map(), new Set()];
function add(component) {
  const { "bom-ref": name, purl, components: _, ...rest } = component;
  const own = ref(name);
  // An address in a purl would be one of this machine.
  const address = purl?.replace(/\?download_url=file:.*$/, "");
  // What one program needs and another leaves out, the product needs.
  const before = components.get(own);
  const scope = [before?.scope, rest.scope].includes("required") ? { scope: "required" } : {};
  components.set(own, { ...before, ...rest, ...scope, "bom-ref": own, ...(address ? { purl: address } : {}) });
  return own;
}

for (const file of files) {
  const bill = JSON.parse(readFileSync(file, "utf8"));
  parts.add(add(bill.metadata.component));
  (bill.components ?? []).forEach(add);
  for (const { ref: from, dependsOn = [] } of bill.dependencies ?? []) {
    const known = dependencies.get(ref(from)) ?? new Set();
    dependencies.set(ref(from), new Set([...known, ...dependsOn.map(ref)]));
  }
  for (const tool of [bill.metadata.tools].flat()) tools.set(`${tool.vendor} ${tool.name}`, tool);
}
dependencies.set(product["bom-ref"], parts);

const byRef = (one, other) => (one < other ? -1 : 1);
const sorted = (map) => [...map.keys()].sort(byRef).map((key) => [key, map.get(key)]);
const body = {
  components: sorted(components).map(([, component]) => component),
  dependencies: sorted(dependencies).map(([from, to]) => ({ ref: from, dependsOn: [...to].sort(byRef) })),
};
// The same contents have the same number.
const hex = createHash("sha256").update(JSON.stringify([version, body])).digest("hex");
const uuid = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
const document = {
  $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
  bomFormat: "CycloneDX",
  specVersion: "1.5",
  serialNumber: `urn:uuid:${uuid}`,
  version: 1,
  metadata: {
    timestamp: new Date(Number(process.env.SOURCE_DATE_EPOCH) * 1000).toISOString(),
    tools: sorted(tools).map(([, tool]) => tool),
    component: { ...product, licenses: [{ expression: "Apache-2.0" }] },
  },
  ...body,
};
writeFileSync(out, `${JSON.stringify(document, null, 1)}\n`);
