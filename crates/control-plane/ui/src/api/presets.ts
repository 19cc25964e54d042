// Presets: named spawn requests of the control plane.

import { call } from "./client";
import type { Preset, PresetRequest } from "./types";

const at = (name: string): string => `/api/presets/${encodeURIComponent(name)}`;

export const listPresets = async (): Promise<Preset[]> => (await call<{ presets: Preset[] }>("GET", "/api/presets")).presets;

export const putPreset = (name: string, request: PresetRequest): Promise<Preset> => call("PUT", at(name), request);

export const deletePreset = (name: string): Promise<void> => call("DELETE", at(name));
