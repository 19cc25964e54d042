/** A result as it is read: text as it is, anything else as JSON. */
export const asText = (value: unknown): string => (typeof value === "string" ? value : `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``);
