// What the form asks for, and what a form shows of a request.

import type { Approvals, SpawnRequest } from "../../api/types";
import { listOf, variablesOf } from "./fields";

/** The fields of a request as a preset has them. */
export type PresetSpawn = Partial<SpawnRequest>;

/** Where the agent works. */
export type Place = "directory" | "repository";

export const placeOf = (spawn: PresetSpawn): Place => (spawn.workspace ? "repository" : "directory");

/** What the form asks for; what was left empty is left out. What the form does not show is as in the preset. */
export function requestOf(form: FormData, preset: PresetSpawn): SpawnRequest {
  const text = (name: string): string => String(form.get(name) ?? "").trim();
  const given = (name: string): Record<string, string> => (text(name) === "" ? {} : { [name]: text(name) });
  const hidden = { args: preset.args, terminal: preset.terminal, resources: preset.resources, idleTimeoutSeconds: preset.idleTimeoutSeconds, maxLifetimeSeconds: preset.maxLifetimeSeconds, stallSeconds: preset.stallSeconds };
  return {
    ...Object.fromEntries(Object.entries(hidden).filter(([, value]) => value !== undefined && value !== null)),
    name: text("name"),
    type: text("type"),
    approvals: text("approvals") as Approvals,
    ...given("runtime"),
    ...(text("place") === "repository" ? { workspace: { ...preset.workspace, repo: text("repo"), ...given("branch"), ...given("ref") } } : given("workdir")),
    ...given("model"),
    ...given("image"),
    ...given("prompt"),
    ...given("role"),
    capabilities: listOf(text("capabilities")),
    labels: variablesOf(listOf(text("labels"))),
    env: variablesOf(String(form.get("env") ?? "").split("\n")),
  };
}

/** The same as it becomes a preset: an agent's name is none of it. */
export function presetOf({ name: _name, ...request }: SpawnRequest): PresetSpawn {
  const isEmpty = (value: unknown): boolean => Array.isArray(value) ? value.length === 0 : typeof value === "object" && value !== null && Object.keys(value).length === 0;
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined && !isEmpty(value)));
}

/** `KEY=value` each, as fields show them. */
export const pairs = (values: Record<string, string> | undefined, between: string): string =>
  Object.entries(values ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(between);
